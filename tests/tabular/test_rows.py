"""Rows: exactly the cells that were written, nothing lost, the same whatever the slices."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingestbox.tabular import Format, Given, Position, Row, Unreadable, read, survey
from ingestbox.tabular.piece import MAX_ROW_LINES
from ingestbox.tabular.shapes import MAX_RAW_CHARS
from tests.tabular.support import all_rows, as_csv, cp1258, where, written

FIXTURE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)

# Letters of every width, and all that a reader could trip over.
CELL = st.text(
    st.one_of(
        st.sampled_from("ab ,;\t|\"'\\\r\n=é đạ\u0301日😀\u2028\x0b\x85\x1c"),
        st.characters(codec="utf-8", exclude_characters="\0", exclude_categories=["Cs"]),
    ),
    max_size=12,
)


@st.composite
def tables(draw: st.DrawFn) -> list[list[str]]:
    width = draw(st.integers(1, 5))
    rows = draw(st.lists(st.lists(CELL, min_size=width, max_size=width), max_size=12))
    return [[f"c{number}" for number in range(width)], *rows]


@FIXTURE
@given(tables(), st.sampled_from(",;\t|"), st.sampled_from(["\n", "\r\n", "\r"]), st.booleans())
def test_cells_are_those_written(
    tmp_path: Path, table: list[list[str]], delimiter: str, newline: str, quote_all: bool
) -> None:
    path = written(tmp_path, as_csv(table, delimiter, newline, quote_all=quote_all).encode())
    found = survey(path, given=Given(delimiter=delimiter, quote='"', encoding="utf-8"))
    rows = all_rows(path, found.format)
    assert [row.cells for row in rows if isinstance(row, Row)] == table[1:]
    assert (found.total, found.kept, found.refused) == (len(table) - 1, len(table) - 1, 0)
    assert found.preview == rows[:20]


WORDS = {
    "utf-8": "the delivery was late nhân viên rất thân thiện 物流 наш très ok",
    "utf-16": "the delivery was late nhân viên rất thân thiện 物流 наш très ok",
    "utf-8-sig": "Giao hàng chậm đóng gói cẩn thận",
    "cp1252": "la livraison était très en retard déçu du service à côté",
    "cp1250": "przesyłka dotarła z opóźnieniem świetny produkt nie żałuję",
    "cp1258": "giao hàng chậm nhân viên rất thân thiện được không của tôi",
    "shift_jis": "配送がとても 遅かったです 商品の品質は 良いです サービス",
    "gb18030": "物流太慢了 客服的态度不好 质量很好 下次还会来 我们",
}


@st.composite
def realistic(draw: st.DrawFn) -> tuple[list[list[str]], str, str, str]:
    """A table as there are, and how it is written: delimiter, newline, encoding."""
    encoding = draw(st.sampled_from(sorted(WORDS)))
    word = st.sampled_from(WORDS[encoding].split())
    sentence = st.lists(word, min_size=3, max_size=9).map(" ".join)
    text = st.one_of(
        sentence,
        st.tuples(sentence, sentence).map(", ".join),
        st.tuples(sentence, sentence).map("\n".join),
        sentence.map(lambda each: f'{each} "{each}"'),
    )
    count = draw(st.integers(4, 30))
    rows = [[f"T-{number}", draw(text), str(number * 7 % 5), draw(sentence)] for number in range(count)]
    delimiter = draw(st.sampled_from(",;\t|"))
    newline = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    return [["id", "text", "score", "who"], *rows], delimiter, newline, encoding


def encoded(text: str, encoding: str) -> bytes:
    return cp1258(text) if encoding == "cp1258" else text.encode(encoding)


@FIXTURE
@given(realistic())
def test_format_is_found_and_cells_are_those_written(
    tmp_path: Path, made: tuple[list[list[str]], str, str, str]
) -> None:
    table, delimiter, newline, encoding = made
    path = written(tmp_path, encoded(as_csv(table, delimiter, newline), encoding))
    found = survey(path)
    assert found.format.delimiter == delimiter
    assert found.format.header == table[0]
    rows = all_rows(where(found, path), found.format)
    assert [row.cells for row in rows if isinstance(row, Row)] == table[1:]
    assert found.total == len(table) - 1


@FIXTURE
@given(realistic(), st.data())
def test_polluted_counts_reconcile(
    tmp_path: Path, made: tuple[list[list[str]], str, str, str], data: st.DataObject
) -> None:
    table, delimiter, newline, _ = made
    lines = [as_csv([row], delimiter, newline).encode() for row in table]
    end = newline.encode()
    faults = {
        "too_many_cells": delimiter.join("abcdefg").encode() + end,
        "unclosed_quote": f'bad{delimiter}"never closed{delimiter}1{delimiter}x'.encode() + end,
        "undecodable": f"bad{delimiter}nội\udcff dung{delimiter}1{delimiter}x".encode(
            "utf-8", "surrogateescape"
        )
        + end,
        "": end * 2,
        "short": b"short" + end,
    }
    expected: list[str | list[str]] = []
    body = [lines[0]]
    for row, line in zip(table[1:], lines[1:], strict=True):
        for fault in data.draw(st.lists(st.sampled_from(sorted(faults)), max_size=2)):
            body.append(faults[fault])
            if fault == "short":
                expected.append(["short", "", "", ""])
            elif fault:
                expected.append(fault)
        body.append(line)
        expected.append(row)
    path = written(tmp_path, b"".join(body))
    found = survey(path, given=Given(delimiter=delimiter, quote='"', encoding="utf-8"))
    rows = all_rows(path, found.format)
    assert [row.cells if isinstance(row, Row) else row.code for row in rows] == expected
    assert found.total == len(expected)
    assert found.refused == sum(isinstance(each, str) for each in expected)
    assert [row.number for row in rows] == list(range(1, len(expected) + 1))


NASTY_PARTS = (
    *(
        b'"',
        b'""',
        b",",
        b"\n",
        b"\r\n",
        b"\r",
        b"a",
        b"bc",
        b" ",
        b'","',
        b'x","z',
        b"1,2\n",
        b'1,"x\n',
        b"\xff",
    ),
    *("é".encode(), b"\\", b'\\"', b'"a"\n', b'\n"', b"a" * 48),
)
NASTY = st.lists(st.sampled_from(NASTY_PARTS), max_size=120).map(b"".join)


@settings(FIXTURE, max_examples=300)
@given(NASTY, st.integers(1, 7), st.sampled_from([16, 33, 64, 200, 1 << 20]), st.sampled_from(["", "\\"]))
def test_slices_of_any_size_give_the_same_rows(
    tmp_path: Path, body: bytes, max_rows: int, max_row_bytes: int, escape: str
) -> None:
    path = written(tmp_path, body)
    form = Format(
        encoding="utf-8",
        confidence=1,
        evidence="given",
        header=["a", "b"],
        escape=escape,
        offset=0,
        line=1,
        max_row_bytes=max_row_bytes,
    )
    whole = all_rows(path, form, 1 << 20, 1 << 30)
    assert all_rows(path, form, max_rows) == whole
    assert all_rows(path, form, 1, 1) == whole
    assert [row.number for row in whole] == list(range(1, len(whole) + 1))
    lines = [row.line for row in whole]
    assert lines == sorted(set(lines))
    _nothing_is_lost(body, whole)


def _nothing_is_lost(body: bytes, rows: list[Row | Unreadable]) -> None:
    """Every line that is not blank belongs to the last row that began on it or before it."""
    begins = {row.line for row in rows}
    filled = [number for number, line in enumerate(body.splitlines(), 1) if line.strip()]
    if filled:
        assert filled[0] in begins
    kept = sum(len("".join(row.cells).encode()) for row in rows if isinstance(row, Row))
    refused = sum(row.length for row in rows if isinstance(row, Unreadable))
    assert kept + refused <= len(body) + 4 * body.count(b"\xff")
    letters = sum(
        "".join(row.cells).count("b") if isinstance(row, Row) else row.raw.count("b") for row in rows
    )
    assert letters == body.count(b"b")


def form_of(header: list[str], **more: object) -> Format:
    base = Format(encoding="utf-8", confidence=1, evidence="utf-8", header=header, offset=0, line=1)
    return Format(**{name: getattr(base, name) for name in base.__struct_fields__} | more)


def outcome(rows: list[Row | Unreadable]) -> list[object]:
    return [row.cells if isinstance(row, Row) else (row.line, row.code, row.raw) for row in rows]


CASES: dict[str, tuple[str, list[object]]] = {
    "newline in quotes": ('1,"a\nb"\n2,c\n', [["1", "a\nb"], ["2", "c"]]),
    "newlines of all kinds": ("1,a\r\n2,b\r3,c\n4,d", [["1", "a"], ["2", "b"], ["3", "c"], ["4", "d"]]),
    "newlines in quotes stay": ('1,"a\r\nb\rc\n"\n', [["1", "a\r\nb\rc\n"]]),
    "blank lines": ("\n1,a\n  \n\t\n\r\n2,b\n\n", [["1", "a"], ["2", "b"]]),
    "delimiters alone are a row": (",\n1,a\n", [["", ""], ["1", "a"]]),
    "missing cells": ("1\n2,b\n", [["1", ""], ["2", "b"]]),
    "empty cells too many": ("1,a,,\n2,b,\n", [["1", "a"], ["2", "b"]]),
    "cells too many": ("1,a,x\n2,b\n", [(1, "too_many_cells", "1,a,x"), ["2", "b"]]),
    "doubled quotes": ('1,"say ""hi"""\n', [["1", 'say "hi"']]),
    "quote in the middle": ('1,5" screen\n2,b"c"d\n', [["1", '5" screen'], ["2", 'b"c"d']]),
    "inner quotes not doubled": ('1,"He said "hello" to me"\n', [["1", 'He said "hello" to me']]),
    "inner quotes with a comma": ('1,"a "b, c" d"\n2,x\n', [["1", 'a "b, c" d'], ["2", "x"]]),
    "inner quotes, and doubled ones": ('1,"x "y" says ""no"", ok"\n', [["1", 'x "y" says "no", ok']]),
    "blank after a quote": ('1,"a" \n"2" ,b\n', [["1", "a"], ["2", "b"]]),
    "unclosed, then quoted": (
        '1,"good\n2,"bad"\n3,c\n',
        [(1, "unclosed_quote", '1,"good'), ["2", "bad"], ["3", "c"]],
    ),
    "unclosed to the end": ('1,"good\n2,b\n3,c', [(1, "unclosed_quote", '1,"good'), ["2", "b"], ["3", "c"]]),
    "last line cut short in quotes": ('1,a\n2,"b', [["1", "a"], (2, "unclosed_quote", '2,"b')]),
    "last line without newline": ("1,a\n2,b", [["1", "a"], ["2", "b"]]),
    "two unclosed": (
        '1,"x\n2,b\n3,"y\n4,d\n',
        [(1, "unclosed_quote", '1,"x'), ["2", "b"], (3, "unclosed_quote", '3,"y'), ["4", "d"]],
    ),
    "unclosed before a row over lines": (
        '1,"x\n2,"b, and\nc"\n3,d\n',
        [(1, "unclosed_quote", '1,"x'), ["2", "b, and\nc"], ["3", "d"]],
    ),
    "quoted blanks are a cell": ('" "\n"\n"\n', [[" ", ""], ["\n", ""]]),
    "other line ends are text": ("1,a\x0bb\x0cc\x1cd\x85e\u2028f\n", [["1", "a\x0bb\x0cc\x1cd\x85e\u2028f"]]),
}


