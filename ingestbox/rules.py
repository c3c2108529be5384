"""Rules that decide about rows which wait for a person: what each makes of a row, as it is stored.

Pure: a rule is data, a row is JSON. Who applies one (a person to many issues at once, the pipeline to a new
import) sees to reading and writing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

MEMBER_LENGTH = 200
VALUE_LENGTH = 1_000
MOST_MEMBERS = 50

SHOWN_MEMBERS = 20
SHOWN_CHARACTERS = 200
"""What is told of a change: members that differ, and so much of each."""

UPDATE, NOTE = "_update", "_note"
"""Members of the box's own: which object a row is to update, and why the box changed or gave up the row."""

Member = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=MEMBER_LENGTH,
        pattern="^[^_]",
        description="A member of the row, such as `company`; those that begin with `_` are the box's own.",
    ),
]
Cleaning = Literal["trim", "lower"]

KINDS = ("keep", "discard", "set", "clean")

ONE_OF_THEM: dict[str, Any] = {
    "oneOf": [{"required": [kind]} for kind in KINDS],
    "dependentRequired": {"clean": ["fields"], "fields": ["clean"]},
}
"""JSON Schema of what `faults` looks for."""


class SetMember(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A value for a member: of the rows where it is blank, or of all."""

    field: Member
    value: Annotated[str, Meta(max_length=VALUE_LENGTH, description="Empty clears it.")]
    only_blank: Annotated[bool, Meta(description="Rows that have something there stay as they are.")] = True


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One of `keep`, `discard`, `set` and `clean`; `clean` goes with `fields`."""

    keep: Annotated[
        Literal["most_complete"] | UnsetType,
        Meta(
            description="Of rows that repeat each other the one with the most cells filled in is kept, of "
            "several the first in the file; the others are discarded."
        ),
    ] = UNSET
    discard: Annotated[Literal["all"] | UnsetType, Meta(description="Every row is given up.")] = UNSET
    set: SetMember | UnsetType = UNSET
    clean: (
        Annotated[
            list[Cleaning],
            Meta(
                min_length=1,
                max_length=2,
                description="`trim`: no blanks around a cell, and single ones within. `lower`: lower-case.",
            ),
        ]
        | UnsetType
    ) = UNSET
    fields: (
        Annotated[list[Member], Meta(min_length=1, max_length=MOST_MEMBERS, description="What is cleaned.")]
        | UnsetType
    ) = UNSET

    @property
    def kind(self) -> str:
        """Which of the four it is; `''` for one that `faults` finds wrong."""
        return next((kind for kind in KINDS if getattr(self, kind) is not UNSET), "")


class Written(msgspec.Struct, frozen=True):
    """What a rule makes of a row: its bytes, and the members that it changed."""

    payload: bytes
    members: tuple[str, ...]


_row = msgspec.json.Decoder(dict[str, msgspec.Raw])
_text = msgspec.json.Decoder(str)
_encode = msgspec.json.Encoder().encode


def faults(rule: Rule) -> list[str]:
    """What is wrong with a rule, as sentences without a full stop."""
    given = [kind for kind in KINDS if getattr(rule, kind) is not UNSET]
    if len(given) != 1:
        return ["a rule is exactly one of keep, discard, set and clean"]
    if (rule.clean is UNSET) is not (rule.fields is UNSET):
        return ["clean and fields go together"]
    return []


def filled(payload: bytes) -> int:
    """How many cells of a row hold something."""
    members = _row.decode(payload)
    return sum(1 for name, value in members.items() if not name.startswith("_") and not _blank(value))


def given_up(payload: bytes, note: str | None = None) -> bytes:
    """The row as one that is discarded; `note` says why, if the row is to tell."""
    return _noted(_row.decode(payload), note)


def applied(rule: Rule, payload: bytes, named: Collection[str], note: str | None = None) -> Written | None:
    """What `set` or `clean` makes of a row, or None if it is so already.

    `named` are the members that every row has, whichever columns its file had: another one is set only where
    the row has it. `note` is kept with the row, if it changes.
    """
    members = _row.decode(payload)
    changed = dict(_changes(rule, members, named))
    if not changed:
        return None
    members.update((name, msgspec.Raw(_encode(value))) for name, value in changed.items())
    return Written(_noted(members, note), tuple(changed))


def without_choice(payload: bytes) -> bytes:
    """The row without what a person decided about the object that it names: it names another one now."""
    members = _row.decode(payload)
    if members.pop(UPDATE, None) is None:
        return payload
    return _encode(members)


def differences(before: bytes, after: bytes) -> tuple[dict[str, object], dict[str, object]]:
    """The members that differ, shortened, as they were and as they are."""
    old, new = _row.decode(before), _row.decode(after)
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)][:SHOWN_MEMBERS]
    sides = (
        {name[:SHOWN_CHARACTERS]: _short(side[name]) for name in names if name in side} for side in (old, new)
    )
    return next(sides), next(sides)


def _changes(
    rule: Rule, members: Mapping[str, msgspec.Raw], named: Collection[str]
) -> Iterable[tuple[str, str]]:
    if rule.set is not UNSET:
        name, value = rule.set.field, rule.set.value
        fits = not rule.set.only_blank or _blank(members.get(name))
        if fits and (name in members or name in named) and _cell(members.get(name)) != value:
            yield name, value
    elif rule.clean is not UNSET and rule.fields is not UNSET:
        for name in dict.fromkeys(rule.fields):
            cell = _cell(members.get(name))
            if cell is not None and (cleaned := _cleaned(cell, rule.clean)) != cell:
                yield name, cleaned


def _cleaned(cell: str, how: Collection[Cleaning]) -> str:
    if "lower" in how:
        cell = cell.lower()
    return " ".join(cell.split()) if "trim" in how else cell


def _cell(value: msgspec.Raw | None) -> str | None:
    """A member that is text; None for anything else."""
    return _text.decode(value) if value is not None and bytes(value)[:1] == b'"' else None


def _blank(value: msgspec.Raw | None) -> bool:
    if value is None or bytes(value) == b"null":
        return True
    cell = _cell(value)
    return cell is not None and not cell.strip()


def _noted(members: dict[str, msgspec.Raw], note: str | None) -> bytes:
    if note is None:
        members.pop(NOTE, None)
    else:
        members[NOTE] = msgspec.Raw(_encode(note))
    return _encode(members)


def _short(value: msgspec.Raw) -> object:
    if len(bytes(value)) <= SHOWN_CHARACTERS:
        return msgspec.json.decode(value)
    return bytes(value)[:SHOWN_CHARACTERS].decode("utf-8", "ignore") + "…"
