"""Vectors of words from a file in the text format of word2vec, GloVe and fastText (`.vec`).

The file is read once and made into one that is mapped into memory, so that a process holds what it looks up
and nothing else. A text is the mean of its words' vectors, of which frequent ones count for less (Arora and
others, 2017: a simple but tough-to-beat baseline), so the order of the file counts: most frequent first, as
these files are.
"""

from __future__ import annotations

import array
import functools
import math
import mmap
import os
import struct
import sys
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Final

import msgspec
import xxhash

from ingestbox.enrich.embedding.vector import MOST, packed
from ingestbox.enrich.folding import fold
from ingestbox.enrich.searched import written

WORDS: Final = 200_000
"""Words of a file that are taken, its first ones."""

_LINE: Final = 131_072
"""Characters that a line may have."""

_MAGIC: Final = b"ingestbox words 1\n"
_HEAD: Final = struct.Struct("<18sQQIIQ")
"""What it is, the size and the time (ns) of the text file, how many words, how many numbers each, and the
hash of the whole. Then come hashes of words in order (8 bytes each), their lines (4 bytes each), and the
vectors line by line (2 bytes a number)."""

_DAMPING: Final = 1e-3
_ZIPF: Final = 0.085
"""The word in line r makes up about this share of all text, divided by r."""


class NoVectorsError(Exception):
    """A file has no vectors of words that can be read; the message says why, for people."""


class Compiled(msgspec.Struct, frozen=True):
    """A file of vectors as it is mapped: where, the name of the model that it is, and its dimension."""

    path: str
    model: str
    dimension: int


def prepared(source: Path, folder: Path) -> Compiled:
    """The file in `folder` that is mapped for `source`, made now if it has to be; those of other files go.
    Takes and raises what `compile_words` does."""
    target = folder / f"words-{xxhash.xxh32_hexdigest(bytes(source.absolute()))}.vectors"
    compiled = compile_words(source, target)
    for other in folder.glob("words-*.vectors*"):
        if other != target:
            other.unlink(missing_ok=True)
    return compiled


def compile_words(source: Path, target: Path) -> Compiled:
    """Makes the file that is mapped, unless `target` was made of the very same `source` already, or `source`
    is there no more.

    Takes some 20 seconds for 200,000 words of 300 numbers, and as many bytes of disk as these need twice over
    (240 MB). Raises NoVectorsError, and OSError for a disk that is full.
    """
    known = _head(target)
    try:
        told = source.stat()
    except OSError as error:
        if known is not None:
            return _compiled(target, known)
        raise NoVectorsError(f"{source} cannot be read: {error.strerror}.") from None
    if known is not None and known[:2] == (told.st_size, told.st_mtime_ns):
        return _compiled(target, known)
    made = target.with_name(target.name + ".new")
    try:
        _write(source, made, told)
        made.replace(target)
    finally:
        made.unlink(missing_ok=True)
    known = _head(target)
    assert known is not None
    return _compiled(target, known)


def look(source: Path) -> int:
    """The dimension of the vectors in a text file, from the first that it has. Raises NoVectorsError."""
    for _, numbers in _lines(source):
        return len(numbers)
    raise NoVectorsError(f"{source} has no vectors of words.")


def _compiled(path: Path, head: tuple[int, int, int, int, int]) -> Compiled:
    return Compiled(str(path), f"word-vectors/{head[4]:016x}", head[3])


def _head(path: Path) -> tuple[int, int, int, int, int] | None:
    try:
        with path.open("rb") as file:
            data = file.read(_HEAD.size)
            size = os.fstat(file.fileno()).st_size
    except OSError:
        return None
    if len(data) < _HEAD.size:
        return None
    magic, of_size, of_time, words, dimension, hashed = _HEAD.unpack(data)
    if magic != _MAGIC or size != _HEAD.size + words * (12 + 2 * dimension):
        return None
    return of_size, of_time, words, dimension, hashed


def _lines(source: Path) -> Iterator[tuple[str, list[float]]]:
    """The words and their numbers; a first line of two numbers (how many, of how many) is none of them."""
    dimension = 0
    try:
        with source.open(encoding="utf-8", errors="replace", newline="\n") as file:
            for number in range(4 * WORDS):
                line = file.readline(_LINE)
                if not line:
                    return
                word, _, rest = line.rstrip("\r\n ").partition(" ")
                parts = rest.split(" ")
                if number == 0 and len(parts) == 1 and word.isdigit() and rest.strip().isdigit():
                    continue
                if dimension == 0:
                    dimension = len(parts)
                if len(parts) != dimension or not 2 <= dimension <= MOST:
                    continue  # a word with a blank in it, or half a line
                try:
                    numbers = list(map(float, parts))
                except ValueError:
                    continue
                if all(map(math.isfinite, numbers)):
                    yield word, numbers
    except OSError as error:
        raise NoVectorsError(f"{source} cannot be read: {error.strerror}.") from None


