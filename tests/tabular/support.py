"""Tables written as people's programs write them, and read whole."""

from __future__ import annotations

import io
import unicodedata
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from ingestbox.tabular import Format, Position, Row, Survey, Unreadable, read, survey

TONES = "\u0300\u0301\u0303\u0309\u0323"


def written(folder: Path, data: bytes, name: str = "table.csv") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def all_rows(
    path: Path, form: Format, max_rows: int = 1_000, max_bytes: int = 1 << 20
) -> list[Row | Unreadable]:
    """Every row, slice by slice."""
    rows: list[Row | Unreadable] = []
    position = Position(form.offset, form.line)
    while True:
        part = read(path, form, position, max_rows, max_bytes)
        assert len(part.rows) <= max_rows
        assert part.done or part.position.offset > position.offset
        rows += part.rows
        position = part.position
        if part.done:
            return rows


def where(found: Survey, path: Path) -> Path:
    return Path(found.copy) if found.copy else path


def cells(folder: Path, data: bytes) -> list[list[str]]:
    """The header and all rows of a table in which every row can be read."""
    path = written(folder, data)
    found = survey(path)
    rows = all_rows(where(found, path), found.format)
    assert all(isinstance(row, Row) for row in rows), rows
    assert found.total == found.kept == len(rows)
    return [found.format.header, *(row.cells for row in rows if isinstance(row, Row))]


def as_csv(
    rows: Iterable[Sequence[str]], delimiter: str = ",", newline: str = "\n", *, quote_all: bool = False
) -> str:
    """By the rules (RFC 4180), written here so that the standard library is not checked against itself."""

    def cell(text: str, *, alone: bool) -> str:
        special = any(mark in text for mark in (delimiter, '"', "\n", "\r"))
        if quote_all or special or (alone and not text.strip()):
            return '"' + text.replace('"', '""') + '"'
        return text

    return "".join(delimiter.join(cell(text, alone=len(row) == 1) for text in row) + newline for row in rows)


def cp1258(text: str) -> bytes:
    """As Windows writes Vietnamese: tone marks apart from their letters."""
    out = bytearray()
    for char in unicodedata.normalize("NFC", text):
        try:
            out += char.encode("cp1258")
        except UnicodeEncodeError:
            parts = unicodedata.normalize("NFD", char)
            tones = "".join(part for part in parts if part in TONES)
            letter = unicodedata.normalize("NFC", "".join(part for part in parts if part not in TONES))
            out += (letter + tones).encode("cp1258")
    return bytes(out)


_TYPES = (
    '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/><Override PartName="/xl/workbook.xml" '
    'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/></Types>'
)
_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"


def text_cell(place: str, text: str) -> str:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;")
    return f'<c r="{place}" t="inlineStr"><is><t xml:space="preserve">{escaped}</t></is></c>'


def workbook(sheets: Sequence[tuple[str, str]], *, hidden: Iterable[str] = ()) -> bytes:
    """An .xlsx file: sheets by name, each the XML of its rows. Styles 1 to 3 are a date, both, and a time."""
    out = io.BytesIO()
    listed = "".join(
        f'<sheet name="{name}" sheetId="{number}" r:id="r{number}"'
        + (' state="hidden"' if name in hidden else "")
        + "/>"
        for number, (name, _) in enumerate(sheets, 1)
    )
    related = "".join(
        f'<Relationship Id="r{number}" Type="{_RELATIONS}/worksheet" Target="worksheets/sheet{number}.xml"/>'
        for number, _ in enumerate(sheets, 1)
    )
    related += f'<Relationship Id="rs" Type="{_RELATIONS}/styles" Target="styles.xml"/>'
    styles = "".join(f'<xf numFmtId="{number}" applyNumberFormat="1"/>' for number in (0, 14, 22, 21))
    parts = {
        "[Content_Types].xml": _TYPES,
        "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}"><Relationship Id="r1" '
        f'Type="{_RELATIONS}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_RELATIONS}">'
        f"<sheets>{listed}</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}">{related}</Relationships>',
        "xl/styles.xml": f'<styleSheet xmlns="{_MAIN}"><cellXfs count="4">{styles}</cellXfs></styleSheet>',
    }
    for number, (_, rows) in enumerate(sheets, 1):
        parts[f"xl/worksheets/sheet{number}.xml"] = (
            f'<worksheet xmlns="{_MAIN}"><sheetData>{rows}</sheetData></worksheet>'
        )
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, '<?xml version="1.0" encoding="UTF-8"?>' + text)
    return out.getvalue()
