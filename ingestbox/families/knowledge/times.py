"""Times as crawlers write them. Light: children import it."""

from __future__ import annotations

import datetime

_EPOCH = datetime.datetime.fromtimestamp(0, datetime.UTC)


def millis(value: object) -> int | None:
    """A time (ISO 8601; without a zone it is UTC) in Unix milliseconds; None for what is none."""
    if not isinstance(value, str) or "\0" in value:  # Python reads no further than there
        return None
    try:
        found = datetime.datetime.fromisoformat(value.strip())
        moment = found.replace(tzinfo=found.tzinfo or datetime.UTC)
        return (moment - _EPOCH) // datetime.timedelta(milliseconds=1)
    except (ValueError, OverflowError):
        return None
