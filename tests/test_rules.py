"""What each rule makes of a row, as it is stored."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestbox import rules
from ingestbox.rules import Rule, SetMember

FIELDS = ("email", "first_name", "last_name", "company")
Row = dict[str, Any]


def stored(**members: Any) -> bytes:
    return msgspec.json.encode(members)


def rule(**members: Any) -> Rule:
    return msgspec.convert(members, Rule)


def made(given: Rule, note: str | None = None, **members: Any) -> Row | None:
    written = rules.applied(given, stored(**members), FIELDS, note)
    return None if written is None else msgspec.json.decode(written.payload)


@pytest.mark.parametrize(
    ("members", "count"),
    [
        ({}, 0),
        ({"email": "a@x.com", "company": " "}, 1),
        ({"email": "a@x.com", "company": "", "phone": None, "vip": False, "points": 0}, 3),
        ({"_row": {"line": 2, "row": 1}, "_note": "kept", "email": "\u00a0"}, 0),
    ],
)
def test_cells_that_hold_something_are_counted(members: Row, count: int) -> None:
    assert rules.filled(stored(**members)) == count


@pytest.mark.parametrize(
    ("members", "wanted"),
    [
        ({"company": ""}, {"company": "ACME"}),
        ({"company": "  "}, {"company": "ACME"}),
        ({"company": None}, {"company": "ACME"}),
        ({}, {"company": "ACME"}),
        ({"company": "Other"}, None),
        ({"company": "ACME"}, None),
        ({"company": 7}, None),
    ],
)
def test_a_blank_member_is_set(members: Row, wanted: Row | None) -> None:
    assert made(rule(set={"field": "company", "value": "ACME"}), **members) == wanted


def test_a_member_is_set_everywhere_if_that_is_asked_for() -> None:
    everywhere = rule(set={"field": "company", "value": "ACME", "only_blank": False})
    assert made(everywhere, company="Other", x=1) == {"company": "ACME", "x": 1}
    assert made(everywhere, company="ACME") is None
    cleared = rule(set={"field": "company", "value": "", "only_blank": False})
    assert made(cleared, company="Other") == {"company": ""}
    assert made(cleared, company="") is None


def test_a_column_that_the_file_does_not_have_is_not_made_up() -> None:
    phone = rule(set={"field": "phone", "value": "1"})
    assert made(phone, email="a@x.com") is None
    assert made(phone, email="a@x.com", phone="") == {"email": "a@x.com", "phone": "1"}


@pytest.mark.parametrize(
    ("how", "cell", "wanted"),
    [
        (["trim"], "  a \t b\u00a0 ", "a b"),
        (["lower"], "A@X.Com ", "a@x.com "),
        (["trim", "lower"], " A@X.Com ", "a@x.com"),
        (["lower", "trim"], "ĐẶNG  Thị", "đặng thị"),
        (["trim"], "a b", None),
        (["lower"], "", None),
        (["lower"], None, None),
        (["lower"], 7, None),
    ],
)
def test_cells_are_cleaned(how: list[str], cell: object, wanted: str | None) -> None:
    found = made(rule(clean=how, fields=["email", "phone"]), email=cell, last_name=" A ")
    assert found == (None if wanted is None else {"email": wanted, "last_name": " A "})


def test_what_is_not_touched_stays_as_it_was_sent() -> None:
    payload = b'{"points":1.50,"email":" A ","_row":{"row":1},"big":123456789012345678901234567890}'
    written = rules.applied(rule(clean=["trim"], fields=["email"]), payload, FIELDS)
    assert written is not None
    assert written.members == ("email",)
    assert (
        written.payload
        == b'{"points":1.50,"email":"A","_row":{"row":1},"big":123456789012345678901234567890}'
    )


def test_a_note_says_why_and_is_not_left_behind() -> None:
    lower = rule(clean=["lower"], fields=["email"])
    assert made(lower, note="Cleaned", email="A") == {"email": "a", "_note": "Cleaned"}
    assert made(lower, email="A", _note="old") == {"email": "a"}
    assert msgspec.json.decode(rules.given_up(stored(email="A", _note="old"))) == {"email": "A"}
    assert msgspec.json.decode(rules.given_up(stored(email="A"), "why")) == {"email": "A", "_note": "why"}


def test_a_row_that_names_another_object_forgets_the_one_it_was_to_update() -> None:
    assert rules.without_choice(stored(email="a", _update="7")) == stored(email="a")
    assert rules.without_choice(b'{"email": "a"}') == b'{"email": "a"}'


def test_differences_are_told_shortened() -> None:
    before, after = rules.differences(stored(a="1", b="x", c="2" * 300), stored(a="3", b="x", d=4))
    assert before == {"a": "1", "c": '"' + "2" * 199 + "…"}
    assert after == {"a": "3", "d": 4}
    many = {f"m{number}": "1" for number in range(50)}
    before, after = rules.differences(stored(**many), b"{}")
    assert (len(before), after) == (20, {})


@pytest.mark.parametrize(
    ("members", "right"),
    [
        ({"keep": "most_complete"}, True),
        ({"discard": "all"}, True),
        ({"set": {"field": "a", "value": ""}}, True),
        ({"clean": ["trim"], "fields": ["a"]}, True),
        ({}, False),
        ({"fields": ["a"]}, False),
        ({"clean": ["trim"]}, False),
        ({"keep": "most_complete", "discard": "all"}, False),
        ({"discard": "all", "fields": ["a"]}, False),
    ],
)
def test_a_rule_is_one_of_four(members: Row, *, right: bool) -> None:
    assert (rules.faults(rule(**members)) == []) is right


@pytest.mark.parametrize(
    "members",
    [
        {"keep": "first"},
        {"set": {"field": "_update", "value": "7"}},
        {"set": {"field": "", "value": "7"}},
        {"set": {"field": "a"}},
        {"set": {"field": "a", "value": "x" * 1_001}},
        {"clean": [], "fields": ["a"]},
        {"clean": ["upper"], "fields": ["a"]},
        {"clean": ["trim"], "fields": []},
        {"clean": ["trim"], "fields": ["_note"]},
        {"clean": ["trim"], "fields": ["a"], "also": 1},
    ],
)
def test_what_is_no_rule_is_refused(members: Row) -> None:
    with pytest.raises(msgspec.ValidationError):
        rule(**members)


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
cells = st.none() | st.booleans() | st.integers(-9, 9) | texts
rows = st.dictionaries(st.sampled_from([*FIELDS, "phone", "_note", "_row"]), cells)
some_rules = st.one_of(
    st.builds(
        lambda field, value, blank: Rule(set=SetMember(field, value, blank)),
        st.sampled_from([*FIELDS, "phone"]),
        texts,
        st.booleans(),
    ),
    st.builds(
        lambda how, fields: Rule(clean=how, fields=fields),
        st.lists(st.sampled_from(["trim", "lower"]), min_size=1, max_size=2),
        st.lists(st.sampled_from([*FIELDS, "phone"]), min_size=1, max_size=3),
    ),
)


@given(some_rules, rows)
def test_a_rule_that_is_applied_twice_changes_nothing_the_second_time(some: Rule, row: Row) -> None:
    first = rules.applied(some, stored(**row), FIELDS)
    if first is None:
        return
    assert rules.applied(some, first.payload, FIELDS) is None
    now = msgspec.json.decode(first.payload)
    changed = {name for name in {**row, **now} if row.get(name) != now.get(name)} - {"_note"}
    assert changed <= set(first.members)
