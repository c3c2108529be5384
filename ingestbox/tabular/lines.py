"""Blocks of whole physical lines of a file, by byte offset. A line ends with \\n, \\r\\n or a lone \\r."""

from __future__ import annotations

import re
from itertools import accumulate, islice
from typing import BinaryIO

import msgspec

_NEWLINE = re.compile(rb"\r\n|[\n\r]")


class Block(msgspec.Struct):
    """Bytes from `offset` to a line's end; `last`: to the file's end. Empty: the first line is longer."""

    offset: int
    data: bytes
    last: bool
    _lines: list[bytes] | None = None
    _starts: list[int] | None = None

    @property
    def lines(self) -> list[bytes]:
        """The lines with their ends."""
        if self._lines is None:
            self._lines = self.data.splitlines(keepends=True)
        return self._lines

    @property
    def starts(self) -> list[int]:
        """The file's offset at which each line begins, and at which the last one ends."""
        if self._starts is None:
            self._starts = list(accumulate(map(len, self.lines), initial=self.offset))
        return self._starts

    def head(self, most: int) -> Block:
        """The block up to this many lines: a list of very short ones takes much memory."""
        ends = islice(_NEWLINE.finditer(self.data), most - 1, most)
        cut = next((hit.end() for hit in ends), len(self.data))
        return self if cut == len(self.data) else Block(self.offset, self.data[:cut], last=False)


def block(file: BinaryIO, offset: int, size: int) -> Block:
    """The whole lines within `size` bytes from `offset`, which is a line's beginning."""
    file.seek(offset)
    data = file.read(size + 1)
    if len(data) <= size:
        return Block(offset, data, last=True)
    # A \r at the very end may be half of a \r\n.
    cut = max(data.rfind(b"\n", 0, size), data.rfind(b"\r", 0, size)) + 1
    if cut and data[cut - 1 : cut + 1] == b"\r\n":
        cut = max(data.rfind(b"\n", 0, cut - 1), data.rfind(b"\r", 0, cut - 1)) + 1
    return Block(offset, data[:cut], last=False)


def line_end(file: BinaryIO, offset: int, size: int = 1 << 20) -> int:
    """Where the line beginning at `offset` ends, its newline included; in bounded memory."""
    file.seek(offset)
    while data := file.read(size):
        found = [at for at in (data.find(b"\n"), data.find(b"\r")) if at >= 0]
        if found:
            at = min(found)
            if data[at : at + 1] == b"\n":
                return offset + at + 1
            after = data[at + 1 : at + 2] or file.read(1)
            return offset + at + (2 if after == b"\n" else 1)
        offset += len(data)
    return offset