def _write(source: Path, made: Path, told: os.stat_result) -> None:
    dimension = look(source)
    form = struct.Struct(f"<{dimension}e")
    lines: dict[int, int] = {}
    whole = xxhash.xxh3_64()
    rows = made.with_name(made.name + ".rows")
    try:
        with rows.open("wb") as file:
            for word, numbers in _lines(source):
                key = _key(word)
                if key is None or key in lines:
                    continue
                try:
                    row = form.pack(*numbers)
                except (OverflowError, struct.error):  # far too large for any vector of words
                    continue
                lines[key] = len(lines)
                whole.update(key.to_bytes(8, "little") + row)
                file.write(row)
                if len(lines) == WORDS:
                    break
        if not lines:
            raise NoVectorsError(f"{source} has no vectors of words.")
        keys = sorted(lines)
        with made.open("wb") as file, rows.open("rb") as vectors:
            head = (_MAGIC, told.st_size, told.st_mtime_ns, len(keys), dimension, whole.intdigest())
            file.write(_HEAD.pack(*head))
            for kind, numbers_of in (("Q", keys), ("I", [lines[key] for key in keys])):
                packed_ = array.array(kind, numbers_of)
                if sys.byteorder == "big":
                    packed_.byteswap()
                file.write(packed_.tobytes())
            while piece := vectors.read(1 << 20):
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
    finally:
        rows.unlink(missing_ok=True)


def _key(word: str) -> int | None:
    """What a word is looked up by: as it is written but for case and composition; words of several parts are
    joined by `_`."""
    parts = written(word.replace("_", " ").replace("-", " "))
    return _hash("_".join(parts)) if parts else None


def _hash(word: str) -> int:
    return xxhash.xxh64_intdigest(word.encode("utf-8", "surrogatepass"))


class WordVectors:
    """A compiled file, mapped. For any thread."""

    def __init__(self, compiled: Compiled) -> None:
        """Raises OSError or NoVectorsError for a file that is gone, or another."""
        path = Path(compiled.path)
        head = _head(path)
        if head is None or _compiled(path, head) != compiled:
            raise NoVectorsError(f"{path} is not what it was.")
        with path.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.model, self.dimension, self._count = compiled.model, compiled.dimension, head[2]
        whole = memoryview(self._map)
        start, beyond = _HEAD.size, _HEAD.size + 8 * self._count
        self._keys = _Numbers(whole[start:beyond], "<Q")
        self._lines = _Numbers(whole[beyond : beyond + 4 * self._count], "<I")
        self._rows = beyond + 4 * self._count
        self._form = struct.Struct(f"<{self.dimension}e")

    def embed(self, text: str) -> bytes:
        """The vector of a text (`embedding.vector`); of zeros if none of its words is known."""
        words = written(text)
        counts: Counter[str] = Counter()
        place = 0
        pairs = [f"{first}_{second}" for first, second in pairwise(words)]
        while place < len(words):  # two syllables that are one word count as that
            two = place < len(pairs) and self._line(pairs[place]) is not None
            counts[pairs[place] if two else words[place]] += 1
            place += 2 if two else 1
        total = [0.0] * self.dimension
        for word, count in counts.items():
            line = self._line(word)
            if line is None:
                line = self._line(fold(word))
            if line is not None:
                weight = count * _DAMPING / (_DAMPING + _ZIPF / (line + 1))
                row = self._form.unpack_from(self._map, self._rows + line * self._form.size)
                total = [each + weight * more for each, more in zip(total, row, strict=True)]
        return packed(total)

    def _line(self, word: str) -> int | None:
        key = _hash(word)
        place = bisect_left(self._keys, key)
        return self._lines[place] if place < self._count and self._keys[place] == key else None


class _Numbers:
    """Numbers in mapped bytes, one by one."""

    def __init__(self, view: memoryview, form: str) -> None:
        self._view = view
        self._form = struct.Struct(form)

    def __len__(self) -> int:
        return len(self._view) // self._form.size

    def __getitem__(self, place: int) -> int:
        found: int = self._form.unpack_from(self._view, place * self._form.size)[0]
        return found


@functools.lru_cache(maxsize=2)
def opened(compiled: Compiled) -> WordVectors:
    """The file, mapped once in a process. Raises as WordVectors does."""
    return WordVectors(compiled)
