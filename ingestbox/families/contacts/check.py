"""What is wrong with a row by itself; the first rule that fails wins (contract: contacts, Processing). Light:
children import it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from ingestbox.enrich.mailbox import fault_in
from ingestbox.errors import Fault
from ingestbox.families.contacts.fields import FIELDS, INVALID, MISSING, NUL, key_of
from ingestbox.family import Checked
from ingestbox.model import Item

WRONG = "wrong_type"
"""The code of a member that is not what a row may hold; no file makes one, a person's patch can."""

_OWN: dict[str, tuple[type, str]] = {
    "_row": (dict, "an object"),
    "_update": (str, "a string"),
    "_note": (str, "a string"),
}
"""Members of the box's own: where the row came from, which contact it is to update, why it was given up."""

_CODE = re.compile(r"[a-z][a-z_]{0,39}")
_LONGEST_MESSAGE = 500
_decode = msgspec.json.Decoder().decode


def check(payload: bytes) -> Checked:
    """A staged row as it is stored, or as a person would have it: any JSON, of which nothing is assumed.

    Members beginning with `_` are the box's. Only their shape can be judged here: whoever takes what people
    send sees to it that they send none.
    """
    try:
        row = _decode(payload)
    except (msgspec.DecodeError, RecursionError):
        row = None
    if not isinstance(row, dict):
        return Checked("", payload, (Fault(WRONG, "a row must be a JSON object"),))
    wrong = tuple(_wrong_in(row))
    email = row.get("email")
    key = key_of(email) if isinstance(email, str) else ""
    if wrong:
        return Checked(key, payload, wrong)
    fault = _unread(row) or fault_of([row.get(name) or "" for name in FIELDS])
    return Checked(key, payload, () if fault is None else (fault,))


def check_all(items: list[Item]) -> list[Checked]:
    """The same for several."""
    return [check(item.payload) for item in items]


def fault_of(cells: list[str]) -> Fault | None:
    """The first thing that is wrong with the cells of FIELDS, or None."""
    for name, cell in zip(FIELDS, cells, strict=True):
        if not cell or cell.isspace():
            return Fault(MISSING, f"Missing required field: {name}", field=name)
    reason = fault_in(cells[0].strip())
    return None if reason is None else Fault(INVALID, f"Invalid email: {reason}", field=FIELDS[0])


def _wrong_in(row: Mapping[str, Any]) -> list[Fault]:
    """Members that no row may have: fields that are no text, cells with a NUL, own ones that the box does
    not write."""
    found = [
        Fault(WRONG, f"{name} must be a string or null", field=name)
        for name in FIELDS
        if not isinstance(row.get(name), str | None)
    ]
    for name, value in row.items():
        shown = name[:60]
        if not name.startswith("_"):
            if NUL in name or (isinstance(value, str) and NUL in value):
                found.append(Fault(WRONG, f"{shown} must not hold the character U+0000", field=shown))
            continue
        if name not in _OWN:
            found.append(Fault(WRONG, f"{shown}: names that begin with _ are the box's own", field=shown))
        elif not isinstance(value, _OWN[name][0]):
            found.append(Fault(WRONG, f"{name} must be {_OWN[name][1]}", field=name))
    return found


def _unread(row: Mapping[str, Any]) -> Fault | None:
    """Why a row of the file could not be read, as long as nobody has filled in a field."""
    if any(name in row for name in FIELDS):
        return None
    place = row.get("_row") or {}
    code, message = place.get("code"), place.get("message")
    if not isinstance(code, str) or not _CODE.fullmatch(code) or not isinstance(message, str):
        return None
    return Fault(code, message[:_LONGEST_MESSAGE])
