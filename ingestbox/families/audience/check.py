"""What is wrong with one record by itself."""

from __future__ import annotations

import msgspec

from ingestbox import strictjson
from ingestbox.errors import Fault
from ingestbox.families.audience.fields import IDENTIFYING, is_filled
from ingestbox.family import Checked

RECORD_DEPTH = 2
"""A record lies this deep in its body."""

MAX_KEY_CHARACTERS = 200

NEEDED = f"At least one of: {', '.join(IDENTIFYING)} is required."


def check(value: object, index: int | None) -> tuple[str, list[Fault]]:
    """The record's key (what it is known by to people: the first of IDENTIFYING), and its faults."""
    if not isinstance(value, dict):
        return "", [Fault("wrong_type", "a record must be an object", index)]
    for name in IDENTIFYING:
        if is_filled(value.get(name)):
            return value[name].strip()[:MAX_KEY_CHARACTERS], []
    return "", [Fault("missing_required", NEEDED, index)]


def check_record(payload: bytes) -> Checked:
    """One record that a person has corrected, as JSON. Raises IngestError `malformed_json`."""
    value = strictjson.decode(payload, "The record", strictjson.MAX_DEPTH - RECORD_DEPTH)
    key, faults = check(value, None)
    return Checked(key, msgspec.json.format(payload, indent=-1), faults)
