"""Plans for files of contacts, and their rows as records."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ingestbox.families.contacts.check import check
from ingestbox.families.contacts.columns import signature
from ingestbox.families.contacts.fields import FIELDS
from ingestbox.families.contacts.table import How, Wishes, plan, rows
from ingestbox.family import Intake
from ingestbox.pipeline import tables
from ingestbox.sheet import Plan
from ingestbox.tabular import Row

HEADER = ["email", "first_name", "last_name", "company"]


def planned(header: list[str], wishes: Wishes | None = None) -> tuple[Plan, How]:
    made = plan(header, [], msgspec.json.encode(wishes))
    how = msgspec.json.decode(bytes(made.how), type=How | None)
    assert (how is None) == (made.refusal is not None)
    return made, how or How([], {})


def records(header: list[str], *cells: list[str], wishes: Wishes | None = None) -> list[Intake]:
    made, _ = planned(header, wishes)
    found = [Row(number, number + 1, each) for number, each in enumerate(cells, 1)]
    return rows(bytes(made.how), "stem", found)


def payload(intake: Intake) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(intake.payload)
    return found


def test_a_row_is_its_fields_and_all_other_columns() -> None:
    (made,) = records([*HEADER, "Phone Nº", ""], [" Anna@Example.com", "Anna", "Lee", "Acme", "1", ""])
    assert made.key == "anna@example.com"
    assert made.fault is None
    assert payload(made) == {
        "email": " Anna@Example.com",
        "first_name": "Anna",
        "last_name": "Lee",
        "company": "Acme",
        "Phone Nº": "1",
        "": "",
        "_row": {"line": 2, "row": 1},
    }


def test_columns_may_stand_in_any_order() -> None:
    (made,) = records(["Firma", "Name", "Vorname", "E-Mail"], ["Acme", "Lee", "Anna", "a@b.de"])
    assert [payload(made)[field] for field in FIELDS] == ["a@b.de", "Anna", "Lee", "Acme"]


def test_a_row_has_its_first_fault_and_rows_alike_stay_two() -> None:
    made = records(
        HEADER,
        ["x", "Anna", "Lee", "Acme"],
        ["a@b.de", "", " ", "Acme"],
        ["a@b.de", "A", "B", "C"],
        ["A@B.de", "A", "B", "C"],
    )
    faults = [each.fault.message if each.fault else None for each in made]
    assert faults[0] == "Invalid email: An email address must have an @-sign."
    assert faults[1:] == ["Missing required field: first_name", None, None]
    assert [each.key for each in made] == ["x", "a@b.de", "a@b.de", "a@b.de"]
    assert not any(each.superseded for each in made)


def test_a_row_is_checked_as_one_that_is_staged_is() -> None:
    cells = ["", " ", "a@b.de", "x", "ü@b.de"]
    table = [[one, two, three, "C"] for one in cells for two in ("", "A") for three in ("B", "\u00a0")]
    for made in records(HEADER, *table):
        again = check(made.payload)
        assert (again.key, again.payload) == (made.key, made.payload)
        assert again.faults == (() if made.fault is None else (made.fault,))


MEMBERS: list[tuple[list[str], dict[str, int] | None, list[str]]] = [
    ([*HEADER, "_row", "__x", "_", "row"], None, [*HEADER, "row (2)", "x", "column", "row"]),
    ([*HEADER, "_update", "_note", "_email"], None, [*HEADER, "update", "note", "email (2)"]),
    ([*HEADER, "Email"], {"Email": 4}, ["email (2)", *HEADER[1:], "email"]),
    (
        [*HEADER, "Work", "email (2)"],
        {"Work": 4},
        ["email (3)", *HEADER[1:], "email", "email (2)"],
    ),
]


@pytest.mark.parametrize(("header", "said", "members"), MEMBERS)
def test_no_column_takes_the_name_of_a_field_or_of_the_boxs_own(
    header: list[str], said: dict[str, int] | None, members: list[str]
) -> None:
    wishes = Wishes(dict.fromkeys(said, "email") | {"email": None}) if said else None
    if said and "Email" in said:
        wishes = Wishes([{"column": "Email", "field": "email"}, {"column": "email", "field": None}])
    _, how = planned(header, wishes)
    assert how.names == members
    (made,) = records(header, [str(place) for place in range(len(header))], wishes=wishes)
    kept = payload(made)
    kept.pop("_row")
    assert list(kept.values()) == [str(place) for place in range(len(header))]


def test_missing_columns_are_told_in_the_words_of_the_contract() -> None:
    made, _ = planned(["e-mail", "Full name", "Org"])
    assert made.refusal is not None
    assert made.refusal.code == "missing_headers"
    assert made.refusal.message == (
        "CSV file is missing required headers: first_name, last_name. Found headers: e-mail, Full name, Org. "
        "Please ensure your CSV file contains columns for: email, first_name, last_name, and company."
    )
    many, _ = planned([f"column {number} {'x' * 200}" for number in range(5_000)])
    assert many.refusal is not None
    assert len(many.refusal.message) < 3_000


def test_a_preview_shows_what_is_missing_instead() -> None:
    made, how = planned(["e-mail", "mail", "Full name", "Org"], Wishes(shown=True))
    assert made.refusal is None
    assert how.missing == ["first_name", "last_name"]
    assert [(each.column, each.field) for each in how.others] == [("mail", "email")]
    assert [notice.code for notice in made.notices] == ["whole_name"]
    assert [(each.column, each.field, each.confidence) for each in made.columns] == [
        ("e-mail", "email", 1.0),
        ("mail", None, 0.0),
        ("Full name", None, 0.0),
        ("Org", "company", 1.0),
    ]


def test_guesses_are_said() -> None:
    made, _ = planned(["emial", "Vorname", "Name", "Firma"])
    assert [(each.code, "`emial`" in each.message) for each in made.notices] == [("column_guessed", True)]


def test_a_mapping_that_is_said_counts_before_what_is_remembered() -> None:
    header = ["a", "b", "c", "d", "e"]
    kept = {signature(header): {"email": 0, "first_name": 1, "last_name": 2, "company": 3}}
    _, how = planned(header, Wishes(None, kept))
    assert (how.places, how.said, how.remembered) == (kept[signature(header)], False, True)
    mapping = {"email": "e", "first_name": "b", "last_name": "c", "company": "d"}
    _, how = planned(header, Wishes(mapping, kept))
    assert (how.places["email"], how.said, how.remembered) == (4, True, False)
    assert planned(header[::-1], Wishes(None, kept))[0].refusal is not None


@pytest.mark.parametrize("places", [{"email": 9}, {"email": -1}, {"phone": 0}])
def test_what_is_remembered_and_does_not_fit_counts_for_nothing(places: dict[str, int]) -> None:
    _, how = planned(HEADER, Wishes(None, {signature(HEADER): places}))
    assert not how.remembered
    assert how.places == {field: place for place, field in enumerate(HEADER)}


def test_a_mapping_that_cannot_be_followed_is_refused() -> None:
    for shown in (False, True):
        made, _ = planned(HEADER, Wishes({"nope": "email"}, shown=shown))
        assert made.refusal is not None
        assert (made.refusal.code, made.refusal.field) == ("bad_parameter", "mapping")


def test_rows_of_a_file_keep_their_reasons_as_they_are(tmp_path: Path) -> None:
    """Rows with one address share an issue, whatever their lines; and none of them replaces another."""
    path = tmp_path / "people.csv"
    lines = [",".join(HEADER), "x,A,B,C", "x,A,B,C", "a@b.de,A,B,C", "a@b.de,A,B,C", "1,2,3,4,5,6,7"]
    path.write_text("\n".join(lines))
    found = "ingestbox.families.contacts.table:"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    size = path.stat().st_size
    question = tables.Question(str(path), "p.csv", size, digest, str(tmp_path / "copy"), f"{found}plan")
    finding = msgspec.msgpack.decode(tables.survey(msgspec.msgpack.encode(question)), type=tables.Finding)
    sheet = finding.sheet
    assert sheet is not None
    wish = tables.More(
        path=str(path),
        size=sheet.rows_size,
        blocks=sheet.blocks,
        form=sheet.form,
        position=sheet.position,
        how=sheet.how,
        rows=f"{found}rows",
        stem="",
        most=100,
        staged=True,
    )
    made = msgspec.msgpack.decode(tables.rows(msgspec.msgpack.encode(wish)), type=tables.Rows).records
    bad = "Invalid email: An email address must have an @-sign."
    line = "line 6: The row has 7 cells, and the header 4."
    assert [each.fault.message if each.fault else None for each in made] == [bad, bad, None, None, line]
    assert not any(each.superseded for each in made)
    for each in made:
        assert check(each.payload).faults == (() if each.fault is None else (each.fault,))
