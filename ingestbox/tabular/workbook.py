"""Workbooks (.xlsx, .xlsm): one sheet as a UTF-8 copy, each row with its number in the sheet."""

from __future__ import annotations

import csv
import datetime
import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import python_calamine as calamine

from ingestbox.tabular.copies import written
from ingestbox.tabular.problem import NotTabular
from ingestbox.tabular.rows import Tally
from ingestbox.tabular.shapes import NOTICE_LINES

MAX_UNPACKED_BYTES = 512 << 20
"""Of all parts of the workbook together."""
MAX_PARTS = 10_000
MAX_AREA = 4_000_000
"""Cells of a sheet from the first to the last, empty ones between them included: all take memory."""
CHUNK_BYTES = 256 << 10
_CELL = re.compile(rb"<(?:\w+:)?c\s[^<>]*?\br\s*=\s*[\"']([A-Za-z]{1,3})(\d{1,7})[\"']")
_ANY_CELL = re.compile(rb"<(?:\w+:)?c[\s/>]")
_ERROR_CELL = re.compile(rb"<(?:\w+:)?c\s[^<>]*?\bt\s*=\s*[\"']e[\"'][^<>]*>")
_SHEET = re.compile(rb"<(?:\w+:)?sheet\s[^<>]*?:id\s*=\s*[\"']([^\"']*)[\"']")
_TARGET = re.compile(rb"<(?:\w+:)?Relationship\s[^<>]*>")
_ATTRIBUTE = re.compile(rb"(\w+)\s*=\s*[\"']([^\"']*)[\"']")


class Copied(msgspec.Struct):
    """What was copied: the sheet, its rows with something in them, its cells with errors; other sheets."""

    sheet: str
    rows: int
    errors: Tally
    others: list[str]


class _Extent(msgspec.Struct):
    """The cells of one sheet, as its XML has them."""

    top: int = 1 << 30
    left: int = 1 << 30
    bottom: int = 0
    right: int = 0
    cells: int = 0
    errors: Tally = msgspec.field(default_factory=lambda: Tally(0, []))


def is_workbook(path: Path) -> bool:
    """Whether a file is a workbook that can be read.

    Raises:
        NotTabular: it is a workbook of another kind.
    """
    with path.open("rb") as file:
        head = file.read(8)
        if head == b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1":
            raise NotTabular(
                "workbook_kind",
                "The file is an old Excel file (.xls) or has a password: save it as .xlsx without one.",
            )
        if not head.startswith(b"PK\x03\x04"):
            return False
        try:
            with zipfile.ZipFile(file) as archive:
                names = set(archive.namelist())
                kind = archive.open("mimetype").read(100) if "mimetype" in names else b""
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, ValueError) as error:
            raise NotTabular(
                "workbook_unreadable", "The file is a damaged zip archive or workbook."
            ) from error
    if "xl/workbook.bin" in names:
        raise NotTabular("workbook_kind", "The file is a binary workbook (.xlsb): save it as .xlsx.")
    if b"opendocument.spreadsheet" in kind:
        raise NotTabular("workbook_kind", "The file is an OpenDocument spreadsheet: save it as .xlsx or CSV.")
    return "xl/workbook.xml" in names


