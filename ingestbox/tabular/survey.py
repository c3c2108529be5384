"""A file looked through once, and its rows slice by slice."""

from __future__ import annotations

from pathlib import Path

import msgspec

from ingestbox.tabular import copies, dialect, encoding, header, notices, workbook
from ingestbox.tabular.decoding import Decoder
from ingestbox.tabular.lines import Block, block
from ingestbox.tabular.problem import NotTabular
from ingestbox.tabular.rows import Reader
from ingestbox.tabular.shapes import (
    MAX_COLUMNS,
    MAX_ROW_BYTES,
    Format,
    Given,
    Newline,
    Notice,
    Position,
    Row,
    Slice,
    Survey,
    Unreadable,
)

PREVIEW_ROWS = 20
TAKE_ROWS = 10_000
TAKE_BYTES = 1 << 20


def survey(
    path: Path,
    *,
    name: str = "",
    given: Given | None = None,
    copy: Path | None = None,
    max_row_bytes: int = MAX_ROW_BYTES,
) -> Survey:
    """Looks through a whole file, in bounded memory: its format, the number of its rows, the first of them.

    `name` is what the sender calls the file: for the messages, since its content decides what it is. A
    workbook, and UTF-16 or UTF-32, are written as UTF-8 to `copy` (None: beside the file), which is then
    what `read` takes; it is there whole and synced, or not at all. The same file and the same `given` give
    the same survey.

    Raises:
        NotTabular: it is no table that can be read.
        OSError: it cannot be read, or the copy not written.
    """
    given = given or Given()
    size = path.stat().st_size
    where = copy or copies.default_path(path)
    if workbook.is_workbook(path):
        form, found = _of_workbook(path, where, given, max_row_bytes)
    else:
        form, found = _of_text(path, where, given, max_row_bytes)
    total = refused = 0
    preview: list[Row | Unreadable] = []
    with (where if form.copied else path).open("rb") as file:
        reader = Reader(file, form, Position(form.offset, form.line))
        while not reader.done:
            rows = reader.take(TAKE_ROWS, TAKE_BYTES)
            total += len(rows)
            refused += sum(type(row) is Unreadable for row in rows)
            preview += rows[: PREVIEW_ROWS - len(preview)]
    return Survey(
        format=form,
        size=size,
        total=total,
        kept=total - refused,
        refused=refused,
        preview=preview,
        notices=found + notices.of_rows(reader.tallies),
        copy=str(where) if form.copied else None,
    )


def read(
    path: Path, form: Format, start: Position | None = None, max_rows: int = 1_000, max_bytes: int = 4 << 20
) -> Slice:
    """The next rows from a position on (None: the first), of the file or, for `form.copied`, of its copy.

    At most `max_rows`, and none of a further block of the file once `max_bytes` are passed. All rows are
    the same whatever the slices.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        reader = Reader(file, form, start or Position(form.offset, form.line))
        rows = reader.take(max_rows, max_bytes)
        return Slice(rows, reader.position, reader.done)


def _of_workbook(path: Path, copy: Path, given: Given, max_row_bytes: int) -> tuple[Format, list[Notice]]:
    copied = workbook.copy_sheet(path, copy, given.sheet)
    form = Format(
        encoding="utf-8",
        confidence=1.0,
        evidence="workbook",
        sheet=copied.sheet,
        copied=True,
        numbered=True,
        max_row_bytes=max_row_bytes,
    )
    form, found = _with_header(copy, 0, form, msgspec.structs.replace(given, delimiter=",", quote='"'))
    if copied.others:
        names = ", ".join(repr(name) for name in copied.others[:10])
        found.append(
            Notice(
                "other_sheets",
                f"Only the sheet {copied.sheet!r} is read, and not {names}.",
                len(copied.others),
            )
        )
    if copied.errors.count:
        found.append(
            Notice("cell_errors", "Cells with an error are empty.", copied.errors.count, copied.errors.lines)
        )
    return form, found


def _of_text(path: Path, copy: Path, given: Given, max_row_bytes: int) -> tuple[Format, list[Notice]]:
    found = encoding.find(path, given.encoding)
    wide = found.name in encoding.WIDE
    form = Format(
        encoding=found.name,
        confidence=found.confidence,
        evidence=found.evidence,
        second=found.second,
        alternatives=found.alternatives,
        copied=wide,
        max_row_bytes=max_row_bytes,
    )
    if wide:
        copies.from_wide(path, copy, found.name, found.bom)
    form, more = _with_header(copy if wide else path, 0 if wide else found.bom, form, given)
    return form, notices.of_encoding(found) + more


def _with_header(path: Path, start: int, form: Format, given: Given) -> tuple[Format, list[Notice]]:
    """The format with dialect and header, by the lines from `start` on."""
    for mark in (given.delimiter, given.quote):
        if mark is not None and (len(mark) > 1 or (mark and (mark in "\r\n\0" or not mark.isascii()))):
            raise NotTabular("bad_given", "A delimiter and a quote are one character each.")
    if given.delimiter and given.delimiter == given.quote:
        raise NotTabular("bad_given", "Delimiter and quote cannot be the same.")
    sample = _sample(path, start, form.max_row_bytes)
    lines = Decoder(form).lines(sample.lines).texts
    way = dialect.find(lines, delimiter=given.delimiter, quote=given.quote, numbered=form.numbered)
    if not way.names:
        raise NotTabular("no_header", "The file has blank lines only.")
    width = max(len(way.names), way.width) if form.numbered else len(way.names)
    if width > MAX_COLUMNS:
        raise NotTabular(
            "too_many_columns", f"The header has {width:,} columns; at most {MAX_COLUMNS:,}.", way.header + 1
        )
    headless = given.has_header is False
    raw = [""] * width if headless else way.names + [""] * (width - len(way.names))
    unique, twice, made = header.names(raw)
    first = way.header if headless else way.first
    line = 0 if headless else way.number or way.header + 1
    form = msgspec.structs.replace(
        form,
        delimiter=way.delimiter,
        quote=way.quote,
        escape=way.escape,
        skip_space=way.skip_space,
        newline=_newline(sample.data),
        dialect_confidence=way.confidence,
        header=unique,
        header_line=line,
        offset=sample.starts[first],
        line=first + 1,
    )
    return form, notices.of_dialect(way, twice, made, line)


def _sample(path: Path, start: int, limit: int) -> Block:
    """The first lines; more of them where they are long."""
    size = dialect.SAMPLE_BYTES
    with path.open("rb") as file:
        while True:
            sample = block(file, start, min(size, limit))
            if sample.last and not sample.data:
                raise NotTabular("file_empty", "The file is empty.")
            if sample.data.strip() or sample.last:
                return sample
            if size >= limit:
                raise NotTabular("no_header", "The first line is too long for a header.", 1)
            size *= 4


def _newline(data: bytes) -> Newline:
    both = data.count(b"\r\n")
    found: list[Newline] = []
    if data.count(b"\n") > both:
        found.append("\n")
    if both:
        found.append("\r\n")
    if data.count(b"\r") > both:
        found.append("\r")
    if len(found) > 1:
        # Newlines inside cells are often others than those between rows: the most frequent tells.
        return "mixed"
    return found[0] if found else "\n"
