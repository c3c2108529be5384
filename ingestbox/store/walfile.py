"""SQLite's write-ahead log as a file: which of its pages are good (https://sqlite.org/fileformat2.html#walformat).

SQLite takes a log to end before the first page whose checksum is wrong: that is how it leaves out what was
not written whole. A byte that changed on disk therefore loses, silently, everything that was committed after
it. Here a log is looked at as a whole: what comes after such a page tells that it was written whole.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

HEADER: Final = 32
FRAME: Final = 24
MAGIC: Final = 0x377F0682  # its last bit: checksums read words with their high byte first
VERSION: Final = 3_007_000
PAGE_SIZE: Final = 4_096
"""That of every store; a header says so, too."""

_SIZES: Final = frozenset(1 << bits for bits in range(9, 17))
_MASK: Final = 0xFFFFFFFF

Sum = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Frame:
    """A page in the log, whose content begins at `at`, or is `fixed`: a single bit was wrong, and is as it
    was. `commit` is the size of the database in pages after a transaction that ends here, 0 elsewhere; `good`
    says that its checksum is right, or was put right."""

    page: int
    commit: int
    at: int
    good: bool
    fixed: bytes | None = None

    @property
    def repaired(self) -> bool:
        """Whether something of it was put right."""
        return self.fixed is not None


@dataclass(frozen=True, slots=True)
class Log:
    """What a log holds up to its last whole transaction. `damaged` counts frames that are wrong though whole
    transactions come after them, `repaired` those of them that were put right."""

    path: Path
    page_size: int
    frames: tuple[Frame, ...]
    damaged: int
    repaired: int

    def pages(self) -> Iterator[tuple[int, bytes]]:
        """Each page with its number, in the order they were written. Raises OSError."""
        with self.path.open("rb") as file:
            data = _Bytes(file.fileno())
            for frame in self.frames:
                content = data[frame.at : frame.at + self.page_size] if frame.fixed is None else frame.fixed
                yield frame.page, content


class _Bytes:
    """A file's bytes, read where they are asked for: logs may be large."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._size = os.fstat(descriptor).st_size

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, place: slice) -> bytes:
        first = place.start or 0
        return os.pread(self._descriptor, place.stop - first, first)


def read(path: Path) -> Log | None:
    """Reads a log; None when there is none, or nothing in it. Raises OSError."""
    try:
        with path.open("rb") as file:
            return _read(path, _Bytes(file.fileno()))
    except FileNotFoundError:
        return None


def _read(path: Path, data: _Bytes) -> Log | None:
    head = _header(data)
    if head is None:
        return None
    words, page_size, salt, seed, was_good = head
    last = _last_commit(data, page_size, salt)
    frames, wrong_head = list(_frames(data, words, page_size, salt, seed, last)), not was_good
    end = _whole(frames)
    frames = frames[:end]
    bad = sum(not frame.good for frame in frames)
    repaired = sum(frame.repaired for frame in frames)
    damaged = bad + repaired + (wrong_head and bool(frames))
    return Log(path, page_size, tuple(frames), damaged, repaired + (wrong_head and bool(frames)))


def _header(data: _Bytes) -> tuple[str, int, bytes, Sum, bool] | None:
    """How words are read, the page size, the salt, the sum to go on from, and whether nothing was wrong.

    The first frame tells what of a header is right: it has the same salt, and goes on from its sum.
    """
    if len(data) < HEADER + FRAME:
        return None
    magic, version, size = struct.unpack(">3I", data[:12])
    stored: Sum = struct.unpack(">2I", data[24:32])
    for words in "<>":
        made = _sum(words, data[:24], (0, 0))
        for page_size in dict.fromkeys((size, PAGE_SIZE)):
            for seed in dict.fromkeys((stored, made)):
                if page_size in _SIZES and _follows(data, words, page_size, HEADER, seed):
                    salt = data[16:24] if made == stored else data[HEADER + 8 : HEADER + 16]
                    return words, page_size, salt, seed, made == stored
    if magic & ~1 == MAGIC and version == VERSION and size in _SIZES:
        words = ">" if magic & 1 else "<"
        return words, size, data[16:24], stored, _sum(words, data[:24], (0, 0)) == stored
    return None


def _last_commit(data: _Bytes, size: int, salt: bytes) -> int:
    """Where the last frame of this generation is that ends a transaction, by the frames' heads alone; 0 if
    there is none."""
    last = 0
    for at in range(HEADER, len(data) - FRAME - size + 1, FRAME + size):
        head = data[at : at + 16]
        if head[4:8] != bytes(4) and head[8:] == salt:
            last = at
    return last


