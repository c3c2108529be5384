"""Lists of this family: whole unless a part is asked for (contract: common, Answers)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass

from ingestbox.errors import IngestError
from ingestbox.route import LIMIT, Parameter, limit_of

WHOLE = 10_000
"""What a list of uploads has at most that is not asked for in parts."""

LIMIT_OF_WHOLE = Parameter("limit", f"How many; without it all, to {WHOLE:,}.", LIMIT.type)
LIMIT_OF_RECORDS = Parameter("limit", "How many records; without it all.", LIMIT.type)
CURSOR = Parameter("cursor", "Where to go on: a `next_cursor` of this list.")


@dataclass(frozen=True, slots=True)
class Part:
    """Which part of a list is asked for: at most `limit` things after the place `after` (None: from the
    beginning on)."""

    after: int | None
    limit: int


def part_of(query: Mapping[str, str]) -> Part | None:
    """The part that is asked for; None: the whole list. Raises IngestError `bad_parameter`."""
    if "limit" not in query and "cursor" not in query:
        return None
    return Part(_place(query.get("cursor")), limit_of(query))


def cursor(last: int) -> str:
    """The cursor of a part that ends at this place."""
    return base64.urlsafe_b64encode(str(last).encode()).decode()


def _place(given: str | None) -> int | None:
    if given is None:
        return None
    try:
        text = base64.b64decode(given, altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        text = ""
    if not (text.isdigit() and len(text) < 19 and text == str(int(text))):
        raise IngestError("bad_parameter", "cursor must be a next_cursor of this list.")
    return int(text)
