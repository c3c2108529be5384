"""Conditions on JSON objects: SQL and a reading of the same rules in plain Python come to the same."""

from __future__ import annotations

import json
import time
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ingestbox.store.conditions import (
    MAX_ELEMENTS,
    MAX_TEXT,
    ORDERS,
    PARTS,
    Comparison,
    Condition,
    Op,
    compiled,
    folded,
)
from ingestbox.store.engine import connect_reader, sqlite3
from ingestbox.store.queries import Queries
from ingestbox.store.readers import ReadTx

Passing = Callable[[list[tuple[str | None, str | None]], Condition], list[int]]
"""The rows, by their index, of (record, result) that pass."""

QUERIES = """
-- name: passing
WITH seen AS MATERIALIZED (
    SELECT CAST(key AS INTEGER) AS id, value ->> 0 AS record, value ->> 1 AS result FROM json_each(:rows)
)
SELECT id FROM seen WHERE :condition AND id >= :first ORDER BY id;

-- name: many
SELECT :condition AS passes
FROM (SELECT value ->> 0 AS record, value ->> 1 AS result FROM json_each(:rows)) AS seen
WHERE :a + :b + :c + :d + :e + :f + :g + :h + :i = 18;
"""


@pytest.fixture(scope="module")
def passing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Passing]:
    folder = tmp_path_factory.mktemp("conditions")
    sqlite3.connect(folder / "db").execute("CREATE TABLE one (id INTEGER)").connection.close()
    (folder / "test.sql").write_text(QUERIES)
    queries = Queries()
    queries.add_folder(folder)
    connection = connect_reader(folder / "db", 32)
    tx = ReadTx(connection, queries)

    def run(rows: list[tuple[str | None, str | None]], condition: Condition) -> list[int]:
        params = {"rows": json.dumps(rows, ensure_ascii=False), "first": 0}
        return [row[0] for row in tx.narrowed("test.passing", params, condition)]

    yield run
    connection.close()


# The same rules once more, with nothing of the box's but their bounds.

BLANKS = " \t\n\v\f\r\x1c\x1d\x1e\x1f"


def plain_fold(text: str) -> str:
    cut = unicodedata.normalize("NFC", text[:MAX_TEXT].split("\0")[0])
    return unicodedata.normalize("NFC", cut.casefold()).strip()


def plain_number(value: object) -> int | float | None:
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, str):
        bare = value.strip(BLANKS)
        if not bare or len(value.encode()) > 64 or len(bare) > 18 or bare[0] not in "-0123456789":
            return None
        try:
            value = json.loads(bare)
        except ValueError:
            return None
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else float(value)
    return value if isinstance(value, float) else None


def plain_leaf(value: object, op: Op, wanted: Any) -> bool:
    if op not in PARTS and plain_number(wanted) is not None:
        mine, other = plain_number(value), plain_number(wanted)
        return mine is not None and compared(mine, op, other)
    if isinstance(value, bool):
        text = "true" if value else "false"
    elif isinstance(value, str):
        text = plain_fold(value)
    elif isinstance(value, int | float) and op in PARTS:
        text = str(value)
    else:
        return False
    said = str(wanted).lower() if isinstance(wanted, bool) else plain_fold(str(wanted))
    if op in ORDERS:
        words = isinstance(value, str) and text and plain_number(value) is None
        return bool(words) and compared(text, op, said)
    return {
        Op.LIKE: lambda: text == said,
        Op.CONTAINS: lambda: said in text,
        Op.STARTS: lambda: text.startswith(said),
        Op.ENDS: lambda: text.endswith(said),
    }[op]()


def compared(mine: Any, op: Op, other: Any) -> bool:
    return bool(
        {
            Op.LIKE: mine == other,
            Op.MORE: mine > other,
            Op.LESS: mine < other,
            Op.LEAST: mine >= other,
            Op.MOST: mine <= other,
        }[op]
    )