@pytest.mark.parametrize("case", CASES)
def test_case(tmp_path: Path, case: str) -> None:
    body, expected = CASES[case]
    rows = all_rows(written(tmp_path, body.encode()), form_of(["a", "b"]))
    assert outcome(rows) == expected


def test_lines_are_physical_ones(tmp_path: Path) -> None:
    path = written(tmp_path, b'id,text\n\n1,"a\n\nb"\n2,"c\n3,"d"\n\n4,e\n')
    rows = all_rows(path, survey(path).format)
    assert [(row.number, row.line) for row in rows] == [(1, 3), (2, 6), (3, 7), (4, 9)]


def test_a_stray_quote_does_not_swallow_rows_that_end_with_one(tmp_path: Path) -> None:
    middle = "".join(f"{number},fine,ann\n" for number in range(2, 40))
    path = written(tmp_path, f'1,"stray,bob\n{middle}40,x",carl\n41,y,dan\n'.encode())
    rows = all_rows(path, form_of(["id", "text", "who"]))
    assert len(rows) == 41
    assert [row.number for row in rows if isinstance(row, Unreadable)] == [1]


def test_text_with_commas_on_every_line_stays_one_cell(tmp_path: Path) -> None:
    text = "Hello, you\nthis, that\nand, so\non, it goes"
    path = written(tmp_path, as_csv([["id", "text"], ["1", text], ["2", "b"]]).encode())
    assert outcome(all_rows(path, survey(path).format)) == [["1", text], ["2", "b"]]


