"""What is wrong with one record by itself. Light: children import it.

A value that is no text (a number, `false`, a list) fills nothing in. Beside another member that is filled in
it is kept as it is, and the record is good; where nothing else is, it is one of the record's faults.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ingestbox.errors import Fault
from ingestbox.families.audience.fields import IDENTIFYING, is_filled

RECORD_DEPTH = 2
"""A record lies this deep in its body, and in the answers that hold it."""

MAX_KEY_CHARACTERS = 200

NEEDED = f"At least one of: {', '.join(IDENTIFYING)} is required."


def check(value: object, index: int | None) -> tuple[str, list[Fault]]:
    """The record's key (what it is known by to people: the first of IDENTIFYING), and its faults."""
    if not isinstance(value, dict):
        return "", [Fault("wrong_type", "a record must be an object", index)]
    for name in IDENTIFYING:
        if is_filled(value.get(name)):
            return value[name].strip()[:MAX_KEY_CHARACTERS], []
    wrong = [Fault("wrong_type", f"{name} must be text", index, name) for name in no_text(value)]
    return "", [Fault("missing_required", NEEDED, index), *wrong]


def no_text(record: Mapping[str, Any]) -> list[str]:
    """The members of IDENTIFYING that are there, and neither text nor null."""
    return [
        name for name in IDENTIFYING if (value := record.get(name)) is not None and not isinstance(value, str)
    ]
