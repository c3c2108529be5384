"""Uploaded files: one that has the address anywhere is removed whole, once all its rows are in the store."""

from __future__ import annotations

import codecs
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import msgspec

from ingestbox.enrich.addresses import Spellings
from ingestbox.store.unit import Tx

BLOCK = 262_144
"""Bytes that are looked through in one go: 1 to 3 ms."""

OVERLAP = 512
"""Characters of the block before that are looked at once more: an address has 254 at most."""

MARGIN = 20
"""Characters around an address that tell whether it is whole."""

AT_ONCE = 20


class _Form(msgspec.Struct):
    encoding: str = "utf-8"


_form = msgspec.json.Decoder(_Form)


@dataclass(frozen=True, slots=True)
class RetireFile:
    """A file is not needed any more; the sweep removes it."""

    job_id: int
    now_ms: int
    weight: int = 1

    def apply(self, tx: Tx) -> bool:
        """Always true: one that is retired is what was wanted."""
        tx.run("erasures.retire_file", {"job_id": self.job_id, "now": self.now_ms})
        return True


def has(paths: list[Path], form: str, spelt: Spellings) -> bool:
    """Whether one of these files (what was sent, and what was made of it) has the address. In a thread.

    A file that is gone has nothing; of one that cannot be read nobody knows, and it counts as having it.
    """
    try:
        encoding = codecs.lookup(_form.decode(form).encoding).name
    except (LookupError, msgspec.DecodeError):
        encoding = "utf-8"
    for path in paths:
        own = "utf-8" if path.suffix == ".rows" else encoding
        try:
            if any(_is_in(spelt, piece) for piece in _texts(path, own)):
                return True
        except FileNotFoundError:
            continue
        except (OSError, zipfile.BadZipFile, EOFError, RuntimeError, NotImplementedError):
            return True
    return False


def _is_in(spelt: Spellings, piece: tuple[str, bool, bool]) -> bool:
    """Whether it is in a piece whole: what is cut by an end of it is whole in the one before or after."""
    text, first, last = piece
    return any(
        (first or start >= MARGIN) and (last or end <= len(text) - MARGIN) for start, end in spelt.spans(text)
    )


def _texts(path: Path, encoding: str) -> Iterator[tuple[str, bool, bool]]:
    if path.suffix != ".xlsx":
        with path.open("rb") as file:
            yield from _pieces(file, encoding)
        return
    with zipfile.ZipFile(path) as book:
        for name in book.namelist():
            with book.open(name) as part:
                yield from _pieces(part, "utf-8")


def _pieces(file: IO[bytes], encoding: str) -> Iterator[tuple[str, bool, bool]]:
    """The text in pieces that overlap, and whether each is the first and the last one; others get their turn
    in between."""
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    before, first = "", True
    block = file.read(BLOCK)
    while block:
        following = file.read(BLOCK)
        text = before + decoder.decode(block, final=not following)
        yield text, first, not following
        before, first, block = text[-OVERLAP:], False, following
        time.sleep(0)
