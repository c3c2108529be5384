"""When to try again: exponential with full jitter, or when the upstream says."""

from __future__ import annotations

import datetime
import random
from email.utils import parsedate_to_datetime

LONGEST_SECONDS = 300.0
"""The ceiling that the pauses grow to (contract: forwarding, What an answer means)."""

LONGEST_ASKED_SECONDS = 86_400.0
"""An upstream that asks for more than a day is taken to mean a day: a typing error must not stop a lane."""


class Backoff:
    """The pauses of one lane: a random time up to a ceiling that doubles with each failure in a row."""

    def __init__(self, first_seconds: float, source: random.Random) -> None:
        self._first = first_seconds
        self._random = source
        self.failures = 0

    def next(self, asked: float | None) -> float:
        """Seconds until the next try, after one more failure.

        `asked` is what the upstream asked for: it is never undercut, and only a little is added, so that
        many boxes do not all come back in the same instant. Zero counts as not asked.
        """
        self.failures += 1
        if asked:
            asked = min(asked, LONGEST_ASKED_SECONDS)
            return asked + self._random.uniform(0.0, min(1.0, asked / 10))
        ceiling = min(LONGEST_SECONDS, self._first * 2.0 ** min(self.failures - 1, 32))
        return self._random.uniform(0.0, ceiling)

    def reset(self) -> None:
        """The upstream answered well."""
        self.failures = 0


def retry_after(value: str | None, *, date: str | None, now_ms: int) -> float | None:
    """The seconds that a Retry-After asks for (RFC 9110, section 10.2.3); None when there is none to read.

    A date is measured from the answer's own `Date` where it has one: the two clocks may differ by much.
    """
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value[:12])
    then = _moment(value)
    if then is None:
        return None
    now = _moment(date) if date else None
    return max(0.0, then - (now_ms / 1000 if now is None else now))


def _moment(text: str) -> float | None:
    """An HTTP date in any of its three forms, as Unix seconds."""
    try:
        found = parsedate_to_datetime(text)
        return (found if found.tzinfo else found.replace(tzinfo=datetime.UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
