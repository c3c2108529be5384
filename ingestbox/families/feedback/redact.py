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
        shifts = {
            name: _Shift(before.get(name), after.get(name), address) for name in ("summary", "description")
        }
        moved = [_moved(entity, shifts[entity["field"]], address) for entity in found["entities"]]
        found["entities"] = [entity for entity in moved if entity is not None]
    if "keywords" in found:
        gone = _words(before) - _words(after)
        found["keywords"] = [each for each in found["keywords"] if gone.isdisjoint(written(each))]
    made = msgspec.json.encode(found)
    return clean, address.in_json(made) or made


class _Shift:
    """Where the address stood in a text, and how many characters each place of it became."""

    def __init__(self, text: object, clean: object, address: Address) -> None:
        self.spans: list[tuple[int, int]] = []
        self.mark = 0
        if isinstance(text, str) and isinstance(clean, str) and text != clean:
            self.spans = address.spans(text)
            gone = sum(last - first for first, last in self.spans)
            self.mark = (len(clean) - len(text) + gone) // len(self.spans)

    def touches(self, start: int, end: int) -> bool:
        """Whether a part of the text is one of the address."""
        return any(first < end and start < last for first, last in self.spans)

    def before(self, start: int) -> int:
        """By how much what begins here moves."""
        return sum(self.mark - (last - first) for first, last in self.spans if last <= start)


def _moved(entity: dict[str, Any], shift: _Shift, address: Address) -> dict[str, Any] | None:
    """The entity where it is now; None if it is part of the address."""
    start, end = entity["start"], entity["end"]
    if shift.touches(start, end) or address.spans(entity["text"]):
        return None
    by = shift.before(start)
    return {**entity, "start": start + by, "end": end + by} if by else entity


def _words(record: Mapping[str, Any]) -> set[str]:
    texts = [record.get("summary"), record.get("description"), *(record.get("comments") or ())]
    return {word for text in texts if text for word in written(text)}
