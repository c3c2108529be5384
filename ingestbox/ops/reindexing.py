"""Goes on with putting once more what an update has brought new ways to find, until nothing waits."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping

from ingestbox.errors import IngestError
from ingestbox.family import Family
from ingestbox.store import Store, reindex

log = logging.getLogger(__name__)

RETRY_SECONDS = 30.0


class Reindexing:
    """One task, which ends by itself; a stop in between costs nothing but the slice in hand."""

    def __init__(self, store: Store, families: Mapping[str, Family]) -> None:
        self._store = store
        self._families = families
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins."""
        self._task = asyncio.create_task(self._run(), name="reindexing")

    async def stop(self) -> None:
        """Ends, whatever is in hand."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        for family in self._families.values():
            if family.full_text:
                for kind in sorted(family.kinds):
                    await self._all(family, kind)

    async def _all(self, family: Family, kind: str) -> None:
        done = 0
        while True:
            began = self._store.clock.monotonic()
            try:
                count = await reindex.go_on(self._store, family.name, kind, family.project)
            except IngestError as error:
                log.debug("Reindexing has to wait: %s", error)
                await asyncio.sleep(RETRY_SECONDS)
                continue
            except Exception:
                log.exception("Reindexing failed; it tries again.")
                await asyncio.sleep(RETRY_SECONDS)
                continue
            if count == 0:
                break
            done += count
            await asyncio.sleep(self._store.clock.monotonic() - began)  # half of the time at most is its own
        if done:
            log.info("Everything from before the update can be found.", extra={"kind": kind, "objects": done})
