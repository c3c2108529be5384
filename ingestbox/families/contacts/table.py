"""Files of contacts: which column is what, and a row's record. Runs in a child process, so it stays light."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ingestbox.errors import Fault
from ingestbox.families.contacts.check import fault_of
from ingestbox.families.contacts.columns import (
    SURE,
    Choice,
    Found,
    find,
    is_whole_name,
    missing,
    missing_sentence,
    said,
    signature,
)
from ingestbox.families.contacts.fields import FIELDS, key_of
from ingestbox.families.contacts.guard import is_contacts, own_columns
from ingestbox.families.mapped import SHOWN_CHARACTERS, Other, UnclearError
from ingestbox.family import Intake
from ingestbox.model import Notice
from ingestbox.sheet import Column, Plan
from ingestbox.spreadsheet import unguarded
from ingestbox.tabular import Row


class Wishes(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is wished of a file's columns: `mapping` as its sender says it (`columns.said`), `remembered` what
    the sender said of other files, by `columns.signature`: field → the column's place. With `shown` nothing
    is to be stored: a field without a column is told, and no reason to refuse the file."""

    mapping: Any = None
    remembered: dict[str, dict[str, int]] = {}
    shown: bool = False


class How(msgspec.Struct, frozen=True, omit_defaults=True):
    """The member of a record that each column becomes, in order, and the place of each field's column.

    `said` is true when a person said so with this file, `remembered` when it was with an earlier one.
    `missing` and `others` are told with `Wishes.shown` alone. `guarded` is true of the box's own exports; the
    members of `own` are what it said there of the rows, and are not kept.
    """

    names: list[str]
    places: dict[str, int]
    signature: str = ""
    said: bool = False
    remembered: bool = False
    missing: list[str] = []
    others: list[Other] = []
    guarded: bool = False
    own: list[str] = []


_hows = msgspec.json.Decoder(How)
_wishes = msgspec.json.Decoder(Wishes | None)
_encode = msgspec.json.Encoder().encode


def plan(header: Sequence[str], preview: Sequence[Sequence[str]], wishes: bytes = b"null") -> Plan:
    """What each column is (contract: contacts, Upload). `wishes` is JSON of Wishes, or null."""
    wished = _wishes.decode(wishes) or Wishes()
    known = signature(header)
    kept = _kept(wished.remembered.get(known), len(header)) if wished.mapping is None else None
    try:
        fixed = (kept or {}) if wished.mapping is None else said(wished.mapping, header)
    except UnclearError as unclear:
        return Plan(refusal=Fault("bad_parameter", str(unclear), field="mapping"))
    found = find(header, preview, fixed)
    absent = missing(found.places)
    columns = _columns(header, found)
    if absent and not wished.shown:
        sentence = missing_sentence(absent, header)
        return Plan(columns=columns, refusal=Fault("missing_headers", sentence, field="file"))
    others = [Other(header[each.place], each.field, round(each.confidence, 2)) for each in found.others]
    own = own_columns(header, preview)
    guarded = bool(own) or is_contacts(header)
    names = _member_names([unguarded(name) for name in header] if guarded else header, found.places)
    how = How(
        names=names,
        places=found.places,
        signature=known,
        said=wished.mapping is not None,
        remembered=kept is not None,
        missing=absent if wished.shown else [],
        others=others if wished.shown else [],
        guarded=guarded,
        own=[names[place] for place in own if place not in found.places.values()],
    )
    return Plan(how=msgspec.Raw(_encode(how)), columns=columns, notices=_notices(header, found, absent))


def rows(how: bytes, stem: str, found: Sequence[Row]) -> list[Intake]:
    """An Intake for each row, in order, with the first thing that is wrong with it."""
    columns = _hows.decode(how)
    places = [columns.places[field] for field in FIELDS]
    if columns.guarded:
        found = [Row(each.number, each.line, [unguarded(cell) for cell in each.cells]) for each in found]
    return [_intake(columns, places, row) for row in found]


def _intake(how: How, places: Sequence[int], row: Row) -> Intake:
    cells = row.cells
    record: dict[str, object] = dict(zip(how.names, cells, strict=True))
    for name in how.own:
        del record[name]
    record["_row"] = {"line": row.line, "row": row.number}
    own = [cells[place] for place in places]
    return Intake(key_of(own[0]), _encode(record), fault_of(own))


def _kept(places: Mapping[str, int] | None, width: int) -> dict[int, str | None] | None:
    """What is remembered of such a header, as long as it fits."""
    if places is None or not all(field in FIELDS and 0 <= place < width for field, place in places.items()):
        return None
    return {place: field for field, place in places.items()}


def _columns(header: Sequence[str], found: Found) -> list[Column]:
    by_place = {each.place: each for each in found.chosen}

    def column(place: int, name: str) -> Column:
        choice: Choice | None = by_place.get(place)
        return Column(name, choice.field, round(choice.confidence, 2)) if choice else Column(name, None, 0.0)

    return [column(place, name) for place, name in enumerate(header)]


def _notices(header: Sequence[str], found: Found, absent: Sequence[str]) -> list[Notice]:
    guesses = [
        Notice(
            "column_guessed",
            f"The column `{header[each.place][:SHOWN_CHARACTERS]}` is taken for {each.field}; "
            "`mapping` says otherwise.",
        )
        for each in found.chosen
        if each.confidence < SURE
    ]
    if not {"first_name", "last_name"} & set(absent):
        return guesses
    whole = [name for place, name in enumerate(header) if is_whole_name(name)]
    return guesses + [
        Notice(
            "whole_name",
            f"The column `{name[:SHOWN_CHARACTERS]}` seems to hold whole names: first_name and last_name "
            "need a column each.",
        )
        for name in whole[:1]
    ]


def _member_names(header: Sequence[str], places: Mapping[str, int]) -> list[str]:
    """What the columns' members are called: fields as fields; others as they are, unless that is a field's
    name, or one that begins with `_`, as the box's own do."""
    fields = {place: field for field, place in places.items()}
    taken = {*FIELDS, *(name for place, name in enumerate(header) if place not in fields)}
    names: list[str] = []
    for place, name in enumerate(header):
        made, number = fields.get(place, name), 2
        if place not in fields:
            bare = made = name.lstrip("_") or "column" if name.startswith("_") else name
            while made in FIELDS or (made != name and made in taken):
                made = f"{bare} ({number})"
                number += 1
        taken.add(made)
        names.append(made)
    return names
