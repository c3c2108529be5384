"""Open connections: how many there may be, which are too slow, and which go first when there are too many.

One sweep looks at all of them now and then, so that a request arms no timer: a client that sends a byte a
second restarts nothing by it.
"""

from __future__ import annotations

import asyncio
import enum
import logging
from collections.abc import Callable
from typing import Protocol

from ingestbox.config import Limits

KEEP_ALIVE_SECONDS = 65
"""How long an idle connection stays open; proxies and client pools usually give up after 60."""

MOST_REFUSALS = 24
"""Connections that are being told 503 at once; the oldest gives way to the next."""

SWEEP_SECONDS = 0.25

HELD_UP_SECONDS = 1.0
"""A sweep that comes later than this by its time was held up, and so was the reading of what clients sent."""

IDLE_GIVES_WAY = 1.0
HEAD_GIVES_WAY = 0.25
BODY_GIVES_WAY = 2.0
WRITE_GIVES_WAY = 2.0
"""Seconds after which, when a new connection finds no room, one of this kind goes: without a request; with
an unfinished head; without headway of a body; without a byte of the answer taken."""

SLOW_BODY_BYTES = 2_048
"""A body that brings less than this in a second makes no headway."""

HURRY_SECONDS = 0.1
"""The same for all but the idle, when nobody has been so slow: clients that come back as often as they are
cut would fill the room with those that are not slow yet, and a good client is done by then."""

VICTIMS_PART = 32
"""One part in so many of the connections goes at once, so that looking for them costs little for each."""

FRUITLESS_SECONDS = 0.05
"""After nobody was found who could go, the next look comes this much later."""

log = logging.getLogger("ingestbox.web")


class Phase(enum.IntEnum):
    """What a connection does."""

    OPENING = 0
    """Accepted; with TLS, the handshake."""
    HEAD = 1
    """Waits for the first request, or is in the midst of a request's head."""
    ASKED = 2
    """A request is being read or answered."""
    IDLE = 3
    """Answered; the next request has not begun."""
    LEAVING = 4
    """Refused or given up: closes in a moment."""


class Connection(Protocol):
    """What is asked of a connection."""

    phase: Phase
    since: float
    """When the phase began, on the loop's clock."""
    track: Track

    @property
    def blocked(self) -> bool:
        """Whether bytes wait for the client to take them."""

    @property
    def unsent(self) -> int:
        """How many do."""

    @property
    def lacking(self) -> bool:
        """Whether the request that is being answered waits for more of its body."""

    @property
    def received(self) -> int:
        """Bytes of the last body so far."""

    def time_out(self) -> None:
        """Answers 408 and closes."""

    def give_way(self) -> None:
        """Makes room at once: answers 503 where the client waits for an answer, and closes."""

    def leave(self) -> None:
        """Closes without an answer."""

    def abort(self) -> None:
        """Cuts it."""


class Track:
    """What the sweep remembers of a connection."""

    __slots__ = ("blocked_since", "moved_at", "received", "unsent")

    def __init__(self, now: float) -> None:
        self.blocked_since: float | None = None
        self.unsent = 0
        self.received = 0
        self.moved_at = now


