"""What differs between two states of a thing, as the trail shows it."""

from __future__ import annotations

from ingestbox.console.marked import changes


def test_of_members_that_differ_the_part_that_does_is_marked() -> None:
    (change,) = changes({"company": "Acme", "email": "a@x.org"}, {"company": "Acme Ltd", "email": "a@x.org"})
    assert change.name == "company"
    assert "<mark>" not in str(change.before)
    assert str(change.after) == '<bdi class="text">Acme<mark> Ltd</mark></bdi>'


def test_what_was_null_was_not_there_and_who_and_when_is_not_said_twice() -> None:
    before = {"resolved_ms": None, "resolved_by": None, "resolution": None}
    (change,) = changes(before, {"resolved_ms": 1, "resolved_by": "user:3", "resolution": "manual"})
    assert (change.name, change.before) == ("resolution", None)
    assert str(change.after) == '<bdi class="text">manual</bdi>'


def test_what_is_no_text_is_told_as_json_and_markup_is_inert() -> None:
    (number, word) = changes({"n": 1, "w": "<b>"}, {"n": False, "w": "<i>"})
    assert "<mark>1</mark>" in str(number.before)
    assert "&lt;<mark>b</mark>&gt;" in str(word.before)
