"""What is known of a table, and its rows: all of it encodes to JSON."""

from __future__ import annotations

from typing import Literal

import msgspec

Evidence = Literal["bom", "pattern", "ascii", "utf-8", "detected", "given", "workbook"]
"""Why an encoding is believed: a byte order mark; the places of its zero bytes; nothing but ASCII; the whole
file is strict UTF-8; its letters; a person said so; a workbook carries its own."""

Newline = Literal["\n", "\r\n", "\r", "mixed"]

MAX_ROW_BYTES = 4 << 20
"""A row over this many bytes is refused."""
MAX_COLUMNS = 16_384
"""As many as a spreadsheet has; a header with more is not one."""
MAX_RAW_CHARS = 64 << 10
"""How much of a refused row's text is kept."""
NOTICE_LINES = 5
"""A notice names this many lines, the first ones."""


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """What a person said about a file; None is found out."""

    encoding: str | None = None
    delimiter: str | None = None
    quote: str | None = None
    """`"`, `'`, or empty for none."""
    has_header: bool | None = None
    sheet: str | None = None


class Notice(msgspec.Struct, frozen=True):
    """Something that a person should know about the file: how often, and the first lines where."""

    code: str
    message: str
    count: int = 0
    lines: list[int] = []


class Choice(msgspec.Struct, frozen=True):
    """An encoding that the file may have, and how likely that is (0 to 1)."""

    encoding: str
    confidence: float


class Format(msgspec.Struct, frozen=True, kw_only=True):
    """How a file is read, and how sure that is. With it and a position, `read` needs nothing else."""

    encoding: str
    """A codec's name: of the file as it was sent, also when a UTF-8 copy of it is read (`copied`)."""
    confidence: float
    """How likely the encoding is to be the right one (0 to 1)."""
    evidence: Evidence
    second: str = ""
    """The encoding of those lines which are not in `encoding`; empty: such lines are refused."""
    alternatives: list[Choice] = []
    """Other encodings that it may be, best first: for a person to choose from."""
    delimiter: str = ","
    """Empty in a file of one column whose text is taken as it is."""
    quote: str = '"'
    """Empty: there are no quotes."""
    escape: str = ""
    skip_space: bool = False
    """Whether blanks after a delimiter do not belong to the cell."""
    newline: Newline = "\n"
    dialect_confidence: float = 1.0
    header: list[str] = []
    """Unique names, as used: trimmed, empty ones numbered."""
    header_line: int = 1
    """The header's physical line; 0 when the file has none and the names are made up."""
    offset: int = 0
    """Where the first row begins, in bytes."""
    line: int = 2
    """The first row's physical line."""
    sheet: str | None = None
    copied: bool = False
    """Whether rows are read from the UTF-8 copy instead of the file that was sent."""
    numbered: bool = False
    """Whether the copy's first column is the row's number in the workbook."""
    max_row_bytes: int = MAX_ROW_BYTES

    @property
    def codec(self) -> str:
        """The encoding of the bytes that are read."""
        return "utf-8" if self.copied else self.encoding


class Position(msgspec.Struct, frozen=True):
    """Where a row begins: byte offset, physical line, number of rows before it.

    Up to the byte `plain_until` every newline ends a row, because a quote before it was not closed.
    """

    offset: int
    line: int
    row: int = 0
    plain_until: int = 0


class Row(msgspec.Struct, tag="row", gc=False):
    """A row: its number (from 1, refused ones count), the line on which it begins, a cell per column."""

    number: int
    line: int
    cells: list[str]


class Unreadable(msgspec.Struct, tag="unreadable"):
    """A row that is refused: `raw` is its text, cut at `MAX_RAW_CHARS`; `length` is the whole, in bytes."""

    number: int
    line: int
    raw: str
    code: str
    message: str
    length: int


class Slice(msgspec.Struct):
    """Rows in a row, and where the next ones begin. `done`: there are none."""

    rows: list[Row | Unreadable]
    position: Position
    done: bool


class Survey(msgspec.Struct, kw_only=True):
    """A whole file, looked through once: `total == kept + refused`, exactly."""

    format: Format
    size: int
    """Bytes of the file as it was sent."""
    total: int
    kept: int
    refused: int
    preview: list[Row | Unreadable]
    """The first rows."""
    notices: list[Notice]
    copy: str | None = None
    """The path of the UTF-8 copy to be read instead of the file; None: the file itself is read."""

    @property
    def start(self) -> Position:
        """Where reading begins."""
        return Position(self.format.offset, self.format.line)


class Match(msgspec.Struct, frozen=True):
    """A column, the field that it holds (None: unknown), and how sure that is (0 to 1)."""

    column: str
    field: str | None
    confidence: float
