"""The one row iterator: `survey` and `read` both use it, so their counts agree.

The standard library's reader does the work, in blocks of whole lines and in its strict mode; whatever it
stumbles over is looked at line by line. What a line becomes depends only on the file, the format and the
position, never on where a block or a slice ends:

- A quoted cell may go over lines, if the row is at most `max_row_bytes` and its quotes follow the rules to
  the end. Otherwise the quote was not meant to open: the line on which the row began is refused, alone, and
  reading goes on with the next physical line; up to the place where the quotes went wrong, a newline then
  ends a row.
- A line over `max_row_bytes` is refused; so are more cells than columns, unless those over are empty.
- Missing cells are empty. Blank lines are no rows.
"""

from __future__ import annotations

import csv
from typing import BinaryIO

import msgspec

from ingestbox.tabular.decoding import Decoder
from ingestbox.tabular.lines import block, line_end
from ingestbox.tabular.piece import BLOCK_BYTES, MAX_ROW_LINES, Piece, dialect_of, refusal
from ingestbox.tabular.shapes import MAX_RAW_CHARS, NOTICE_LINES, Format, Position, Row, Unreadable

LEAST_BYTES = 8 << 10
FIRST_BYTES, FIRST_ROWS = 64 << 10, 1_000


class Tally(msgspec.Struct):
    """How often something was met, and the first lines where."""

    count: int = 0
    lines: list[int] = []


class Reader:
    """Reads the rows of an open file from a position on."""

    def __init__(self, file: BinaryIO, form: Format, start: Position) -> None:
        self._file = file
        self._form = form
        self._decoder = Decoder(form)
        self._dialect = dialect_of(form)
        self._start = start
        self.position = start
        self.done = False
        self.tallies: dict[str, Tally] = {}
        # The limit is the process's. Rows are bounded before they reach the reader.
        if csv.field_size_limit() < form.max_row_bytes:
            csv.field_size_limit(form.max_row_bytes)

    def take(self, max_rows: int, max_bytes: int) -> list[Row | Unreadable]:
        """Up to `max_rows` rows, none of a further block after `max_bytes`. Empty only at the end."""
        rows: list[Row | Unreadable] = []
        stop = self.position.offset + max_bytes
        while not self.done and len(rows) < max_rows and (not rows or self.position.offset < stop):
            self._block(rows, max_rows, min(stop - self.position.offset, self._likely(max_rows - len(rows))))
        return self._numbered(rows) if self._form.numbered else rows

    def _likely(self, rows: int) -> int:
        """About how many bytes so many rows have: what is read in vain is split in vain."""
        here = self.position
        read = here.row - self._start.row
        each = (here.offset - self._start.offset) / read if read else FIRST_BYTES / FIRST_ROWS
        return int(rows * each * 1.1)

    def _block(self, rows: list[Row | Unreadable], most: int, wish: int) -> None:
        """Reads the rows of the next block; one that does not end in it is left to the block after."""
        limit = self._form.max_row_bytes
        size = min(BLOCK_BYTES, limit, max(wish, LEAST_BYTES))
        while True:
            found = block(self._file, self.position.offset, size)
            if size > BLOCK_BYTES:
                found = found.head(MAX_ROW_LINES + 1)
            if not found.data:
                if found.last:
                    self.done = True
                    return
                if size == limit:
                    self._refuse_line(rows, "row_too_long")
                    return
            else:
                piece = Piece(
                    self._form,
                    self._dialect,
                    self._decoder,
                    self._note,
                    found,
                    self.position,
                    final=size == limit,
                )
                if piece.hopeless:
                    self._refuse_line(rows, "too_many_cells")
                    return
                if piece.read(rows, most):
                    self.position = piece.position
                    self.done = found.last and self.position.offset == found.offset + len(found.data)
                    return
            size = min(size * 4, limit)

    def _refuse_line(self, rows: list[Row | Unreadable], code: str) -> None:
        """Refuses a line that is too long to be looked into."""
        here = self.position
        end = line_end(self._file, here.offset)
        self._file.seek(here.offset)
        raw = self._file.read(min(4 * MAX_RAW_CHARS, end - here.offset))
        number, length = here.row + 1, end - here.offset
        rows.append(refusal(self._form, self._decoder, code, number, here.line, raw, length))
        self.position = Position(
            end, here.line + 1, number, here.plain_until if here.plain_until > end else 0
        )

    def _note(self, code: str, line: int) -> None:
        tally = self.tallies.setdefault(code, Tally(0, []))
        tally.count += 1
        if len(tally.lines) < NOTICE_LINES:
            tally.lines.append(line)

    def _numbered(self, rows: list[Row | Unreadable]) -> list[Row | Unreadable]:
        """The rows of a copy, each on the line that its first cell says."""
        for row in rows:
            if isinstance(row, Row):
                row.line = int(row.cells.pop(0))
            else:
                number, _, rest = row.raw.partition(self._form.delimiter)
                if number.isdecimal():
                    row.line, row.raw = int(number), rest
        return rows