class Connections:
    """All connections of a server. Belongs to one event loop.

    `refused` counts those that found no room, `evicted` those that made room, `timed_out` those that were
    given up for being slow; all since the start.
    """

    def __init__(self, most: int, limits: Limits) -> None:
        """`most` may be open at once, beside those that are being refused."""
        self.most = most
        self._limits = limits
        self._open: set[Connection] = set()
        self._refusals: dict[Connection, None] = {}
        self._waiting: list[Callable[[], None]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._told = 0
        self._fruitless_until = float("-inf")
        self._every = min(SWEEP_SECONDS, limits.header_seconds / 4, limits.body_stall_seconds / 4)
        self.closed = False
        """Whether the server stops: a connection that was accepted a moment ago ends too."""
        self.refused = self.evicted = self.timed_out = 0

    def __len__(self) -> int:
        """How many are open."""
        return len(self._open)

    @property
    def full(self) -> bool:
        """Whether there is no room for another."""
        return len(self._open) >= self.most

    def start(self) -> None:
        """Begins to look after them; needs a running loop."""
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._every, self._sweep, loop.time() + self._every)

    def stop(self) -> None:
        """Ends looking after them."""
        if self._timer is not None:
            self._timer.cancel()
        self._tell()

    def add(self, connection: Connection) -> None:
        """A connection was accepted."""
        self._open.add(connection)

    def refuse(self, connection: Connection) -> None:
        """A connection was accepted to be told that there is no room."""
        self.refused += 1
        if len(self._refusals) >= MOST_REFUSALS:
            oldest = next(iter(self._refusals))
            del self._refusals[oldest]
            oldest.abort()
        self._refusals[connection] = None

    def discard(self, connection: Connection) -> None:
        """A connection is gone."""
        self._open.discard(connection)
        self._refusals.pop(connection, None)
        if self._waiting and not self.full:
            self._wake()

    def when_room(self, wake: Callable[[], None]) -> None:
        """Calls `wake` once, when there is room again, or to look again for somebody who could go."""
        self._waiting.append(wake)

    def make_room(self) -> bool:
        """Lets those go that have been idle longest, else those slowest in sending or in taking.

        False when there is nobody who could go now or in HURRY_SECONDS; otherwise see `when_room`.
        """
        loop = asyncio.get_running_loop()
        now = loop.time()
        if now < self._fruitless_until:
            return False
        slow = [(*_slowness(each, now), each) for each in self._open]
        victims = [each for each in slow if each[0] >= 1] or [
            each for each in slow if each[1] >= HURRY_SECONDS
        ]
        victims.sort(key=lambda each: each[:2], reverse=True)
        del victims[max(1, self.most // VICTIMS_PART) :]
        for *_, each in victims:
            each.give_way()
        self.evicted += len(victims)
        if victims:
            return True
        longest = max((seconds for _, seconds, _ in slow), default=_NOT_SLOW)
        if longest >= 0:
            loop.call_later(HURRY_SECONDS - longest, self._wake)
            return True
        self._fruitless_until = now + FRUITLESS_SECONDS
        return False

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for wake in waiting:
            wake()

    def _sweep(self, due: float) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._timer = loop.call_later(self._every, self._sweep, now + self._every)
        # After the process was held up, what clients have sent lies unread: they get another turn.
        if now - due < HELD_UP_SECONDS:
            for each in list(self._open):
                self._look_at(each, now)
        if self._waiting:
            self._wake()
        self._tell()

    def _look_at(self, each: Connection, now: float) -> None:
        track, limits = each.track, self._limits
        if each.blocked:
            unsent = each.unsent
            if track.blocked_since is None or unsent < track.unsent:
                track.blocked_since = now
            elif now - track.blocked_since >= limits.body_stall_seconds:
                self.timed_out += 1
                each.abort()
            track.unsent = unsent
            return
        track.blocked_since = None
        age = now - each.since
        if each.phase is Phase.ASKED:
            if not each.lacking or each.received - track.received >= SLOW_BODY_BYTES * self._every:
                track.moved_at = now
            track.received = each.received
        elif each.phase is Phase.IDLE:
            if age >= KEEP_ALIVE_SECONDS:
                each.leave()
        elif each.phase is not Phase.LEAVING and age >= limits.header_seconds:
            self.timed_out += 1
            each.time_out()

    def _tell(self) -> None:
        """One line for a sweep, for these come by the thousand."""
        turned = self.refused + self.evicted
        if turned != self._told:
            self._told = turned
            log.warning(
                "Connections were turned away: as many are open as may be.",
                extra={"open": len(self._open), "refused": self.refused, "evicted": self.evicted},
            )


_IDLE_FIRST, _HEADS_NEXT, _OTHERS = 3, 2, 1
_NOT_SLOW = -1.0


def _slowness(each: Connection, now: float) -> tuple[int, float]:
    """How soon a connection should make room (0: it need not, 3: first of all), and for how many seconds it
    has done nothing; below 0, that does not count against it."""
    age = now - each.since
    if each.phase is Phase.LEAVING:  # it has its answer
        return (_IDLE_FIRST if age >= HURRY_SECONDS else 0), age
    if each.blocked:
        track = each.track
        if track.blocked_since is not None and each.unsent < track.unsent:
            return 0, _NOT_SLOW
        seconds = now - (each.since if track.blocked_since is None else track.blocked_since)
        return (_OTHERS if seconds >= WRITE_GIVES_WAY else 0), seconds
    if each.phase is Phase.IDLE:
        return (_IDLE_FIRST, age) if age >= IDLE_GIVES_WAY else (0, _NOT_SLOW)
    if each.phase is Phase.ASKED and each.lacking:
        seconds = now - max(each.track.moved_at, each.since)
        if seconds >= BODY_GIVES_WAY:
            return _OTHERS, seconds
        return 0, (age if each.received < age * SLOW_BODY_BYTES else _NOT_SLOW)
    if each.phase in (Phase.OPENING, Phase.HEAD):
        return (_HEADS_NEXT if age >= HEAD_GIVES_WAY else 0), age
    return 0, _NOT_SLOW