def test_a_field_of_a_megabyte(tmp_path: Path) -> None:
    long = "Chậm, quá. " * 100_000
    lines = "một dòng\n" * 60_000
    path = written(tmp_path, as_csv([["id", "text"], ["1", long], ["2", lines], ["3", "c"]]).encode())
    found = survey(path)
    assert found.refused == 0
    assert outcome(all_rows(path, found.format)) == [["1", long], ["2", lines], ["3", "c"]]


def test_a_row_that_is_too_long_is_refused_and_the_rest_read(tmp_path: Path) -> None:
    body = b"id,text\n1,a\n2," + b"x" * 3_000_000 + b"\n3,c\n"
    path = written(tmp_path, body)
    found = survey(path, max_row_bytes=1_000_000)
    rows = all_rows(path, found.format)
    assert [row.code if isinstance(row, Unreadable) else row.cells for row in rows] == [
        ["1", "a"],
        "row_too_long",
        ["3", "c"],
    ]
    refused = rows[1]
    assert isinstance(refused, Unreadable)
    assert refused.length == 3_000_003
    assert len(refused.raw) == MAX_RAW_CHARS
    assert refused.raw.startswith("2,xxx")
    assert (refused.line, rows[2].line) == (3, 4)
    assert found.format.max_row_bytes == 1_000_000


