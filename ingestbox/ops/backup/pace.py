"""When the next scheduled backup is due. No clock that jumps makes it take many, or none for long."""

from __future__ import annotations

from typing import Final

from ingestbox.clock import Clock
from ingestbox.errors import StartupError
from ingestbox.forward.schedule import Window

LEAST_SECONDS: Final = 60
_UNITS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}

SLACK_MS: Final = 3_600_000
"""A backup that was made so much later than now was made by a clock that was wrong."""


class Pace:
    """A schedule of the settings (`[backup] schedule`), and what it says since the last backup.

    With `every` seconds are counted by the monotonic clock, so that the wall clock matters at a start alone;
    with `cron` by the wall clock, and at most once a minute whatever that does.
    """

    def __init__(self, schedule: str, clock: Clock) -> None:
        """Raises StartupError for a schedule that never comes, or comes more than once a minute."""
        self._clock = clock
        self._window: Window | None = None
        self._every = 0.0
        word, _, rest = schedule.partition(" ")
        if word == "cron":
            try:
                self._window = Window(rest)
            except ValueError as error:
                raise StartupError(f"[backup] schedule: {schedule!r} names no minutes: {error}.") from None
            if self._window.next_open_ms(clock.now_ms()) is None:
                raise StartupError(f"[backup] schedule: {schedule!r} never comes.")
        else:
            number, unit = rest.split()
            self._every = float(int(number) * _UNITS[unit])
            if self._every < LEAST_SECONDS:
                raise StartupError(f"[backup] schedule: {schedule!r} is less than a minute.")
        self._began = clock.monotonic()
        self._due = 0.0  # monotonic; of `every`
        self._from_ms = clock.now_ms()  # the minute after it is the first that can be meant; of `cron`
        self._not_before = self._began

    def known(self, newest_ms: int | None) -> None:
        """When the last scheduled backup was made, as the folder says at a start; None: there is none."""
        now_ms, now = self._clock.now_ms(), self._clock.monotonic()
        if newest_ms is None or newest_ms > now_ms + SLACK_MS:
            self._due = now
            return
        age = max(0, now_ms - newest_ms) / 1000
        self._due = now + max(0.0, self._every - age)
        self._from_ms = min(now_ms, newest_ms)

    def taken(self) -> None:
        """One was taken just now."""
        now = self._clock.monotonic()
        self._due = now + self._every
        self._from_ms = self._clock.now_ms()
        self._not_before = now + LEAST_SECONDS

    def late(self) -> float | None:
        """For how many seconds the next one has been due; None while it is not."""
        now = self._clock.monotonic()
        if self._window is None:
            return now - self._due if now >= self._due else None
        now_ms = self._clock.now_ms()
        # A clock that was put back: not to wait until it is there again.
        self._from_ms = min(self._from_ms, now_ms)
        meant = self._window.next_open_ms(self._from_ms - self._from_ms % 60_000 + 60_000)
        if meant is None or now_ms < meant or now < self._not_before:
            return None
        return (now_ms - meant) / 1000
