"""Workbooks: each row on its own number, every kind of cell as text, and bombs refused."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from ingestbox.tabular import Given, NotTabular, Row, Survey, read, survey, workbook
from tests.tabular.support import all_rows, text_cell, written
from tests.tabular.support import workbook as made


def sheet(*rows: str) -> str:
    return "".join(rows)


def row(number: int, *cells: str) -> str:
    """A row of an own XML for each cell, or of texts."""
    xml = "".join(
        cell if cell.startswith("<") else text_cell(f"{chr(65 + index)}{number}", cell)
        for index, cell in enumerate(cells)
        if cell
    )
    return f'<row r="{number}">{xml}</row>'


def rows_of(path: Path) -> tuple[Survey, list[Row]]:
    found = survey(path)
    assert found.copy is not None
    rows = [each for each in all_rows(Path(found.copy), found.format) if isinstance(each, Row)]
    assert len(rows) == found.total == found.kept
    return found, rows


CELLS: dict[str, tuple[str, str]] = {
    "text": (text_cell("B2", 'xin chào, "bạn"\nơi; <&'), 'xin chào, "bạn"\nơi; <&'),
    "blanks": (text_cell("B2", "  a "), "  a "),
    "whole number": ('<c r="B2"><v>12</v></c>', "12"),
    "whole number as float": ('<c r="B2"><v>1.2E1</v></c>', "12"),
    "phone number": ('<c r="B2"><v>84901234567</v></c>', "84901234567"),
    "fraction": ('<c r="B2"><v>0.30000000000000004</v></c>', "0.3"),
    "negative": ('<c r="B2"><v>-1.5</v></c>', "-1.5"),
    "truth": ('<c r="B2" t="b"><v>1</v></c>', "true"),
    "falsehood": ('<c r="B2" t="b"><v>0</v></c>', "false"),
    "date": ('<c r="B2" s="1"><v>45292</v></c>', "2024-01-01"),
    "date and time": ('<c r="B2" s="2"><v>45292.5</v></c>', "2024-01-01T12:00:00"),
    "time": ('<c r="B2" s="3"><v>0.25</v></c>', "06:00:00"),
    "error": ('<c r="B2" t="e"><v>#N/A</v></c>', ""),
    "text like an error": ('<c r="B2" t="str"><v>#N/A</v></c>', "#N/A"),
    "formula": ('<c r="B2"><f>1+1</f><v>2</v></c>', "2"),
    "formula of a text": ('<c r="B2" t="str"><f>A1</f><v>id</v></c>', "id"),
    "empty": ("", ""),
}


@pytest.mark.parametrize("case", CELLS)
def test_cell(tmp_path: Path, case: str) -> None:
    xml, text = CELLS[case]
    data = made([("Data", row(1, "id", "value") + f'<row r="2">{text_cell("A2", "x")}{xml}</row>')])
    found, rows = rows_of(written(tmp_path, data, "table.xlsx"))
    assert [each.cells for each in rows] == [["x", text]]
    assert (found.format.evidence, found.format.sheet, found.format.copied) == ("workbook", "Data", True)
    assert [each.lines for each in found.notices if each.code == "cell_errors"] == (
        [[2]] if case == "error" else []
    )


def test_rows_have_the_numbers_of_the_sheet(tmp_path: Path) -> None:
    body = row(3, "Báo cáo") + row(5, "", "id", "text") + row(7, "", "1", "a\nb\nc") + row(8, "", "2", "d")
    found, rows = rows_of(written(tmp_path, made([("Data", body + row(20, "", "3", ""))]), "a.xlsx"))
    assert found.format.header == ["column_1", "id", "text"]
    assert found.format.header_line == 5
    assert [(each.number, each.line) for each in rows] == [(1, 7), (2, 8), (3, 20)]
    assert rows[0].cells == ["", "1", "a\nb\nc"]
    assert found.preview == rows


def test_rows_of_a_copy_go_by_slices(tmp_path: Path) -> None:
    body = row(1, "id", "text") + "".join(row(2 * number, str(number), "a\nb") for number in range(1, 50))
    found, rows = rows_of(written(tmp_path, made([("Data", body)]), "a.xlsx"))
    position, again = found.start, []
    while True:
        part = read(Path(found.copy or ""), found.format, position, 7)
        again += part.rows
        position = part.position
        if part.done:
            break
    assert again == rows
    assert [each.line for each in rows] == [2 * number for number in range(1, 50)]


def test_the_first_visible_sheet_with_data(tmp_path: Path) -> None:
    sheets = [("Empty", ""), ("Secret", row(1, "x", "y")), ("Data", row(1, "id", "text") + row(2, "1", "a"))]
    path = written(tmp_path, made(sheets, hidden=["Secret"]), "a.xlsx")
    found, _ = rows_of(path)
    assert found.format.sheet == "Data"
    (notice,) = [each for each in found.notices if each.code == "other_sheets"]
    assert notice.count == 2
    assert survey(path, given=Given(sheet="Secret")).format.header == ["x", "y"]
    with pytest.raises(NotTabular) as caught:
        survey(path, given=Given(sheet="None"))
    assert caught.value.code == "bad_given"


def test_what_it_is_called_does_not_matter(tmp_path: Path) -> None:
    data = made([("Data", row(1, "id", "text") + row(2, "1", "a"))])
    assert survey(written(tmp_path, data, "table.csv"), name="table.csv").format.sheet == "Data"
    assert survey(written(tmp_path, b"id,text\n1,a\n", "b.xlsx"), name="b.xlsx").format.sheet is None


def test_the_copy_goes_where_it_is_wanted(tmp_path: Path) -> None:
    path = written(tmp_path, made([("Data", row(1, "id", "text") + row(2, "1", "a"))]), "a.xlsx")
    found = survey(path, copy=tmp_path / "there")
    assert found.copy == str(tmp_path / "there")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.xlsx", "there"]


def archive(parts: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in parts.items():
            packed.writestr(name, data)
    return out.getvalue()


def far_apart(cell: str) -> bytes:
    return made(
        [("Data", f'<row r="1">{text_cell("A1", "id")}</row><row r="9"><c {cell}><v>1</v></c></row>')]
    )


BOMBS: dict[str, tuple[bytes, str]] = {
    "cells far apart": (far_apart('r="XFD1048576"'), "workbook_too_large"),
    "far apart, attributes in another order": (far_apart("s='1' r = 'XFD1048576'"), "workbook_too_large"),
    "far apart, small letters": (far_apart('r="xfd1048576"'), "workbook_too_large"),
    "far apart, behind a long attribute": (
        far_apart(f'x="{"y" * 9000}" r="XFD1048576"'),
        "workbook_too_large",
    ),
    "an unending tag": (far_apart(f'x="{"y" * 900_000}"'), "workbook_unreadable"),
    "no workbook in it": (archive({"xl/workbook.xml": b"<nonsense"}), "workbook_unreadable"),
    "binary workbook": (archive({"xl/workbook.bin": b"x"}), "workbook_kind"),
    "opendocument": (
        archive({"mimetype": b"application/vnd.oasis.opendocument.spreadsheet", "content.xml": b""}),
        "workbook_kind",
    ),
    "no data": (made([("Data", "")]), "file_empty"),
    "cut short": (made([("Data", row(1, "id"))])[:-40], "workbook_unreadable"),
}


@pytest.mark.parametrize("case", BOMBS)
def test_refused(tmp_path: Path, case: str) -> None:
    data, code = BOMBS[case]
    with pytest.raises(NotTabular) as caught:
        survey(written(tmp_path, data, "a.xlsx"))
    assert caught.value.code == code
    assert [each.name for each in tmp_path.iterdir()] == ["a.xlsx"]


def test_a_bomb_is_refused_by_its_sizes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbook, "MAX_UNPACKED_BYTES", 1 << 20)
    data = made([("Data", row(1, "id") + f"<!--{' ' * (2 << 20)}-->")])
    assert len(data) < 20_000
    with pytest.raises(NotTabular) as caught:
        survey(written(tmp_path, data, "a.xlsx"))
    assert caught.value.code == "workbook_too_large"


def test_a_bomb_that_lies_about_its_size(tmp_path: Path) -> None:
    data = made([("Data", row(1, "id") + row(2, "1" * 5000))])
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        size = packed.getinfo("xl/worksheets/sheet1.xml").file_size
    lied = data.replace(size.to_bytes(4, "little"), (100).to_bytes(4, "little"))
    assert lied != data
    with pytest.raises(NotTabular) as caught:
        survey(written(tmp_path, lied, "a.xlsx"))
    assert caught.value.code == "workbook_unreadable"


def test_every_byte_may_be_broken(tmp_path: Path) -> None:
    data = made([("Data", row(1, "id", "text") + row(2, "1", "a"))])
    for at in range(0, len(data), 7):
        broken = data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :]
        path = written(tmp_path, broken, "a.xlsx")
        try:
            survey(path)
        except NotTabular as error:
            assert error.sentence
