"""Filters as forms and addresses have them, and columns that nobody knows before: without a box."""

from __future__ import annotations

import json

import msgspec
import pytest

from ingestbox import families
from ingestbox.console.conditions import (
    MOST_CONDITIONS,
    NOTHING,
    Condition,
    Group,
    edited,
    from_form,
    narrowed,
    of_value,
    parse,
    plain,
    written,
)
from ingestbox.console.gridstate import (
    MOST_OFFERED,
    MOST_SHOWN,
    Heads,
    State,
    column_of,
    lines,
    member_of,
    picked,
)
from ingestbox.view import Grid

A, B, C = Condition("a", "=", "1"), Condition("b", "contains", "x"), Condition("c", "filled")
NESTED = Group("all", (A, Group("any", (B, C))))
TEXT = (
    '{"all":[{"field":"a","op":"=","value":"1"},'
    '{"any":[{"field":"b","op":"contains","value":"x"},{"field":"c","op":"exists","value":true}]}]}'
)


@pytest.fixture(scope="module")
def grid() -> Grid:
    """That of uploads."""
    return families.load()["audience"].grids[0]


def test_a_filter_is_the_same_in_an_address_and_in_a_form() -> None:
    assert parse(TEXT) == NESTED
    assert written(NESTED) == TEXT
    form = [
        *(("match", "all"), ("field", "a"), ("op", "="), ("value", "1")),
        *(("open", "any"), ("field", " b "), ("op", "contains"), ("value", "x")),
        *(("field", "c"), ("op", "filled"), ("value", "left over"), ("close", "1")),
    ]
    assert from_form(form) == NESTED
    assert parse('{"field":"a","op":"=","value":"1"}') == Group("all", (A,))
    assert parse("") == NOTHING
    assert written(NOTHING) == ""
    blank = Group("all", (Condition("", "="), A, Group("any", (Condition("", "="),))))
    assert written(blank) == '{"all":[{"field":"a","op":"=","value":"1"}]}'


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        "[]",
        "7",
        '{"none":[]}',
        '{"all":{}}',
        '{"all":[],"any":[]}',
        '{"all":[{"field":1,"op":"=","value":1}]}',
        '{"all":[{"field":"a","op":"like","value":1}]}',
        '{"all":[{"field":"a","op":"=","value":[1]}]}',
        '{"all":[{"field":"a","op":"=","value":1,"more":1}]}',
        '{"all":[{"any":[{"all":[]}]}]}',
        '{"all":' * 50,
        json.dumps({"all": [{"field": "a", "op": "=", "value": 1}] * (MOST_CONDITIONS + 1)}),
    ],
)
def test_what_a_form_cannot_show_is_no_filter_of_it(text: str) -> None:
    assert parse(text) is None


def test_buttons_of_the_form_change_one_thing() -> None:
    blank = Condition("", "=")
    assert edited(NESTED, "add").parts[-1] == blank
    assert edited(NESTED, "group").parts[-1] == Group("any", (blank, blank))
    assert edited(NESTED, "add.1").parts[1] == Group("any", (B, C, blank))
    assert edited(NESTED, "remove.0") == Group("all", (Group("any", (B, C)),))
    assert edited(NESTED, "remove.1.0").parts[1] == Group("any", (C,))
    assert edited(edited(NESTED, "remove.1.0"), "remove.1.0") == Group("all", (A,))
    for nothing in (
        "",
        "add.0",
        "add.9",
        "remove.9",
        "remove.-1",
        "remove.0.0",
        "remove.1.9",
        "add.1.2",
        "x.²",
    ):
        assert edited(NESTED, nothing) == NESTED, nothing
    full = Group("all", (A,) * MOST_CONDITIONS)
    assert edited(full, "add") == edited(full, "group") == full
    assert from_form([("value", "x")] * 100).size == MOST_CONDITIONS


def test_a_value_that_is_clicked_on_narrows_what_is_there() -> None:
    assert narrowed(NOTHING, A) == Group("all", (A,))
    assert narrowed(Group("all", (A,)), A) == Group("all", (A,))
    assert narrowed(NESTED, of_value("d", True)) == Group("all", (*NESTED.parts, Condition("d", "=", True)))
    either = Group("any", (A, B))
    assert narrowed(either, C) == Group("all", (either, C))
    assert narrowed(Group("any", (A, NESTED.parts[1])), C) is None  # would be nested twice
    assert narrowed(None, C) is None
    assert picked('["a",1.5]') == Condition("a", "=", 1.5)
    for bad in ("", "[]", '["a"]', '["a",null]', '["a"," "]', '["a",[1]]', json.dumps(["a", "x" * 201])):
        assert picked(bad) is None, bad
    assert plain(Group("all", (of_value("a", 7),))) == {"all": [{"field": "a", "op": "=", "value": 7}]}


def shown(grid: Grid, fields: list[str], **query: str) -> Heads:
    return Heads(State(grid, query), fields)


def test_however_many_columns_there_are_a_page_has_a_bounded_number(grid: Grid) -> None:
    many = [f"column {n}" for n in range(5_000)]
    heads = shown(grid, many)
    assert len(heads.offered) == MOST_OFFERED
    assert heads.more == 5_000 - MOST_OFFERED
    assert len(heads.shown) < 20
    assert len(shown(grid, many, columns=json.dumps(many)).shown) == MOST_SHOWN
    last = shown(grid, many, columns='["column 4999","_email"]')
    assert [head.name for head in last.shown] == ["column 4999", "_email"]
    assert [head.name for head in last.others] == ["column 4999"]
    for bad in ("nonsense", "[1]", "{}", "[]"):
        assert shown(grid, ["a"], columns=bad).shown[0].name == "a", bad


def test_a_member_that_is_called_like_one_of_the_boxs_has_a_column_of_its_own(grid: Grid) -> None:
    rows = grid.rows
    for member, column in (
        ("email", "email"),
        ("_email", "record._email"),
        ("record._email", "record.record._email"),
        ("_index", "record._index"),
        ("record.email", "record.email"),
    ):
        assert column_of(rows, member) == column
        assert member_of(rows, column) == member
    answer = {
        "records": msgspec.Raw(b'[{"_email":"mine"},null,{"n":1.50,"deep":[{}],"yes":true,"no":null}]'),
        "results": msgspec.Raw(b'[{"_email":"the box\'s"},null,null]'),
        "indexes": msgspec.Raw(b"[0,4,7]"),
    }
    heads = shown(
        grid, ["_email", "n", "deep", "yes", "no"], columns='["record._email","_email","n","deep","yes","no"]'
    )
    found = lines(grid, answer, heads, asks=True)
    assert [[cell.value for cell in line.cells] for line in found] == [
        ["mine", "the box's", None, None, None, None],
        [None] * 6,
        [None, None, "1.50", "[{}]", "true", None],
    ]
    assert [line.place for line in found] == [0, 4, 7]
    assert [line.known for line in found] == [True, False, False]
    assert [cell.pick for cell in found[2].cells] == ["", "", '["n",1.5]', "", '["yes",true]', ""]
    assert not any(cell.pick for line in lines(grid, answer, heads, asks=False) for cell in line.cells)
