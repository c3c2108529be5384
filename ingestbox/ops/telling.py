"""The task that tells duplicates what they are duplicates of, when the first of them is so no more."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping

from ingestbox.errors import IngestError
from ingestbox.family import Family
from ingestbox.store import Store, departed

log = logging.getLogger(__name__)

SECONDS = 2.0
"""How often it looks; without anything to do that is one look at an empty table."""


class Telling:
    """Whatever made the first of them go, a row of `departed` says so, and stays until all is told."""

    def __init__(self, store: Store, families: Mapping[str, Family], wake: Callable[[], None]) -> None:
        """`wake()` is called when there is something to deliver."""
        self._store = store
        self._families = families
        self._wake = wake
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins, with what is left from before."""
        self._task = asyncio.create_task(self._run(), name="telling")

    async def stop(self) -> None:
        """Ends, whatever is in hand: it goes on from there at the next start."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            try:
                if await departed.tell(self._store, self._families):
                    self._wake()
            except IngestError as error:
                log.debug("Duplicates have to wait: %s", error.code)
            except Exception:
                log.exception("Duplicates could not be told apart anew; it is tried again.")
            await asyncio.sleep(SECONDS)
