"""What a repair form shows of a record, and what a person made of it; pure.

A field is sent twice: as it was shown, and as it is now. What is alike in both was not touched, whatever a
browser did to line feeds, and is not sent on: of two people who change different fields neither loses
anything.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from ingestbox import strictjson
from ingestbox.console.show import UNSEEN
from ingestbox.errors import Fault, IngestError
from ingestbox.web.v1.mergepatch import members_of

Kind = Literal["text", "long", "number", "bool", "json", "none", "fixed"]
"""`none` is a field that the record has not, or that is null; `fixed` is one that no form can carry."""

KINDS: frozenset[str] = frozenset({"text", "long", "number", "bool", "json", "none"})

MOST_FIELDS = 200
"""Fields that a form shows."""

LONG = 90
"""Characters from which on a text gets a box of several lines."""

LARGEST = 100_000
"""Characters of a value that a form carries."""

PLACE = "_row"
"""The member in which the box keeps where a row stood in its file."""

_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")
_LOST = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
"""What HTML takes no notice of, or replaces."""


class Field(msgspec.Struct):
    """A field of a form: `value` is what its input has, `was` what the record has. `theirs` is what another
    person made of it meanwhile, `kept` whether that is to stay; `clash`: both changed it."""

    name: str
    kind: Kind
    value: str
    was: str
    main: bool = False
    first: bool = False
    theirs: str | None = None
    clash: bool = False
    faults: list[str] = []

    @property
    def unseen(self) -> bool:
        """Whether it has characters that an input does not show."""
        return UNSEEN.search(self.value) is not None

    @property
    def changed(self) -> bool:
        """Whether what is typed is another value than the record has."""
        return same(self.value) != same(self.was)


class Typed(msgspec.Struct, frozen=True):
    """A field as it came back."""

    name: str
    kind: Kind
    was: str
    value: str

    @property
    def changed(self) -> bool:
        """Whether somebody typed."""
        return same(self.was) != same(self.value)


class Place(msgspec.Struct):
    """Where a row stood in its file, and what could not be read of it."""

    line: int | None = None
    raw: str | None = None
    cells: list[str] | None = None

    @property
    def text(self) -> str | None:
        """What the file has there."""
        return self.raw if self.raw is not None else None if self.cells is None else " | ".join(self.cells)


def same(value: str) -> str:
    """A text as it is compared: browsers send every end of a line as CR LF."""
    return value.replace("\r\n", "\n").replace("\r", "\n")


def place_of(payload: bytes) -> Place:
    """What the box noted of where a record came from."""
    given = members_of(payload).get(PLACE)
    try:
        return Place() if given is None else msgspec.json.decode(given, type=Place)
    except msgspec.DecodeError:
        return Place()


def shown(payload: bytes, names: Sequence[str], first: str | None, *, own: bool) -> tuple[list[Field], int]:
    """The fields of a form for a record: those of `names`, then the others; and how many more there are.

    `first` is the one that is to be looked at. With `own` members that begin with `_` are the box's.
    """
    members = members_of(payload)
    others = [name for name in members if name not in names and not _boxes(name, own)]
    fields = [_field(name, members.get(name), main=True) for name in names]
    room = max(0, MOST_FIELDS - len(fields))
    fields += [_field(name, members[name]) for name in others[:room]]
    chosen = next((each for each in fields if each.name == first), fields[0] if fields else None)
    if chosen is not None:
        chosen.first = chosen.kind != "fixed"
    return fields, len(others) - len(others[:room])


def typed(form: Mapping[str, str]) -> list[Typed]:
    """The fields that a form brings back. Raises IngestError `bad_parameter`."""
    found: list[Typed] = []
    for number in range(MOST_FIELDS):
        name, kind = form.get(f"n{number}"), form.get(f"k{number}")
        if name is None or kind is None:
            continue
        if kind not in KINDS:
            raise IngestError("bad_parameter", "The form is not one of this page.")
        was = form.get(f"w{number}", "")
        value = was if form.get(f"c{number}") == "theirs" else form.get(f"v{number}", was)
        found.append(Typed(name, kind, was, value))  # type: ignore[arg-type]  # it is one of KINDS
    return found


def patch_of(given: Sequence[Typed]) -> dict[str, msgspec.Raw]:
    """A JSON Merge Patch (RFC 7396) with what was changed. Raises IngestError `validation_failed`."""
    patch: dict[str, msgspec.Raw] = {}
    faults: list[Fault] = []
    for each in given:
        if not each.changed:
            continue
        try:
            patch[each.name] = msgspec.Raw(_json(each))
        except ValueError as problem:
            faults.append(Fault("invalid", str(problem), field=each.name))
    if faults:
        raise IngestError("validation_failed", faults=faults)
    return patch


def _with_all(fields: list[Field], given: Sequence[Typed]) -> list[Field]:
    """The fields, and those that were typed into and the record has no more."""
    known = {field.name for field in fields}
    lost = (each for each in given if each.name not in known and each.changed)
    return [*fields, *(Field(each.name, "none", "", "") for each in lost)]


def retyped(
    fields: list[Field], given: Sequence[Typed], faults: Sequence[Fault]
) -> tuple[list[Field], list[Fault]]:
    """The form with what was typed, each fault at its field; and the faults that are about no field of it."""
    fields = _with_all(fields, given)
    values = {each.name: each for each in given}
    for field in fields:
        if field.name in values and field.kind != "fixed":
            field.value, field.was = values[field.name].value, values[field.name].was
    names = {field.name: field for field in fields}
    rest: list[Fault] = []
    for fault in faults:
        named = names.get((fault.field or "").partition("[")[0])
        if named is None:
            rest.append(fault)
        else:
            named.faults = [*named.faults, fault.message]
            if not any(field.first and field.faults for field in fields):
                for field in fields:
                    field.first = field is named
    return fields, rest


def conflicted(fields: list[Field], given: Sequence[Typed]) -> list[Field]:
    """What was typed set against what the record is by now (`fields`), field by field."""
    fields = _with_all(fields, given)
    values = {each.name: each for each in given}
    for field in fields:
        mine = values.get(field.name)
        if mine is None or field.kind == "fixed":
            continue
        moved = same(field.was) != same(mine.was)
        if mine.changed:
            field.value = mine.value
        if moved:
            field.theirs = field.was
            field.clash = mine.changed and same(mine.value) != same(field.was)
    clash = next((field for field in fields if field.clash), None)
    if clash is not None:
        for field in fields:
            field.first = field is clash
    return fields


def suggestion(address: str) -> str | None:
    """What an address was certainly meant to be, if it is more than it has to be: blanks, brackets, a
    scheme, a comma for the dot of its domain. Whether that is an address has to be asked."""
    made = address.strip().removeprefix("mailto:").strip("<>\"' \t;,.")
    made = re.sub(r"\s+", "", UNSEEN.sub("", made)).replace("＠", "@")
    made = re.sub(r"@{2,}", "@", made)
    local, at, domain = made.rpartition("@")
    made = f"{local}{at}{re.sub(r'[.,]+', '.', domain)}"
    return made if made != address and at else None


def _boxes(name: str, own: bool) -> bool:
    return name == PLACE or (own and name.startswith("_"))


def _field(name: str, value: msgspec.Raw | None, *, main: bool = False) -> Field:
    raw = b"null" if value is None else bytes(value)
    kind, text = _shape(raw)
    if _LOST.search(name) or "\r" in name or _LOST.search(text) or len(text) > LARGEST:
        kind = "fixed"
    return Field(name, kind, text, text, main)


def _shape(raw: bytes) -> tuple[Kind, str]:
    if raw == b"null":
        return "none", ""
    if raw[:1] == b'"':
        text = msgspec.json.decode(raw, type=str)
        return ("long" if len(text) > LONG or "\n" in text or "\r" in text else "text"), text
    text = raw.decode("utf-8", "replace")
    if raw in (b"true", b"false"):
        return "bool", text
    return ("json" if raw[:1] in b"[{" else "number"), text


def _json(given: Typed) -> bytes:
    """What was typed, as JSON. Raises ValueError with the name of a text (`issues.faults`)."""
    value = same(given.value)
    if given.kind in ("text", "long", "none"):
        return msgspec.json.encode(value)
    value = value.strip()
    if not value:
        return b"null"
    if given.kind == "bool":
        if value not in ("true", "false"):
            raise ValueError("not_bool")
        return value.encode()
    if given.kind == "number":
        if not _NUMBER.fullmatch(value) or not _is_json(value):
            raise ValueError("not_number")
        return value.encode()
    if not _is_json(value):
        raise ValueError("not_json")
    return _replacing(given.was, value)


def _is_json(value: str) -> bool:
    """Whether the box would take it: not every number that can be written is one (1e999)."""
    try:
        strictjson.decode(value.encode())
    except (IngestError, UnicodeEncodeError):
        return False
    return True


def _replacing(was: str, now: str) -> bytes:
    """A merge patch that makes one value of the other: members that are gone are null in it."""
    old, new = was.encode(), now.encode()
    if not new.lstrip().startswith(b"{"):
        return new
    members: dict[str, msgspec.Raw] = {}
    before, after = members_of(old), members_of(new)
    for name in before:
        if name not in after:
            members[name] = msgspec.Raw(b"null")
    for name, value in after.items():
        inner = bytes(before.get(name, b"null")).decode()
        members[name] = msgspec.Raw(_replacing(inner, bytes(value).decode()))
    return msgspec.json.encode(members)
