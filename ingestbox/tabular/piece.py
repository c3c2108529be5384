"""One block of a table, row by row."""

from __future__ import annotations

import csv
import io
from bisect import bisect_left
from collections.abc import Callable, Iterator
from typing import Any, Literal

from ingestbox.tabular import repair
from ingestbox.tabular.decoding import Decoder, Lines
from ingestbox.tabular.dialect import NO_DELIMITER
from ingestbox.tabular.lines import Block
from ingestbox.tabular.shapes import MAX_RAW_CHARS, Format, Position, Row, Unreadable

BLOCK_BYTES = 256 << 10
MAX_DELIMITERS = BLOCK_BYTES
"""A line with more is not split: its cells would take many times its memory."""
MAX_ROW_LINES = 65_536
"""A row goes over at most this many lines."""
SWALLOWED_LINES = {2: 10}
"""As many lines inside one quoted cell, each by itself a whole row, betray a quote left open; by columns."""
FEWEST_SWALLOWED = 3
SWALLOWED_SHARE = 0.9

MESSAGES = {
    "too_many_cells": "The row has {found} cells, and the header {width}.",
    "unclosed_quote": "A quote is opened on this line and not closed as it should be.",
    "row_too_long": "The row has {length} bytes; at most {limit} are read.",
    "undecodable": "The row is not valid {encoding}.",
}

Note = Callable[[str, int], None]
"""Takes the code of something worth a notice, and its line."""


def dialect_of(form: Format) -> type[csv.Dialect]:
    """The format for the standard library's reader."""
    return type(
        "Found",
        (csv.Dialect,),
        {
            "delimiter": form.delimiter or NO_DELIMITER,
            "quotechar": form.quote or None,
            "quoting": csv.QUOTE_MINIMAL if form.quote else csv.QUOTE_NONE,
            "escapechar": form.escape or None,
            "doublequote": True,
            "skipinitialspace": form.skip_space,
            "lineterminator": "\n",
            "strict": True,
        },
    )


def refusal(
    form: Format, decoder: Decoder, code: str, number: int, line: int, raw: bytes, length: int, found: int = 0
) -> Unreadable:
    """A row that is refused, with as much of its text as is kept."""
    message = MESSAGES[code].format(
        found=found,
        width=len(form.header),
        length=length,
        limit=form.max_row_bytes,
        encoding=form.encoding,
    )
    text = decoder.shown(raw[: 4 * MAX_RAW_CHARS]).rstrip("\r\n")[:MAX_RAW_CHARS]
    return Unreadable(number, line, text, code, message, length)


