"""Taking an e-mail address out of a ticket and its analysis, which else stays as it was made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ingestbox.enrich.searched import written
from ingestbox.family import Address


def redact(kind: str, record: bytes, result: bytes, address: Address) -> tuple[bytes, bytes]:
    """Record and result without it: in texts a mark takes its place, entities that touch it go and those
    after it move, and keywords that only it had go. Raises whatever it meets in what is no ticket."""
    clean = address.in_json(record) or record
    before, after = msgspec.json.decode(record), msgspec.json.decode(clean)
    found: dict[str, Any] = msgspec.json.decode(result)
    if "entities" in found:
        found["entities"] = [
            moved for entity in found["entities"] if (moved := _moved(entity, before, after, address))
        ]
    if "keywords" in found:
        gone = _words(before) - _words(after)
        found["keywords"] = [each for each in found["keywords"] if gone.isdisjoint(written(each))]
    made = msgspec.json.encode(found)
    return clean, address.in_json(made) or made


def _moved(
    entity: dict[str, Any], before: Mapping[str, Any], after: Mapping[str, Any], address: Address
) -> dict[str, Any] | None:
    """The entity where it is now; None if it is part of the address."""
    text, clean = before.get(entity["field"]), after.get(entity["field"])
    if address.spans(entity["text"]):
        return None
    if not isinstance(text, str) or not isinstance(clean, str) or not (spans := address.spans(text)):
        return entity
    start, end = entity["start"], entity["end"]
    if any(first < end and start < last for first, last in spans):
        return None
    gone = sum(last - first for first, last in spans)
    mark = (len(clean) - len(text) + gone) // len(spans)  # characters that each of them became
    shift = sum(mark - (last - first) for first, last in spans if last <= start)
    return {**entity, "start": start + shift, "end": end + shift}


def _words(record: Mapping[str, Any]) -> set[str]:
    texts = [record.get("summary"), record.get("description"), *(record.get("comments") or ())]
    return {word for text in texts if text for word in written(text)}
