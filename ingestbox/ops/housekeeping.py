"""What nobody asks for and has to be done all the same, every half minute."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Container, Mapping

from ingestbox.errors import IngestError
from ingestbox.family import Family
from ingestbox.ops.erasing import Erasing
from ingestbox.ops.reindexing import Reindexing
from ingestbox.ops.telling import Telling
from ingestbox.store import Store, bulkundo, changes, deleting, series, tidy, undoing
from ingestbox.store.noted import Noted
from ingestbox.store.retention import Retention
from ingestbox.store.shelf import Shelf
from ingestbox.store.superseded import Superseded

log = logging.getLogger(__name__)

SECONDS = 30.0


class Housekeeping:
    """Removes what no request will finish and what is old, goes on with changes that a stop cut short, writes
    what was noted in memory."""

    def __init__(
        self,
        store: Store,
        families: Mapping[str, Family],
        *,
        watch: tidy.ClockWatch,
        being_filled: Container[str],
        ring: Callable[[int], None],
        noted: tuple[Noted, ...],
        idempotency_hours: int,
        retention: Retention,
        shelf: Shelf,
        file_days: int,
        idle_minutes: int,
        erasing: Erasing,
        telling: Telling,
    ) -> None:
        """`being_filled` holds the public ids of jobs that requests fill right now; `ring(job_id)` tells the
        workers of a job. Uploaded files go `file_days` after their rows were loaded, the console's sessions
        after `idle_minutes` without use."""
        self._store = store
        self._families = families
        self._watch = watch
        self._being_filled = being_filled
        self._ring = ring
        self._noted = noted
        self._hours = idempotency_hours
        self._retention = retention
        self._shelf = shelf
        self._file_days = file_days
        self._idle_ms = idle_minutes * 60_000
        self._task: asyncio.Task[None] | None = None
        self._reindexing = Reindexing(store, families)
        self._superseded = Superseded(store)
        self._erasing = erasing
        self._telling = telling

    def start(self) -> None:
        """Begins, with a first round at once."""
        self._task = asyncio.create_task(self._run(), name="housekeeping")
        self._reindexing.start()
        self._erasing.start()
        self._telling.start()

    async def stop(self) -> None:
        """Ends, whatever is in hand: every step can run twice."""
        await self._telling.stop()
        await self._erasing.stop()
        await self._reindexing.stop()
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def close(self) -> None:
        """The last thing written at a stop; a store that takes no writes any more does without."""
        for each in self._noted:
            with contextlib.suppress(IngestError):
                await each.flush()

    async def _run(self) -> None:
        while True:
            try:
                await self._round()
            except IngestError as error:
                log.debug("Housekeeping has to wait: %s", error)
            except Exception:
                log.exception("Housekeeping failed; it goes on.")
            await asyncio.sleep(SECONDS)

    async def _round(self) -> None:
        discarded = await tidy.discard_unfinished(self._store, self._being_filled)
        if discarded:
            log.info("Unfinished intake was removed.", extra={"jobs": discarded})
        await changes.go_on(self._store, self._families, self._ring)
        await undoing.go_on(self._store, self._families, self._ring)
        await deleting.go_on(self._store, self._families, self._ring)
        if self._watch.steady:
            await tidy.purge_idempotency(self._store, self._hours)
            await tidy.retire_files(self._store, self._file_days)
            await bulkundo.forget_old(self._store)
            await tidy.purge_sessions(self._store, self._idle_ms)
            await series.tend(self._store)
            await self._retention.remove()
        await self._superseded.close()
        await tidy.forget_keys(self._store)
        swept = await tidy.sweep_files(self._store, self._shelf)
        if swept:
            log.info("Files that nothing needs were removed.", extra={"files": swept})
        for each in self._noted:
            await each.flush()
        await self._retention.give_back()