def _frames(data: _Bytes, words: str, size: int, salt: bytes, seed: Sum, last: int) -> Iterator[Frame]:
    """Every frame of this log's generation, until nothing fits any more; behind the `last` that ends a
    transaction, where a long one may not have been finished, until the first that is wrong."""
    at, missed = HEADER, False
    while at + FRAME + size <= len(data) and not (missed and at > last):
        page, commit = struct.unpack(">2I", data[at : at + 8])
        stored: Sum = struct.unpack(">2I", data[at + 16 : at + 24])
        body = data[at : at + 8] + data[at + FRAME : at + FRAME + size]
        made = _sum(words, body, seed)
        ours = data[at + 8 : at + 16] == salt
        following = at + FRAME + size
        # Of an older generation whose sums go on from a frame that was cut off in its head: none of ours.
        if made == stored and (ours or not missed):
            missed = False
            yield Frame(page, commit, at + FRAME, good=True, fixed=None if ours else body[8:])
        elif not ours and missed:
            return  # of an older generation, which this one has not come to yet
        else:
            fixed: bytes | None
            if _follows(data, words, size, following, made):
                fixed, stored = body, made  # the sum itself was wrong
            else:
                certain = _follows(data, words, size, following, stored)
                fixed = _repair(words, body, seed, stored, certain=certain)
            if fixed is None and not ours:
                return
            missed = fixed is None
            if fixed is not None:
                page, commit = struct.unpack(">2I", fixed[:8])
            content = None if fixed is None else fixed[8:]
            yield Frame(page, commit, at + FRAME, good=fixed is not None, fixed=content)
        seed = stored
        at = following


def _whole(frames: list[Frame]) -> int:
    """How many frames count: to the end of the last transaction that is known to have been written whole.

    Pages of the last one alone that are wrong may never have come to the disk, when power was lost: then it
    was not acknowledged, and it goes, as SQLite would have it.
    """
    ends = [place + 1 for place, frame in enumerate(frames) if frame.commit]
    while ends:
        end = ends.pop()
        first = ends[-1] if ends else 0
        if all(frame.good for frame in frames[first:end]):
            return end
    return 0


def _follows(data: _Bytes, words: str, size: int, at: int, seed: Sum) -> bool:
    """Whether the next frame is right after this sum."""
    if at + FRAME + size > len(data):
        return False
    body = data[at : at + 8] + data[at + FRAME : at + FRAME + size]
    return _sum(words, body, seed) == struct.unpack(">2I", data[at + 16 : at + 24])


def _sum(words: str, data: bytes, seed: Sum) -> Sum:
    one, two = seed
    numbers = iter(struct.unpack(f"{words}{len(data) // 4}I", data))
    for first in numbers:
        one = (one + first + two) & _MASK
        two = (two + next(numbers) + one) & _MASK
    return one, two


def _repair(words: str, data: bytes, seed: Sum, stored: Sum, *, certain: bool) -> bytes | None:
    """The data with the one bit changed that makes its sum right, if that can only be one.

    Sums are linear: what a word adds to them at its place is a pair of factors. Of a word's upper bits
    several may have the same effect, and the last word has that of the sum's second half,
    unless that is `certain`.
    """
    made = _sum(words, data, seed)
    wanted = ((stored[0] - made[0]) & _MASK, (stored[1] - made[1]) & _MASK)
    numbers = struct.unpack(f"{words}{len(data) // 4}I", data)
    fits: list[tuple[int, int]] = []
    # From the last pair of words to the first: what (1, 0) and (0, 1) before it become at the end.
    from_one, from_two = (1, 0), (0, 1)
    for place in range(len(numbers) - 2, -2, -2):
        # one' = one + first + two; two' = two + second + one'
        first = ((from_one[0] + from_two[0]) & _MASK, (from_one[1] + from_two[1]) & _MASK)
        for offset, share in ((0, first), (1, from_two)):
            for change, bit in _CHANGES:
                if (change * share[0]) & _MASK == wanted[0] and (change * share[1]) & _MASK == wanted[1]:
                    rises = not numbers[place + offset] & bit
                    if bit == 1 << 31 or rises == (change > 0):
                        fits.append((place + offset, bit))
        from_one, from_two = first, ((first[0] + from_two[0]) & _MASK, (first[1] + from_two[1]) & _MASK)
    fits = list(dict.fromkeys(fits))
    if len(fits) != 1 or (fits[0][0] == len(numbers) - 1 and not certain):
        return None
    fixed = list(numbers)
    fixed[fits[0][0]] ^= fits[0][1]
    return struct.pack(f"{words}{len(fixed)}I", *fixed)


_CHANGES: Final = tuple((sign << bit, 1 << bit) for bit in range(32) for sign in (1, -1))