class Piece:
    """Reads the rows of `block`, which begins where `start` says.

    `final`: the block is as large as a row may be, so that if its first one does not end in it, it never
    does.
    """

    def __init__(
        self,
        form: Format,
        dialect: type[csv.Dialect],
        decoder: Decoder,
        note: Note,
        block: Block,
        start: Position,
        *,
        final: bool,
    ) -> None:
        self._form = form
        self._width = len(form.header) + form.numbered
        self._dialect = dialect
        self._decoder = decoder
        self._note = note
        self._block = block
        self._final = final
        self._wall = block.last  # nothing goes on beyond the end of this block
        self._line = start.line
        self._at = 0  # index of the line on which the next row begins
        self._number = start.row
        self._plain_until = start.plain_until
        self._lines: Lines | None = None
        self._end = len(block.data)  # of the bytes that are read here
        self._ended = False
        text = decoder.text(block.data)
        self._text = text or ""
        if text is None or len(block.data) > BLOCK_BYTES:
            self._split()

    @property
    def hopeless(self) -> bool:
        """Whether the first line has more delimiters than are split."""
        return self._end == 0

    def read(self, rows: list[Row | Unreadable], most: int) -> bool:
        """Appends rows until there are `most`; False when a larger block is needed for the first one."""
        while not self._ended and len(rows) < most:
            if self._plain_until > self._block.offset and self._plain(rows, most):
                continue
            if self._ended:
                break
            if self._run(rows, most) == "open":
                number = len(self._split().texts)
                whole = self._wall or (self._final and self._at == 0)
                if whole or number - self._at > MAX_ROW_LINES:
                    self._refuse_opening(rows, self._block.starts[min(number, self._at + MAX_ROW_LINES)])
                elif self._at == 0:
                    return False
                else:
                    break
        return True

    @property
    def position(self) -> Position:
        """Where the next row begins."""
        block = self._block
        offset = block.offset + self._end if self._ended else block.starts[self._at]
        plain_until = self._plain_until if self._plain_until > offset else 0
        return Position(offset, self._line + self._at, self._number, plain_until)

    def _split(self) -> Lines:
        """The block's lines, up to one that is not to be split into cells."""
        if self._lines is None:
            lines = self._block.lines
            if len(self._block.data) > BLOCK_BYTES:
                lines = self._safe(lines)
            if self._text and len(lines) == len(self._block.lines):
                self._lines = Lines(list(io.StringIO(self._text, newline="")), set(), set())
            else:
                self._lines = self._decoder.lines(lines)
            self._text = ""
        return self._lines

    def _safe(self, lines: list[bytes]) -> list[bytes]:
        delimiter = self._form.delimiter.encode()
        for index, line in enumerate(lines):
            if delimiter and len(line) > BLOCK_BYTES and line.count(delimiter) > MAX_DELIMITERS:
                self._wall = True
                self._end = self._block.starts[index] - self._block.offset
                return lines[:index]
        return lines

    def _source(self) -> Iterator[str]:
        if self._lines is None and self._at == 0:
            return io.StringIO(self._text, newline="")
        lines = iter(self._split().texts)
        # Straight to the line; an islice would walk there, again and again.
        lines.__setstate__(self._at)  # type: ignore[attr-defined]
        return lines

    def _run(self, rows: list[Row | Unreadable], most: int) -> Literal["end", "full", "open", "again"]:
        """Reads on from `self._at` until something has to be decided."""
        source = self._source()
        reader = csv.reader(source, self._dialect)
        base = begin = self._at
        line, number = self._line, self._number
        last = number + most - len(rows)
        append = rows.append
        lines = self._lines
        odd = lines.guessed | lines.bad if lines is not None else frozenset[int]()
        width = self._width
        wide = width > 1
        few = SWALLOWED_LINES.get(width, FEWEST_SWALLOWED) + 2
        try:
            for cells in reader:
                end = base + reader.line_num
                if (
                    len(cells) == width
                    and end - begin == 1
                    and begin not in odd
                    and (wide or not cells[0].isspace())
                ):
                    number += 1
                    append(Row(number, line + begin, cells))
                elif cells:
                    self._at, self._number = begin, number
                    span = end - begin
                    if span > 1 and (
                        span > MAX_ROW_LINES
                        or ((span >= few or len(cells) != width) and self._swallowed(begin, end, len(cells)))
                    ):
                        self._refuse_opening(rows, self._block.starts[min(end, begin + MAX_ROW_LINES)])
                        return "again"
                    self._accept(rows, cells, end)
                    number = self._number
                begin = end
                if number >= last:
                    self._at, self._number = begin, number
                    return "full"
        except csv.Error as error:
            failed = base + reader.line_num
            self._at, self._number = begin, number
            if "end of data" in str(error):
                return "open"
            if failed - begin == 1:
                self._mend(rows)
            else:
                self._refuse_opening(rows, self._block.starts[min(failed - 1, begin + MAX_ROW_LINES)])
            return "again"
        self._at, self._number = begin, number
        self._ended = True
        return "end"

    def _plain(self, rows: list[Row | Unreadable], most: int) -> bool:
        """Reads one line as a row; False where newlines may stand in quotes again."""
        texts = self._split().texts
        if self._at >= len(texts):
            self._ended = True
            return False
        if self._block.starts[self._at] >= self._plain_until:
            self._plain_until = 0
            return False
        run = self._unquoted(most - len(rows))
        if run:
            for cells in csv.reader(run, self._dialect):
                self._accept(rows, cells, self._at + 1)
            return True
        try:
            cells = next(csv.reader([texts[self._at]], self._dialect))
        except csv.Error:
            self._mend(rows)
        else:
            self._accept(rows, cells, self._at + 1)
        return True

    def _unquoted(self, most: int) -> list[str]:
        """The next lines that are plain and without quotes, at most as many as rows are wanted."""
        form, texts = self._form, self._split().texts
        if not form.quote or form.escape:
            return []
        stop = bisect_left(self._block.starts, self._plain_until, self._at, len(texts))
        quote = form.quote
        end = self._at
        for end in range(self._at, min(stop, self._at + most)):
            if quote in texts[end]:
                return texts[self._at : end]
        return texts[self._at : end + 1]

    def _mend(self, rows: list[Row | Unreadable]) -> None:
        """Takes the next line, whose quotes do not follow the rules, as what was likely meant."""
        text = self._split().texts[self._at].rstrip("\r\n")
        form = self._form
        cells = repair.cells_of(text, form.delimiter, form.quote, form.escape) if form.quote else None
        if cells is None:
            self._refuse_opening(rows, self._plain_until)
            return
        self._note("stray_quote", self._line + self._at)
        self._accept(rows, cells, self._at + 1)

    def _accept(self, rows: list[Row | Unreadable], cells: list[str], end: int) -> None:
        """Takes the row of the lines from `self._at` to `end`, if it is one."""
        begin, width, line = self._at, self._width, self._line + self._at
        self._at = end
        if not cells:
            return
        # In quotes, blanks are a cell.
        if (
            len(cells) == 1
            and cells[0].isspace()
            and end == begin + 1
            and not self._block.lines[begin].strip()
        ):
            return
        self._number += 1
        found = self._lines
        if found is not None and found.bad and not found.bad.isdisjoint(range(begin, end)):
            rows.append(self._refusal("undecodable", begin, end))
            return
        if len(cells) > width:
            if any(cells[width:]):
                count = len(cells) - self._form.numbered
                rows.append(self._refusal("too_many_cells", begin, end, count))
                return
            del cells[width:]
        elif len(cells) < width:
            self._note("missing_cells", line)
            cells += [""] * (width - len(cells))
        if found is not None and found.guessed and not found.guessed.isdisjoint(range(begin, end)):
            self._note("second_encoding", line)
        rows.append(Row(self._number, line, cells))

    def _refuse_opening(self, rows: list[Row | Unreadable], plain_until: int) -> None:
        """Refuses the next line for the quote that it leaves open."""
        begin = self._at
        self._at += 1
        self._number += 1
        self._plain_until = max(plain_until, self._plain_until)
        rows.append(self._refusal("unclosed_quote", begin, begin + 1))

    def _refusal(self, code: str, begin: int, end: int, found: int = 0) -> Unreadable:
        starts = self._block.starts
        first, last = starts[begin] - self._block.offset, starts[end] - self._block.offset
        raw = self._block.data[first : min(last, first + 4 * MAX_RAW_CHARS)]
        return refusal(
            self._form, self._decoder, code, self._number, self._line + begin, raw, last - first, found
        )

    def _swallowed(self, begin: int, end: int, count: int) -> bool:
        """Whether a row of several lines is likely a quote left open and the rows that it swallowed."""
        width = self._width
        if width < 2:
            return False
        ragged = count != width
        inner = self._split().texts[begin + 1 : end if ragged else end - 1]
        if not ragged and len(inner) < SWALLOWED_LINES.get(width, FEWEST_SWALLOWED):
            return False
        whole = sum(self._is_row(text) for text in inner)
        return whole >= len(inner) * (0.5 if ragged else SWALLOWED_SHARE)

    def _is_row(self, text: str) -> bool:
        if text.count(self._form.delimiter) < self._width - 1:
            return False
        try:
            cells: Any = next(csv.reader([text], self._dialect))
        except csv.Error:
            return False
        return len(cells) == self._width
