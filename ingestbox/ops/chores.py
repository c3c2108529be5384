"""What families do in the background (`family.Chore`), slice by slice, as long as there is any of it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from ingestbox.config import Settings
from ingestbox.errors import IngestError
from ingestbox.family import Chore, Family, Work
from ingestbox.store import Store

IDLE_SECONDS: Final = 30.0
"""A chore with nothing to do looks again after this, and whenever it is told to."""

RETRY_FIRST, RETRY_LAST = 1.0, 60.0
"""Seconds until a chore that failed is tried again; doubled each time."""

T = TypeVar("T")

log = logging.getLogger(__name__)


class ChoreRoom:
    """What chores may ask of the box: `family.Room`."""

    def __init__(self, store: Store, settings: Settings, compute: Callable[..., Any]) -> None:
        self._store = store
        self._compute = compute
        self.settings = settings

    async def read_with(self, function: Callable[[Any], T]) -> T:
        """See `family.Room`."""
        return await self._store.read_at_once(function)

    async def write(self, unit: Work[T]) -> T:
        """See `family.Room`."""
        return await self._store.write(unit)

    async def compute(
        self, function: str, data: bytes, *, stepped: bool = False, seconds: float | None = None
    ) -> bytes:
        """See `family.Box.compute`."""
        found: bytes = await self._compute(function, data, stepped=stepped, seconds=seconds)
        return found

    def now_ms(self) -> int:
        """See `family.Room`."""
        return self._store.clock.now_ms()


class Chores:
    """One task for all of them, which take turns: a family's backlog never holds up another's."""

    def __init__(self, room: ChoreRoom, families: Mapping[str, Family]) -> None:
        self._rounds = [_Round(room, chore) for family in families.values() for chore in family.chores]
        self._bell = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def states(self) -> Sequence[tuple[str, Callable[[Any], str]]]:
        """What says how far each of them is, over a `store.ReadTx`, by its name."""
        chores = [each.chore for each in self._rounds]
        return [(chore.name, chore.state) for chore in chores if chore.state is not None]

    def start(self) -> None:
        """Begins, with a first round at once."""
        if self._rounds:
            self._task = asyncio.create_task(self._run(), name="chores")

    def wake(self) -> None:
        """There may be something to do."""
        self._bell.set()

    async def stop(self) -> None:
        """Ends, whatever is in hand: every slice can be done again."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._bell.clear()
            began = loop.time()
            more = False
            for each in self._rounds:
                if loop.time() >= each.resting:
                    more = await each.go(loop.time) or more
            if more:
                await asyncio.sleep(loop.time() - began)  # half of the time at most is theirs
                continue
            rest = min(
                [IDLE_SECONDS, *(each.resting - loop.time() for each in self._rounds if each.failures)]
            )
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(rest, 0.0)):
                    await self._bell.wait()


class _Round:
    """One chore, and how it does."""

    def __init__(self, room: ChoreRoom, chore: Chore) -> None:
        self._room = room
        self.chore = chore
        self.failures = 0
        self.resting = 0.0

    async def go(self, now: Callable[[], float]) -> bool:
        """A slice; whether there is more to do now."""
        try:
            more = await self.chore.run(self._room)
        except IngestError as error:  # the store is full, no child is free, a server does not answer
            log.debug("A chore has to wait: %s", error, extra={"chore": self.chore.name})
        except Exception:
            log.exception("A chore failed; it tries again.", extra={"chore": self.chore.name})
        else:
            self.failures = 0
            return more
        self.resting = now() + min(RETRY_FIRST * 2 ** min(self.failures, 10), RETRY_LAST)
        self.failures += 1
        return False
