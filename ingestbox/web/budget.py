"""Bytes of request bodies in memory at once, over all requests (contract: common, Requests).

A request holds its share from before its body is read until its handler has ended, for the handler keeps body
and records alive. Small bodies have a share of their own, so that neither kind can starve the other.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from ingestbox.errors import IngestError

SMALL_BYTES = 65_536
"""A body up to this is small."""

SMALL_PART = 8
"""One part in so many of the budget is for small bodies."""

FIRST_BYTES = 16_384
"""Held for a body whose length is not known, until more of it comes; then its hold doubles, but grows by no
more than STEP_BYTES at once."""

STEP_BYTES = 1_048_576

WAIT_SECONDS = 1.0
"""How long a body waits for room, first come, first served. It smooths a peak; under a lasting overload it is
too short for requests to pile up."""

MOST_WAITING = 64
"""Each that waits may have 300 KB in the connection's buffers."""

SLOW_BYTES_PER_SECOND = 8_192
SLOW_AFTER_SECONDS = 5.0
"""A body that comes slower than this, after so long, makes room when another has none: a few clients that
announce a large body and send a byte now and then would otherwise hold the budget for good."""

RETRY_SECONDS = 2
"""`Retry-After` of a request that found no room."""


class Budget:
    """`total` bytes for all bodies. Belongs to one event loop."""

    def __init__(self, total: int) -> None:
        small = max(total // SMALL_PART, 4 * SMALL_BYTES)
        self._small = _Pool(small)
        self._large = _Pool(max(total - small, SMALL_BYTES))
        self.refused = 0
        """Bodies that found no room, since the start."""

    @property
    def used(self) -> int:
        """Bytes held now."""
        return self._small.used + self._large.used

    def hold(self) -> Hold:
        """A hold on nothing yet; `release` it whatever happens."""
        return Hold(self)

    def pool_for(self, size: int) -> _Pool:
        """Where a body of this size belongs."""
        return self._small if size <= SMALL_BYTES else self._large

    def refuse(self) -> IngestError:
        """The error of a request that finds no room."""
        self.refused += 1
        return IngestError(
            "overloaded", "The box has as many bodies in hand as it can take.", retry_after=RETRY_SECONDS
        )


class Hold:
    """One body's part of the budget.

    `received` are the bytes that came so far; whoever reads the body keeps it up to date, and sets `revoke`,
    which is called when a body that comes too slowly has to make room.
    """

    __slots__ = ("_budget", "_pool", "received", "revoke", "revoked", "since", "size")

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._pool: _Pool | None = None
        self.size = 0
        self.received = 0
        self.since = 0.0
        self.revoke: Callable[[], None] | None = None
        self.revoked = False

    async def take(self, length: int | None) -> None:
        """Takes room for a body of this length (None: not known), before it is read.

        Waits up to WAIT_SECONDS for it. Raises IngestError `overloaded`.
        """
        size = FIRST_BYTES if length is None else length
        pool = self._budget.pool_for(size)
        if not pool.take(self, size) and not await pool.wait(self, size):
            raise self._budget.refuse()
        self._pool, self.size = pool, size

    def grow(self, size: int, limit: int) -> None:
        """Holds at least `size` bytes from now on, and more in advance up to `limit`.

        Does not wait: those that grow would wait for each other. Raises IngestError `overloaded`.
        """
        if size <= self.size:
            return
        size = max(size, min(limit, self.size + min(self.size, STEP_BYTES)))
        old, pool = self._pool, self._budget.pool_for(size)
        own = self.size if pool is old else 0
        if not pool.extend(self, size - own):
            raise self._budget.refuse()
        if old is not None and pool is not old:
            old.give_back(self, self.size)
        self._pool, self.size = pool, size

    def release(self) -> None:
        """Gives everything back. May be called again."""
        if self._pool is not None:
            self._pool.give_back(self, self.size)
            self._pool, self.size = None, 0


class _Pool:
    """Bytes for one kind of body. One body may be larger than all of it, when it is alone."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._holds: set[Hold] = set()
        self._waiting: deque[tuple[Hold, int, asyncio.Future[None]]] = deque()
        self.used = 0

    def take(self, hold: Hold, size: int) -> bool:
        """Takes room for a new hold, unless others wait for it; false when there is none."""
        return not self._waiting and self.extend(hold, size)

    def extend(self, hold: Hold, more: int) -> bool:
        """Takes room; false when there is none."""
        alone = not self._holds or self._holds == {hold}
        if self.used + more > self._total and not alone:
            return False
        self.used += more
        self._holds.add(hold)
        return True

    async def wait(self, hold: Hold, size: int) -> bool:
        """Waits for its turn; false when it did not come in time."""
        if len(self._waiting) >= MOST_WAITING:
            return False
        loop = asyncio.get_running_loop()
        self._send_slow_away(loop.time())
        turn: asyncio.Future[None] = loop.create_future()
        entry = (hold, size, turn)
        self._waiting.append(entry)
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                if isinstance(error, TimeoutError):
                    return True  # both at once
                self.give_back(hold, size)
            else:
                self._waiting.remove(entry)
                self._admit()  # those behind may be smaller
            if isinstance(error, TimeoutError):
                return False
            raise
        return True

    def give_back(self, hold: Hold, size: int) -> None:
        """Ends a hold here."""
        self.used -= size
        self._holds.discard(hold)
        self._admit()

    def _admit(self) -> None:
        while self._waiting:
            hold, size, turn = self._waiting[0]
            if turn.done():  # cancelled; it takes itself out
                return
            if not self.extend(hold, size):
                return
            self._waiting.popleft()
            turn.set_result(None)

    def _send_slow_away(self, now: float) -> None:
        for hold in self._holds:
            if hold.revoke is None or hold.revoked:
                continue
            seconds = now - hold.since
            if seconds > SLOW_AFTER_SECONDS and hold.received < seconds * SLOW_BYTES_PER_SECOND:
                hold.revoked = True
                hold.revoke()
