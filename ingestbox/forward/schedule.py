"""When a lane may send: at once, every so many seconds, or in the minutes of a cron window."""

from __future__ import annotations

import datetime
from collections.abc import Callable

from huey import crontab

from ingestbox import config
from ingestbox.clock import Clock
from ingestbox.errors import StartupError

HORIZON_DAYS = 3_000
"""How far ahead a window is looked for: the 29th of February comes once in eight years at the least."""

LOOK_SECONDS = 60.0
"""A lane outside its window looks at the clock this often: the clock may be put right meanwhile."""

_MINUTE, _HOUR = datetime.timedelta(minutes=1), datetime.timedelta(hours=1)

Matches = Callable[[datetime.datetime], bool]


class Window:
    """The minutes of a cron expression, in local time. Day and weekday both have to match."""

    def __init__(self, expression: str) -> None:
        """`expression` is minute, hour, day, month, weekday. Raises ValueError for one that is none."""
        minute, hour, day, month, weekday = expression.split()
        self._matches: Matches = crontab(minute, hour, day, month, weekday, strict=True)
        self._hour: Matches = crontab("*", hour, day, month, weekday, strict=True)
        self._day: Matches = crontab("*", "*", day, month, weekday, strict=True)
        self._known: tuple[int, int | None] | None = None

    def open(self, now_ms: int) -> bool:
        """Whether it is open."""
        return self._matches(_local(now_ms))

    def next_open_ms(self, now_ms: int) -> int | None:
        """When it opens next, or now; None when it does not within HORIZON_DAYS."""
        if self._known is not None:
            asked, found = self._known
            if asked <= now_ms and (found is None or now_ms < found):
                return found
        found = self._search(now_ms)
        self._known = (now_ms, found)
        return found

    def _search(self, now_ms: int) -> int | None:
        if self.open(now_ms):
            return now_ms
        at = now_ms - now_ms % 60_000
        until = now_ms + HORIZON_DAYS * 86_400_000
        while at < until:
            local = _local(at)
            if not self._day(local):
                step = datetime.datetime.combine(local.date() + datetime.timedelta(days=1), datetime.time())
                # In local time, which may jump: never back, or the search would not end.
                at = max(int(step.timestamp()) * 1000, at + 60_000)
            elif not self._hour(local):
                at += (60 - local.minute) * 60_000
            elif self._matches(local):
                return at
            else:
                at += 60_000
        return None


def _local(ms: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(ms // 1000)  # noqa: DTZ006 - the operator's own time is meant


class Schedule:
    """A lane's schedule. With a window it says when that is open; `every` says when an idle lane looks."""

    def __init__(self, lane: config.Lane, clock: Clock) -> None:
        """Raises StartupError for a window that is none, or that never opens."""
        self._clock = clock
        word, _, rest = lane.schedule.partition(" ")
        self._every = float(rest.split()[0]) if word == "every" else None
        self._next_run = clock.monotonic()
        self._window: Window | None = None
        if word == "cron":
            try:
                self._window = Window(rest)
            except ValueError as error:
                raise StartupError(
                    f"Lane {lane.name}: schedule: {lane.schedule!r} names no minutes: {error}."
                ) from None
            if self._window.next_open_ms(clock.now_ms()) is None:
                raise StartupError(f"Lane {lane.name}: the window of its schedule never opens.")

    @property
    def waits_for_company(self) -> bool:
        """Whether a batch that is not full may wait (`batch_seconds`): not where batches wait already."""
        return self._every is None

    def closed_until(self) -> int | None:
        """Outside the window, when it opens (Unix milliseconds); None while batches may leave."""
        if self._window is None:
            return None
        now = self._clock.now_ms()
        if self._window.open(now):
            return None
        found = self._window.next_open_ms(now)
        return now + int(LOOK_SECONDS * 1000) if found is None else found

    def next_run(self) -> float | None:
        """The monotonic time at which a lane that has nothing to send looks again; None: at the bell."""
        if self._every is None:
            return None
        now = self._clock.monotonic()
        self._next_run += self._every * (1 + max(0.0, now - self._next_run) // self._every)
        return self._next_run
