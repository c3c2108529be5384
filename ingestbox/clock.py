"""Time as a part that can be replaced: code that keeps time takes a clock, so that a test can hold it."""

from __future__ import annotations

import datetime
import time
from typing import Protocol


class Clock(Protocol):
    """Where the box reads the time."""

    def now_ms(self) -> int:
        """Wall-clock time in Unix milliseconds; may jump in either direction."""

    def monotonic(self) -> float:
        """Seconds that only grow, meaningful within this process alone (leases, time-outs)."""


class SystemClock:
    """The machine's own clocks."""

    def now_ms(self) -> int:
        """Wall-clock time in Unix milliseconds."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Seconds since an arbitrary point, never going back."""
        return time.monotonic()


def iso(ms: int | None) -> str | None:
    """Unix milliseconds as ISO 8601 UTC with `Z` (contract: common, Answers); None stays None."""
    if ms is None:
        return None
    moment = datetime.datetime.fromtimestamp(ms / 1000, datetime.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
