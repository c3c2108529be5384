"""From a body to an article (contract: knowledge, Item)."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from ingestbox import strictjson
from ingestbox.errors import IngestError
from ingestbox.families.knowledge.check import check
from ingestbox.family import Checked, Intake

ITEM_DEPTH = 2
"""An article lies this deep in the body of a bulk upload, and in the answers that hold it."""


def check_record(payload: bytes, types: Collection[str]) -> Checked:
    """One article by itself, as JSON. Raises IngestError `malformed_json`."""
    value = strictjson.decode(payload, "The item", strictjson.MAX_DEPTH - ITEM_DEPTH)
    key, faults = check(value, None, types)
    return Checked(key, msgspec.json.format(payload, indent=-1), faults)


async def single(body: bytes, types: Collection[str]) -> Intake:
    """The article of a single upload. Raises IngestError `malformed_json`, `validation_failed`."""
    value = await strictjson.decode_in_turns(body, depth=strictjson.MAX_DEPTH - ITEM_DEPTH)
    key, faults = check(value, None, types)
    if faults:
        raise IngestError("validation_failed", "Content validation failed", faults=faults)
    return Intake(key, msgspec.json.format(body, indent=-1))