def plain(condition: Condition | Comparison, record: dict[str, Any], result: dict[str, Any]) -> bool:
    if isinstance(condition, Condition):
        return (all if condition.every else any)([plain(part, record, result) for part in condition.parts])
    value = (record if condition.source == "record" else result).get(condition.member)
    if condition.op is Op.EXISTS:
        there = bool(plain_fold(value)) if isinstance(value, str) else value not in (None, [], {})
        return there is condition.value
    op = Op.LIKE if condition.op is Op.UNLIKE else condition.op
    values = value[:MAX_ELEMENTS] if isinstance(value, list) else [value]
    found = any(plain_leaf(each, op, condition.value) for each in values)
    return found is not (condition.op is Op.UNLIKE)


NAMES = ["a", "A", "a.b", 'q"uote', "$", "$.a", "ключ", "", "it's", "a\\b", "a\0b", "[0]", "\U0001f600"]
WORDS = st.sampled_from(
    [
        "DE",
        "de ",
        " De",
        "Straße",
        "STRASSE",
        "é",
        "é",
        "É",
        "%",
        "_",
        "'",
        '"',
        "\\",
        "--",
        "true",
        "250",
        " 250 ",
        "1e3",
        "1000",
        "1,000",
        "007",
        "-0",
        "+5",
        "NaN",
        "İ",
        "ǅ",
        "K",
        "2025-01-15",
        "9007199254740993",
        "12345678901234567890",
        "x\x00y",
        "7\x00",
        "7\x00x",
        "\xa0250",
        "ﬀ",
        "ff",
        "0x1f",
        "1.",
        ".5",
        "-",
        "1e999",
        "250\x00",
    ]
)
BLANK = st.sampled_from(["", " ", "\t\n", "\xa0", "\u3000", "\0"])
TEXTS = WORDS | BLANK | st.text(max_size=8)
NUMBERS = st.integers(-3, 300) | st.integers(-(2**64), 2**64) | st.sampled_from([0.5, 2.5, -1.25, 1000.0])
SCALARS = TEXTS | NUMBERS | st.booleans() | st.none()
NESTED: st.SearchStrategy[Any] = st.sampled_from([[1], {"a": 1}])
LISTS: st.SearchStrategy[Any] = st.lists(SCALARS | NESTED, max_size=4)
VALUES: st.SearchStrategy[Any] = SCALARS | LISTS | NESTED | st.just({})
OBJECTS = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=6)


def filled(text: str) -> bool:
    return bool(plain_fold(text))


@st.composite
def comparisons(draw: st.DrawFn) -> Comparison:
    source: Any = draw(st.sampled_from(["record", "result"]))
    op = draw(st.sampled_from(list(Op)))
    if op is Op.EXISTS:
        value: Any = draw(st.booleans())
    else:
        value = draw((WORDS | st.text(min_size=1, max_size=4).filter(filled)) | NUMBERS)
        if op not in ORDERS | PARTS:
            value = draw(st.just(value) | st.booleans())
        if op in PARTS and not isinstance(value, str):
            value = str(value)
    return Comparison(source, draw(st.sampled_from(NAMES)), op, value)


def conditions(parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Condition]:
    return st.builds(Condition, st.booleans(), st.lists(parts, min_size=1, max_size=4).map(tuple))


def has_long_number(value: object) -> bool:
    """Whether there is a number that SQL writes in another way than Python."""
    if isinstance(value, list):
        return any(map(has_long_number, value))
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 2**63


def short(value: dict[str, Any]) -> dict[str, Any]:
    return {name: each for name, each in value.items() if not has_long_number(each)}


def leaves(condition: Condition | Comparison) -> list[Comparison]:
    if isinstance(condition, Comparison):
        return [condition]
    return [leaf for part in condition.parts for leaf in leaves(part)]


