"""What a lane waits for: something to send, a time, a person, the end."""

from __future__ import annotations

import asyncio
import contextlib

from ingestbox.clock import Clock

LINGER_SECONDS = 0.02
"""After an idle time the first batch waits this long for company."""

LOOK_SECONDS = 3_600.0
"""A timed rest looks at the clock this often, at the least."""


class Bell:
    """Rung from anywhere on the loop; one lane rests on it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._rung = asyncio.Event()
        self._stop = asyncio.Event()
        self._at_once = False

    @property
    def stopped(self) -> bool:
        """Whether the lane is to end."""
        return self._stop.is_set()

    def ring(self) -> None:
        """There may be something to do."""
        self._rung.set()

    def hurry(self) -> None:
        """A person wants the next turn now, whatever the lane waits for."""
        self._at_once = True
        self._rung.set()

    def stop(self) -> None:
        """The lane is to end."""
        self._stop.set()
        self._rung.set()

    def answer(self) -> None:
        """A turn begins: what rang up to now is seen to."""
        self._rung.clear()
        self._at_once = False

    async def rest(self, due: float | None) -> None:
        """Waits for a monotonic time, which a ring does not shorten; None: for the next ring."""
        if due is None:
            await self._rung.wait()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LINGER_SECONDS):
                    await self._stop.wait()
            return
        while not (self.stopped or self._at_once) and (left := due - self._clock.monotonic()) > 0:
            self._rung.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(left, LOOK_SECONDS)):
                    await self._rung.wait()
