"""Bodies about segments, looked at member by member: every fault is told."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from ingestbox import strictjson
from ingestbox.errors import Fault, IngestError
from ingestbox.families.audience import filters
from ingestbox.families.audience.segments.shapes import MAX_NAME, NewSegment, SegmentChange


def new_segment(body: bytes) -> NewSegment:
    """The segment that a body asks for. Raises IngestError: malformed_json, validation_failed (400)."""
    reading = _Reading(body)
    name = reading.name(required=True)
    made = NewSegment(
        name=name if isinstance(name, str) else "",
        filter=reading.filter(),
        frozen=reading.flag("frozen") is True,
        forward=reading.flag("forward") is True,
    )
    reading.end()
    return made


def change(body: bytes) -> SegmentChange:
    """The change that a body asks for. Raises as `new_segment` does."""
    reading = _Reading(body)
    made = SegmentChange(reading.name(), reading.flag("frozen"), reading.flag("forward"))
    reading.end()
    return made


class _Reading:
    def __init__(self, body: bytes) -> None:
        value = strictjson.decode(body)
        if not isinstance(value, dict):
            fault = Fault("wrong_type", "The body must be a JSON object")
            raise IngestError("validation_failed", f"{fault.message}.", faults=[fault], status=400)
        self._given: dict[str, Any] = value
        self._faults: list[Fault] = []

    def name(self, *, required: bool = False) -> Any:
        name = self._given.pop("name", UNSET)
        if name is UNSET or (name is None and not required):
            if required:
                self._faults.append(Fault("missing", "name is required", field="name"))
            return UNSET
        if isinstance(name, str) and name.strip() and len(name) <= MAX_NAME and name.isprintable():
            return name.strip()
        sentence = f"name must have 1 to {MAX_NAME} printable characters"
        self._faults.append(Fault("invalid", sentence, field="name"))
        return UNSET

    def flag(self, name: str) -> Any:
        value = self._given.pop(name, None)
        if value is None or isinstance(value, bool):
            return UNSET if value is None else value
        self._faults.append(Fault("wrong_type", f"{name} must be true or false", field=name))
        return UNSET

    def filter(self) -> Any:
        value = self._given.pop("filter", None)
        if value is not None:
            self._faults += filters.read(value, "filter")[1]
        return value

    def end(self) -> None:
        """Raises IngestError, if there is anything wrong."""
        for name in self._given:
            shown = name[:40]
            self._faults.append(Fault("unknown", f"{shown!r} is no member of this", field=shown))
        if self._faults:
            told = "; ".join(each.message for each in self._faults[:3])
            more = f"; and {len(self._faults) - 3} more" if len(self._faults) > 3 else ""
            raise IngestError("validation_failed", f"{told}{more}.", faults=self._faults, status=400)
