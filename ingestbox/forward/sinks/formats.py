"""How the lines of a batch become a body: as they are, as one array, or as an array within an object.

Lines are put together as bytes. They are never parsed, so that an upstream gets what was stored, to the byte.
"""

from __future__ import annotations

import msgspec

from ingestbox import config
from ingestbox.errors import StartupError
from ingestbox.forward.batch import LaneBatch

NDJSON, JSON = "application/x-ndjson", "application/json"

MEMBERS = ("box", "epoch", "lane", "after", "first_seq", "last_seq")
"""What an envelope says beside its lines: what the headers of the request say, too."""


_PLAIN_MEMBER = config.Lane(name="", url="").envelope_member


class Format:
    """The format of one lane."""

    def __init__(self, lane: config.Lane) -> None:
        """Raises StartupError for an `envelope_member` that an envelope has already, or without one."""
        self._name = lane.format
        self._member = lane.envelope_member
        if lane.format != "envelope" and lane.envelope_member != _PLAIN_MEMBER:
            raise StartupError(
                f'Lane {lane.name}: envelope_member: it means nothing without format = "envelope". '
                "Set that, or take it out."
            )
        if lane.format == "envelope" and lane.envelope_member in MEMBERS:
            raise StartupError(
                f"Lane {lane.name}: envelope_member: an envelope has a `{lane.envelope_member}` already. "
                "Choose another name."
            )
        self.content_type = NDJSON if lane.format == "ndjson" else JSON

    def body(self, batch: LaneBatch) -> bytes:
        """The batch before compression."""
        if self._name == "ndjson":
            return b"\n".join((*batch.lines, b""))
        array = b"[" + b",".join(batch.lines) + b"]"
        if self._name == "json":
            return array
        values = (batch.box, batch.epoch, batch.lane, batch.after, batch.first, batch.last)
        return self._enveloped(dict(zip(MEMBERS, values, strict=True)), array)

    def empty(self, box: str, lane: str) -> bytes:
        """A batch without lines, of no epoch: what a test posts."""
        if self._name == "ndjson":
            return b""
        return b"[]" if self._name == "json" else self._enveloped({"box": box, "lane": lane}, b"[]")

    def _enveloped(self, about: dict[str, str | int], array: bytes) -> bytes:
        return msgspec.json.encode({**about, self._member: msgspec.Raw(array)})
