"""The rules for a row by itself: which one fails first, and that nothing a client sends makes them raise."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestbox.errors import Fault
from ingestbox.families.contacts.check import check, check_all
from ingestbox.families.contacts.fields import FIELDS, key_of
from ingestbox.families.contacts.process import process
from ingestbox.model import Chunk, Item

GOOD = {"email": "Anna@Example.com", "first_name": "Anna", "last_name": "Lee", "company": "Acme"}


def faults(row: Any) -> list[tuple[str, str, str | None]]:
    return [(each.code, each.message, each.field) for each in check(json.dumps(row).encode()).faults]


def test_a_good_row_has_its_key_and_stays_as_it_is() -> None:
    payload = json.dumps({**GOOD, "phone": "1", "_row": {"line": 2, "row": 1}, "_update": "7"}).encode()
    checked = check(payload)
    assert (checked.key, checked.payload, checked.faults) == ("anna@example.com", payload, ())


@pytest.mark.parametrize("blank", ["", "  ", "\u00a0\u3000\t", None])
@pytest.mark.parametrize("place", range(len(FIELDS)))
def test_the_first_field_that_is_blank_is_named(place: int, blank: str | None) -> None:
    row = {**GOOD, **dict.fromkeys(FIELDS[place:], blank)}
    name = FIELDS[place]
    assert faults(row) == [("missing_required_field", f"Missing required field: {name}", name)]
    assert faults({key: GOOD[key] for key in FIELDS[:place]}) == faults(row)


def test_a_missing_field_counts_before_a_bad_address() -> None:
    assert faults({**GOOD, "email": "x", "company": ""})[0][0] == "missing_required_field"
    ((code, message, field),) = faults({**GOOD, "email": "x"})
    assert (code, field) == ("invalid_email", "email")
    assert message == "Invalid email: An email address must have an @-sign."


def test_blanks_around_an_address_are_no_fault() -> None:
    assert faults({**GOOD, "email": "  anna@example.com\u00a0\n"}) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ANNA@example.com ", "anna@EXAMPLE.COM"),
        ("STRASSE@example.com", "straße@example.com"),
        ("A\u030angstro\u0308m@example.com", "\u00c5ngstr\u00f6m@EXAMPLE.com"),
        ("\u0130@example.com", "i\u0307@example.com"),
        ("\u03b1\u0345@example.com", "\u1fb3@example.com"),
    ],
)
def test_addresses_are_compared_whatever_their_case_and_composition(one: str, other: str) -> None:
    assert key_of(one) == key_of(other)


def test_addresses_that_differ_have_different_keys() -> None:
    assert len({key_of(each) for each in ("a@b.de", "a@b.dk", "ä@b.de", "a.@b.de", "")}) == 5


@given(st.text(alphabet="aAßİÅ\u0301 \t@.", max_size=20))
def test_a_key_is_its_own_key(text: str) -> None:
    assert key_of(key_of(text)) == key_of(text)


@pytest.mark.parametrize("value", [5, 1.5, True, [], ["a@b.de"], {}, {"a": 1}])
@pytest.mark.parametrize("name", FIELDS)
def test_a_field_that_is_no_text_is_a_fault(name: str, value: object) -> None:
    assert faults({**GOOD, name: value}) == [("wrong_type", f"{name} must be a string or null", name)]


@pytest.mark.parametrize("name", [*FIELDS, "phone"])
def test_a_cell_with_a_character_that_no_file_may_have_is_a_fault(name: str) -> None:
    assert faults({**GOOD, name: "a\0b@c.de"}) == [
        ("wrong_type", f"{name} must not hold the character U+0000", name)
    ]


@pytest.mark.parametrize("value", [5, None, [], "x", {"email": "a@b.de"}])
def test_other_columns_may_hold_anything(value: object) -> None:
    assert faults({**GOOD, "phone": value}) == []


@pytest.mark.parametrize(
    ("member", "field"),
    [
        ({"_x": "1"}, "_x"),
        ({"_": 1}, "_"),
        ({"_row": "no object"}, "_row"),
        ({"_row": None}, "_row"),
        ({"_update": 5}, "_update"),
        ({"_update": None}, "_update"),
        ({"_note": ["x"]}, "_note"),
        ({"_" + "x" * 500: 1}, "_" + "x" * 59),
    ],
)
def test_own_members_have_the_shape_that_the_box_gives_them(member: dict[str, object], field: str) -> None:
    ((code, message, found),) = faults({**GOOD, **member})
    assert (code, found) == ("wrong_type", field)
    assert len(message) < 200


def test_a_row_that_could_not_be_read_keeps_its_reason_until_a_field_is_filled_in() -> None:
    place = {"line": 3, "row": 2, "raw": '"x', "code": "too_many_cells", "message": "line 3: has 7 cells"}
    assert faults({"_row": place}) == [("too_many_cells", "line 3: has 7 cells", None)]
    assert faults({"_row": place, "email": "a@b.de"})[0][1] == "Missing required field: first_name"
    assert faults({"_row": place, **GOOD}) == []


@pytest.mark.parametrize(
    "place",
    [{}, {"code": 5, "message": "x"}, {"code": "A code!", "message": "x"}, {"code": "x", "message": None}],
)
def test_a_reason_of_another_shape_counts_for_nothing(place: dict[str, object]) -> None:
    assert faults({"_row": place}) == [("missing_required_field", "Missing required field: email", "email")]


@pytest.mark.parametrize("payload", [b"", b"[]", b"5", b'"x"', b"null", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_object_is_a_fault(payload: bytes) -> None:
    checked = check(payload)
    assert (checked.key, [each.code for each in checked.faults]) == ("", ["wrong_type"])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from([*FIELDS, "_row", "_update", "_note", "_x", "phone"]) | st.text(max_size=5)


@settings(deadline=None, max_examples=500)
@given(st.dictionaries(NAMES, JSON | st.sampled_from(["a@b.de", "x", ""]), max_size=9))
def test_no_row_makes_it_raise_and_what_it_passes_can_be_processed(row: dict[str, Any]) -> None:
    payload = json.dumps(row).encode("utf-8", "surrogatepass")
    checked = check(payload)
    assert all(isinstance(each, Fault) for each in checked.faults)
    if not checked.faults:
        (outcome,) = process(Chunk("contacts", [Item(0, checked.key, payload)], 1))
        assert outcome.put is not None
        assert outcome.put.columns["email_key"] == checked.key


def test_several_are_checked_in_order() -> None:
    items = [Item(3, "", json.dumps(GOOD).encode()), Item(9, "", b"{}")]
    assert [len(each.faults) for each in check_all(items)] == [0, 1]