def test_a_quote_left_open_is_bounded_by_lines(tmp_path: Path) -> None:
    body = b'id,text\n1,"open\n' + b"2,b\n" * (MAX_ROW_LINES + 10) + b'3,"c"\n'
    path = written(tmp_path, body)
    found = survey(path)
    assert (found.total, found.refused) == (MAX_ROW_LINES + 12, 1)


def test_more_delimiters_than_are_split(tmp_path: Path) -> None:
    path = written(tmp_path, b"id,text\n1,a\n" + b"," * 1_000_000 + b"x\n2,b\n")
    rows = all_rows(path, survey(path).format)
    assert [row.code if isinstance(row, Unreadable) else row.cells for row in rows] == [
        ["1", "a"],
        "too_many_cells",
        ["2", "b"],
    ]


def test_reading_can_go_on_at_every_row(tmp_path: Path) -> None:
    random.seed(5)
    rows = [[str(number), random.choice(["a", 'b "c"', "d\ne", "f,g"]) * 9] for number in range(300)]
    body = as_csv([["id", "text"], *rows]).replace("250,", '250,"').encode()
    path = written(tmp_path, body)
    form = survey(path).format
    whole = all_rows(path, form)
    position = Position(form.offset, form.line)
    for number in range(len(whole)):
        assert read(path, form, position, 3).rows == whole[number : number + 3]
        position = read(path, form, position, 1).position


@pytest.mark.parametrize("limit", range(9, 40))
def test_blocks_may_end_anywhere(tmp_path: Path, limit: int) -> None:
    """Between \\r and \\n too, or before a row that is as long as it may be."""
    path = written(tmp_path, b"1,aaaa\r\n" * 20 + b'2,"a\r\nb"\r\n' * 20)
    rows = all_rows(path, form_of(["a", "b"], max_row_bytes=limit))
    assert [row.line for row in rows[:20]] == list(range(1, 21))
    if limit >= 10:
        assert [row.line for row in rows[20:]] == list(range(21, 61, 2))
        assert [row.cells for row in rows[20:] if isinstance(row, Row)] == [["2", "a\r\nb"]] * 20
