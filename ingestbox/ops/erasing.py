"""The task that carries erasures out, slice by slice, and goes on with those that a stop cut short."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from ingestbox.clock import Clock
from ingestbox.errors import IngestError
from ingestbox.store import Store, erasures
from ingestbox.store.erasing.walk import Rest, Walk
from ingestbox.store.erasures import RacedError

log = logging.getLogger(__name__)

WAIT_SECONDS = 1.0
"""One that waits, for what comes in or for a reader that is at old pages, looks again so often."""

RETRY_SECONDS = 30.0
"""After the store has failed."""


class Erasing:
    """Erasures that are under way, oldest first; one that has to wait does not hold up the others."""

    def __init__(self, store: Store, walk: Walk, clock: Clock) -> None:
        self._store = store
        self._walk = walk
        self._clock = clock
        self._bell = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._asking: dict[int, list[asyncio.Future[None]]] = {}

    def start(self) -> None:
        """Begins, with what is left from before."""
        self._task = asyncio.create_task(self._run(), name="erasing")

    async def stop(self) -> None:
        """Ends, whatever is in hand: it goes on from there at the next start."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def carry_out(self, erasure_id: int, seconds: float) -> None:
        """Begins with an erasure that was just stored; returns when it is done, has to wait for something, or
        the seconds are over."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._asking.setdefault(erasure_id, []).append(future)
        self._bell.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await future

    async def _run(self) -> None:
        while True:
            self._bell.clear()
            try:
                ids = await self._store.read_with(erasures.under_way)
            except IngestError:
                pauses = [RETRY_SECONDS]
            else:
                pauses = [await self._take_on(each) for each in ids]
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(pauses, default=0.0) or None):
                    await self._bell.wait()

    async def _take_on(self, erasure_id: int) -> float:
        """Takes one as far as it goes; how long it has to rest then (0: it is done)."""
        try:
            rest = await self._through(erasure_id)
        except IngestError as error:
            log.debug("Erasing has to wait: %s", error.code)
            return RETRY_SECONDS
        except Exception as error:  # noqa: BLE001 - without its stack, for its words may be a record's
            log.error(
                "An erasure failed; it is tried again.",
                extra={"erasure": erasure_id, "error": type(error).__name__},
            )
            return RETRY_SECONDS
        for future in self._asking.pop(erasure_id, ()):
            if not future.done():
                future.set_result(None)
        if rest == "waiting":
            return WAIT_SECONDS
        log.info("An erasure is done.", extra={"erasure": erasure_id})
        return 0.0

    async def _through(self, erasure_id: int) -> Rest:
        while True:
            began = self._clock.monotonic()
            rest: Rest = "more"
            with contextlib.suppress(RacedError):
                rest = await self._walk.step(erasure_id)
            if rest != "more":
                return rest
            await asyncio.sleep(self._clock.monotonic() - began)  # half of the time at most is its own
