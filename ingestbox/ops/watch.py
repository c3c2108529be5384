"""Tells the supervisor that the box is alive, while it is: what only a restart cures ends the beats.

A beat says that the event loop turns, that the store answers writes and reads, and that the workers' threads
and their sweep live. An answer counts, also one that refuses: a full disk, a damaged store, an upstream that
is paused, children that do not start are no better after a restart, and until they are cured the box has work
to do. Those are in the status, and in its alarms.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence

from ingestbox.errors import IngestError
from ingestbox.ops.supervisor import Supervisor
from ingestbox.store import Store
from ingestbox.store.health import ProbeWrite
from ingestbox.web.service import Check
from ingestbox.workqueue import Bell

log = logging.getLogger(__name__)

PATIENCE = 5
"""So many times the supervisor's own patience store and workers may not answer: a disk that stands still for
a minute is not cured by a restart, which reads more of it. The event loop has one."""

SECONDS = 30.0
"""How often the status is renewed where no beats are wanted."""


class Pulse:
    """Looks whether store and workers answer."""

    def __init__(self, store: Store, bell: Bell) -> None:
        self._store = store
        self._bell = bell
        self.wants = "the store"
        """Who is waited for."""

    async def feel(self) -> bool:
        """Returns once the store has answered: whether the workers live, too."""
        self.wants = "the store"
        with contextlib.suppress(IngestError):
            await self._store.write(ProbeWrite(self._store.clock.now_ms()))
        with contextlib.suppress(IngestError):
            await self._store.read("box.pages")
        self.wants = "the workers"
        return self._bell.lives


class Watch:
    """Beats, and keeps the status; from `start` to `stop`."""

    def __init__(
        self,
        supervisor: Supervisor,
        pulse: Pulse,
        checks: Callable[[], Awaitable[Sequence[Check]]],
        where: str,
    ) -> None:
        """`checks` are those of `/health`; `where` is where the box listens."""
        self._supervisor = supervisor
        self._pulse = pulse
        self._checks = checks
        self._where = where
        self._limit = supervisor.watchdog_seconds
        self._every = SECONDS if self._limit is None else self._limit / 2
        self._well_at = 0.0  # the loop's seconds
        self._tasks: list[asyncio.Task[None]] = []
        self._silent = False

    def start(self) -> None:
        """Says that the box is ready, and begins. Does nothing where nobody listens."""
        if not self._supervisor.present:
            return
        self._well_at = asyncio.get_running_loop().time()
        self._supervisor.ready(self._words([]))
        works = [self._tell()] if self._limit is None else [self._tell(), self._feel(), self._beat()]
        self._tasks = [asyncio.create_task(work, name="watch") for work in works]

    async def stop(self) -> None:
        """Ends: of a box that stops no beats are wanted."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _beat(self) -> None:
        """Every half of the time that the supervisor waits, as sd_watchdog_enabled(3) recommends."""
        assert self._limit is not None
        loop = asyncio.get_running_loop()
        while True:
            if loop.time() - self._well_at <= self._limit * PATIENCE:
                if self._silent:
                    log.warning("What did not answer does again.")
                self._silent = False
                self._supervisor.beat()
            elif not self._silent:
                self._silent = True
                seconds = self._limit * PATIENCE
                log.critical(
                    "For %.0f s %s did not answer: the supervisor will restart the box.",
                    seconds,
                    self._pulse.wants,
                )
                self._supervisor.say(f"Does not answer for {seconds:.0f} s: {self._pulse.wants}.")
            await asyncio.sleep(self._every)

    async def _feel(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                if await self._pulse.feel():
                    self._well_at = loop.time()
            except Exception:
                log.exception("Whether the box is alive could not be found out.")
            await asyncio.sleep(self._every)

    async def _tell(self) -> None:
        while True:
            await asyncio.sleep(self._every)
            if self._silent:
                continue
            try:
                wrong = [check for check in await self._checks() if not check.ok]
            except Exception:
                log.exception("How the box is could not be found out.")
                continue
            self._supervisor.say(self._words(wrong))

    def _words(self, wrong: Sequence[Check]) -> str:
        told = "; ".join(f"{check.name}: {check.detail}" for check in wrong)
        return f"Listens on {self._where}" + (f". Not well: {told}." if told else ".")
