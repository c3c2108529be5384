"""Files of audience records: which column is what, and a row's record. Runs in a child process, so it stays
light.

A column that holds a field is called by that field's name in the records; all others keep their own. Cells
are text, exactly as they stand.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from ingestbox.errors import Fault
from ingestbox.families.audience.aliases import BESIDE, EXACT, LIKELY
from ingestbox.families.audience.check import NEEDED, check
from ingestbox.families.audience.fields import IDENTIFYING
from ingestbox.families.mapped import SHOWN_CHARACTERS, SHOWN_NAMES, UnclearError, folded, said
from ingestbox.family import Intake
from ingestbox.sheet import Column, Plan
from ingestbox.tabular import Row

FIELDS = tuple(EXACT)
"""What a column can be said to be."""

ITSELF, ALIAS, PERHAPS = 1.0, 0.9, 0.6
"""How sure it is: the column has the very name of the field; one of its names; one that may mean it."""


class Wishes(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is wished of a file's columns: `mapping` as its sender says it (`mapped.said`). With `shown` a
    file without a column that tells whom its rows are about is told so, and not refused."""

    mapping: Any = None
    shown: bool = False


class How(msgspec.Struct, frozen=True, omit_defaults=True):
    """The member of a record that each column becomes, in order. `missing` is told with `Wishes.shown`
    alone."""

    names: list[str]
    missing: list[str] = []


_hows = msgspec.json.Decoder(How)
_wishes = msgspec.json.Decoder(Wishes | None)
_encode = msgspec.json.Encoder().encode


def plan(header: Sequence[str], preview: Sequence[Sequence[str]], wishes: bytes = b"null") -> Plan:
    """What each column is, by its name. `wishes` is JSON of Wishes, or null."""
    wished = _wishes.decode(wishes) or Wishes()
    try:
        fixed = {} if wished.mapping is None else said(wished.mapping, header, FIELDS)
    except UnclearError as unclear:
        return Plan(refusal=Fault("bad_parameter", str(unclear), field="mapping"))
    found = _find(header, fixed)
    missing = [] if {field for field, _ in found.values()} & set(IDENTIFYING) else ["email"]
    columns = [Column(name, *found.get(place, (None, 0.0))) for place, name in enumerate(header)]
    if missing and not wished.shown:
        return Plan(columns=columns, refusal=Fault("missing_headers", _no_column(header), field="file"))
    how = How(_member_names(header, {place: field for place, (field, _) in found.items()}), missing)
    return Plan(how=msgspec.Raw(_encode(how)), columns=columns)


def rows(how: bytes, stem: str, found: Sequence[Row]) -> list[Intake]:
    """An Intake for each row, in order, with what is wrong with it."""
    names = _hows.decode(how).names
    return [_intake(names, row.cells) for row in found]


def names_of(how: bytes) -> list[str]:
    """The members of every record, in the order of their columns."""
    return _hows.decode(how).names


def missing_of(how: bytes) -> list[str]:
    """What a file needs, and has no column for."""
    return _hows.decode(how).missing


def _intake(names: Sequence[str], cells: Sequence[str]) -> Intake:
    record = dict(zip(names, cells, strict=True))
    key, faults = check(record, None)
    return Intake(key, _encode(record), faults[0] if faults else None)


def _no_column(header: Sequence[str]) -> str:
    shown = ", ".join(f"`{name[:SHOWN_CHARACTERS]}`" for name in header[:SHOWN_NAMES])
    more = ", …" if len(header) > SHOWN_NAMES else ""
    return f"Missing required fields for enrichment. {NEEDED} The columns are {shown}{more}."


def _find(header: Sequence[str], fixed: Mapping[int, str | None]) -> dict[int, tuple[str, float]]:
    """The columns' places, with the field of each and how sure that is: those that a person named, and by
    their names those of which nothing is said."""
    found = {place: (field, ITSELF) for place, field in fixed.items() if field is not None}
    taken = {field for field, _ in found.values()}
    left: dict[str, int] = {}
    for place, name in enumerate(header):
        if place in fixed:
            continue
        if name in FIELDS and name not in taken:
            found[place] = (name, ITSELF)
            taken.add(name)
        else:
            left.setdefault(folded(name), place)
    for name, field, sure in _candidates(taken):
        if field not in taken and (place := left.pop(name, -1)) >= 0:
            found[place] = (field, sure)
            taken.add(field)
    return found


def _candidates(taken: set[str]) -> Iterator[tuple[str, str, float]]:
    """Names as they are compared, each with the field that it may mean; the surest first. `taken` are the
    fields that have a column by then."""
    for sure, known in ((ALIAS, _folded(EXACT)), (PERHAPS, _folded(LIKELY))):
        for field, names in known:
            for name in names:
                yield name, field, sure
    for field, beside in BESIDE.items():
        for name, other in beside.items():
            if other in taken:
                yield folded(name), field, PERHAPS


def _folded(known: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, list[str]]]:
    for field, names in known.items():
        yield field, [folded(name) for name in names]


def _member_names(header: Sequence[str], fields: Mapping[int, str]) -> list[str]:
    """What the columns' members are called: fields as fields; others as they are, unless that is a field's
    name, which a person has given to another column, or to none."""
    taken = {*FIELDS, *(name for place, name in enumerate(header) if place not in fields)}
    names: list[str] = []
    for place, name in enumerate(header):
        made, number = fields.get(place, name), 2
        while place not in fields and (made in FIELDS or (made != name and made in taken)):
            made = f"{name} ({number})"
            number += 1
        taken.add(made)
        names.append(made)
    return names