@given(
    st.lists(st.tuples(OBJECTS, OBJECTS), min_size=1, max_size=8),
    conditions(comparisons() | conditions(comparisons())),
)
@example([({"a": "e\u0301cole"}, {})], Condition(True, (Comparison("record", "a", Op.STARTS, "École"),)))
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_sql_and_plain_python_agree(
    passing: Passing, rows: list[tuple[dict[str, Any], dict[str, Any]]], condition: Condition
) -> None:
    if any(each.op in PARTS for each in leaves(condition)):
        rows = [(short(record), short(result)) for record, result in rows]
    # One half with escapes, as some clients send all that is not ASCII.
    texts: list[tuple[str | None, str | None]] = [
        (json.dumps(record, ensure_ascii=index % 2 == 0), json.dumps(result, ensure_ascii=index % 2 == 1))
        for index, (record, result) in enumerate(rows)
    ]
    wanted = [index for index, row in enumerate(rows) if plain(condition, *row)]
    assert passing(texts, condition) == wanted


def one(member: str, op: Op, value: Any) -> Condition:
    return Condition(True, (Comparison("record", member, op, value),))


def test_of_members_with_one_name_the_last_counts(passing: Passing) -> None:
    rows: list[tuple[str | None, str | None]] = [('{"a":1,"b":0,"a":2}', None), ('{"a":"x","a":null}', None)]
    assert passing(rows, one("a", Op.LIKE, 2)) == [0]
    assert passing(rows, one("a", Op.LIKE, 1)) == []
    assert passing(rows, one("a", Op.EXISTS, False)) == [1]
    # The same name, once spelt with an escape.
    assert passing([('{"a":1,"\\u0061":2}', None)], one("a", Op.LIKE, 2)) == [0]


def test_what_is_not_there_has_no_members(passing: Passing) -> None:
    rows: list[tuple[str | None, str | None]] = [(None, None), ("{}", None)]
    assert passing(rows, one("a", Op.UNLIKE, 2)) == [0, 1]
    assert passing(rows, one("a", Op.LIKE, 2)) == []


def test_the_text_of_a_statement_follows_from_the_shape_alone() -> None:
    hostile = ["'); DROP TABLE records; --", '$."x"', "?1", ":condition", "%", "{0}"]
    fragments = {
        compiled(Condition(True, (Comparison("record", field, op, value),)), 3).sql
        for op in (Op.CONTAINS,)
        for field in hostile
        for value in hostile
    }
    assert len(fragments) == 1
    assert "DROP" not in fragments.pop()


def test_a_question_mark_of_ten_is_not_that_of_one(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "db").execute("CREATE TABLE one (id INTEGER)").connection.close()
    (tmp_path / "test.sql").write_text(QUERIES)
    queries = Queries()
    queries.add_folder(tmp_path)
    connection = connect_reader(tmp_path / "db", 32)
    params = {"rows": '[["{\\"a\\":49}"],["{\\"a\\":50}"]]', **dict.fromkeys("abcdefghi", 2)}
    parts = tuple(Comparison("record", "a", Op.UNLIKE, number) for number in range(50))
    found = ReadTx(connection, queries).narrowed("test.many", params, Condition(True, parts))
    assert [row[0] for row in found] == [0, 1]
    connection.close()


def test_what_is_hostile_is_bounded(passing: Passing) -> None:
    marks = "a" + "\u0301\u0316" * 500_000
    began = time.perf_counter()
    folded(marks)
    rows: list[tuple[str | None, str | None]] = [
        (json.dumps({"a": marks, "b": [marks[:2_000]] * 500, "c": " " * 2_000_000 + "x"}), None)
    ]
    asked = tuple(Comparison("record", name, Op.CONTAINS, "zz") for name in "abc")
    assert passing(rows, Condition(False, asked)) == []
    assert time.perf_counter() - began < 5  # by the square of the marks it takes hours


def test_beyond_its_bound_a_text_and_a_list_do_not_count(passing: Passing) -> None:
    rows: list[tuple[str | None, str | None]] = [
        (json.dumps({"a": "x" * (MAX_TEXT - 1) + "yz", "b": [0] * MAX_ELEMENTS + [7]}), None)
    ]
    assert passing(rows, one("a", Op.ENDS, "xy")) == [0]
    assert passing(rows, one("a", Op.CONTAINS, "z")) == []
    assert passing(rows, one("b", Op.LIKE, 7)) == []
    assert passing(rows, one("b", Op.LIKE, 0)) == [0]
