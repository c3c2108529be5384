"""Lists of this family: whole unless a part is asked for (contract: common, Answers)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass

from ingestbox.errors import IngestError
from ingestbox.route import LIMIT, Parameter, limit_of

WHOLE = 10_000
"""What a list has at most that is not asked for in parts."""

_ABOVE_ALL = (1 << 63) - 1

PARAMETERS = (
    Parameter("limit", f"How many; without it all, to {WHOLE:,}.", LIMIT.type),
    Parameter("cursor", "Where to go on: a `next_cursor` of this list."),
)

NEXT = "Where to go on; left out at the end of the list."
"""What `next_cursor` is."""


@dataclass(frozen=True, slots=True)
class Part:
    """Which part of a list is asked for: at most `limit` things, whose ids are under `below`."""

    below: int
    limit: int


def part_of(query: Mapping[str, str]) -> Part:
    """What is asked for. Raises IngestError `bad_parameter`."""
    return Part(_below(query.get("cursor")), limit_of(query) if "limit" in query else WHOLE)


def cursor(last: int) -> str:
    """The cursor of a part that ends with this id."""
    return base64.urlsafe_b64encode(str(last).encode()).decode()


def number(text: str) -> int | None:
    """An id of a path as it is written; None for what names nothing."""
    right = text.isascii() and text.isdigit() and len(text) < 19 and not text.startswith("0")
    return int(text) if right else None


def _below(given: str | None) -> int:
    if given is None:
        return _ABOVE_ALL
    try:
        found = number(base64.b64decode(given, altchars=b"-_", validate=True).decode("ascii"))
    except (binascii.Error, ValueError):
        found = None
    if found is None:
        raise IngestError("bad_parameter", "cursor must be a next_cursor of this list.")
    return found