def copy_sheet(path: Path, copy: Path, sheet: str | None = None) -> Copied:
    """Writes a sheet (None: the first visible one with data) as CSV: the row's number, then its cells.

    Rows with nothing in them are left out. Dates are ISO 8601, whole numbers have no decimal point, truth
    values are `true` and `false`, errors are empty.

    Raises:
        NotTabular: the workbook is damaged, too large, has no such sheet, or none with data.
    """
    extents = check(path)
    try:
        with calamine.CalamineWorkbook.from_path(path) as book:
            found = _sheet(book, sheet)
            names = book.sheet_names
            part = _parts(path)[names.index(found.name) :][:1]
            errors = extents[part[0]].errors if part and part[0] in extents else Tally(0, [])
            copied = Copied(found.name, 0, errors, [name for name in names if name != found.name])
            with written(copy) as out:
                copied.rows = _write(found, out)
            return copied
    except calamine.PasswordError as error:
        raise NotTabular("workbook_locked", "The workbook has a password: save it without one.") from error
    except (calamine.CalamineError, OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise NotTabular("workbook_unreadable", "The workbook is damaged and cannot be read.") from error


def check(path: Path) -> dict[str, _Extent]:
    """Looks at the archive before it is unpacked: sizes first, then how far apart each sheet's cells are.

    Raises:
        NotTabular: it would take too much memory, or is damaged.
    """
    found: dict[str, _Extent] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
            if len(parts) > MAX_PARTS or sum(part.file_size for part in parts) > MAX_UNPACKED_BYTES:
                raise NotTabular(
                    "workbook_too_large",
                    f"Unpacked, the workbook has over {MAX_UNPACKED_BYTES >> 20} MB: save the sheet as CSV.",
                )
            for part in parts:
                with archive.open(part) as source:
                    chunks = iter(lambda source=source: source.read(CHUNK_BYTES), b"")  # type: ignore[misc]
                    if part.filename.startswith("xl/worksheets/") and part.filename.endswith(".xml"):
                        found[part.filename] = _measure(chunks)
                    else:
                        for _ in chunks:
                            pass
        return found
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise NotTabular("workbook_unreadable", "The workbook is damaged and cannot be read.") from error
    except Exception as error:
        if type(error).__module__ in ("zlib", "lzma") or isinstance(error, ValueError):
            raise NotTabular("workbook_unreadable", "The workbook is damaged and cannot be read.") from error
        raise


def _measure(chunks: Iterator[bytes]) -> _Extent:
    """Refuses a sheet whose cells lie too far apart."""
    extent = _Extent()
    rest = b""
    for chunk in chunks:
        data = rest + chunk
        keep = data.rfind(b"<")
        data, rest = (data[:keep], data[keep:]) if keep >= 0 else (data, b"")
        if len(rest) > CHUNK_BYTES:
            if b">" not in rest:
                raise NotTabular("workbook_unreadable", "The workbook is damaged and cannot be read.")
            data, rest = data + rest, b""
        _extend(extent, data)
    _extend(extent, rest)
    return extent


def _extend(extent: _Extent, data: bytes) -> None:
    extent.cells += len(_ANY_CELL.findall(data))
    columns: set[bytes] = set()
    rows: set[bytes] = set()
    for column, row in _CELL.findall(data):
        columns.add(column)
        rows.add(row)
    for name in columns:
        number = 0
        for letter in name.upper():
            number = number * 26 + letter - 64
        extent.left, extent.right = min(extent.left, number), max(extent.right, number)
    for text in rows:
        extent.top, extent.bottom = min(extent.top, int(text)), max(extent.bottom, int(text))
    for tag in _ERROR_CELL.findall(data):
        extent.errors.count += 1
        if len(extent.errors.lines) < NOTICE_LINES and (at := _CELL.match(tag)):
            extent.errors.lines.append(int(at[2]))
    area = (extent.bottom - extent.top + 1) * (extent.right - extent.left + 1) if extent.bottom else 0
    if max(extent.cells, area) > MAX_AREA:
        raise NotTabular(
            "workbook_too_large",
            f"A sheet of the workbook spans more than {MAX_AREA:,} cells: save it as CSV.",
        )


def _parts(path: Path) -> list[str]:
    """The parts that hold the sheets, in the workbook's order."""
    with zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
        if not {"xl/workbook.xml", "xl/_rels/workbook.xml.rels"} <= names:
            return []
        ids = _SHEET.findall(archive.read("xl/workbook.xml"))
        targets = {}
        for tag in _TARGET.findall(archive.read("xl/_rels/workbook.xml.rels")):
            each = dict(_ATTRIBUTE.findall(tag))
            targets[each.get(b"Id")] = each.get(b"Target", b"").decode("utf-8", "replace")
    return ["xl/" + targets.get(each, "").removeprefix("/xl/") for each in ids]


def _sheet(book: calamine.CalamineWorkbook, wanted: str | None) -> calamine.CalamineSheet:
    names = book.sheet_names
    if wanted is not None:
        if wanted not in names:
            known = ", ".join(repr(name[:60]) for name in names[:10])
            raise NotTabular("bad_given", f"There is no sheet {wanted[:60]!r} in the workbook, but {known}.")
        return book.get_sheet_by_name(wanted)
    shown = [
        each.name
        for each in book.sheets_metadata
        if each.visible == calamine.SheetVisibleEnum.Visible and each.typ == calamine.SheetTypeEnum.WorkSheet
    ]
    for name in [*shown, *(name for name in names if name not in shown)]:
        try:
            sheet = book.get_sheet_by_name(name)
        except calamine.WorksheetNotFound:
            continue
        if sheet.height and any(_text(cell) for row in sheet.iter_rows() for cell in row):
            return sheet
    raise NotTabular("file_empty", "The workbook has no sheet with data.")


def _write(sheet: calamine.CalamineSheet, out: BinaryIO) -> int:
    count = width = 0
    for row in sheet.iter_rows():
        while len(row) > width and any(_text(cell) for cell in row[width:]):
            width += 1
    text = io.TextIOWrapper(out, "utf-8", newline="", write_through=False)
    # Both ends of lines in the terminator, so that cells with either are quoted.
    writer = csv.writer(text, lineterminator="\r\n")
    for number, row in enumerate(sheet.iter_rows(), 1):
        cells = [_text(cell) for cell in row[:width]]
        if any(cells):
            count += 1
            writer.writerow([number, *cells])
    text.flush()
    text.detach()
    return count


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.15g}"
    if isinstance(value, datetime.datetime):
        return value.isoformat(timespec="milliseconds" if value.microsecond else "seconds")
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    return "" if value is None else str(value)
