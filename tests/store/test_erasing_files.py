"""Whether an uploaded file has an address: in every encoding that it may come in, wherever it stands."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from ingestbox.enrich.addresses import Spellings
from ingestbox.store.erasing.files import BLOCK, has

ANNA, JURGEN = Spellings("anna@x.com"), Spellings("jürgen@x.com")


def form(encoding: str) -> str:
    return f'{{"encoding":"{encoding}","delimiter":","}}'


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "utf-32", "cp1252", "iso8859-1"])
def test_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "f.csv"
    path.write_bytes("email,name\njoanna@x.com,x\nJÜRGEN@x.com,ü\n".encode(encoding))
    assert has([path], form(encoding), JURGEN)
    assert not has([path], form(encoding), ANNA)


@pytest.mark.parametrize("before", [0, 1, 2, 5, 9, 10, 11, 12, 30, 511, 512, 513])
def test_where_two_blocks_meet(tmp_path: Path, before: int) -> None:
    path = tmp_path / "f.csv"
    path.write_bytes(b"\n" * (BLOCK - before) + b"anna@x.com\n" + b"-" * BLOCK)
    assert has([path], form("utf-8"), ANNA)
    for other in (b"joanna@x.com", b"anna@x.com.vn", b"mary-anna@x.com", b"anna@x.com-shop.de"):
        path.write_bytes(b"\n" * (BLOCK - before) + other + b"\n" + b"-" * BLOCK)
        assert not has([path], form("utf-8"), ANNA)


def test_in_a_workbook_and_in_what_was_made_of_it(tmp_path: Path) -> None:
    book, rows = tmp_path / "f.xlsx", tmp_path / "f.rows"
    with zipfile.ZipFile(book, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("xl/worksheets/sheet1.xml", "<c><v>0</v></c>")
        made.writestr("xl/sharedStrings.xml", "<si><t>Anna@x.com</t></si>")
    assert has([book], form("utf-8"), ANNA)
    assert not has([book], form("utf-8"), JURGEN)
    rows.write_text("jürgen@x.com\n", encoding="utf-8")
    assert has([book, rows], form("utf-16"), JURGEN)


def test_what_cannot_be_read_counts_and_what_is_gone_does_not(tmp_path: Path) -> None:
    broken = tmp_path / "f.xlsx"
    broken.write_bytes(b"PK\x03\x04 not a zip")
    assert has([broken], form("utf-8"), ANNA)
    assert not has([tmp_path / "gone.csv"], form("unheard-of"), ANNA)
