"""How many records wait to be processed, and when that is too many to take more."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Generator

from ingestbox.errors import IngestError
from ingestbox.store import Store
from ingestbox.store.intake import Name

log = logging.getLogger(__name__)

COUNT_SECONDS = 1.0
"""A count is good for this long; what is taken in meanwhile is added to it."""

RETRY_SECONDS = 5
"""`Retry-After`: by then thousands of records are done, and the client need not hurry back."""


class Backlog:
    """The records that wait. Between two counts it is never taken for smaller than it is."""

    def __init__(self, store: Store, limit: int) -> None:
        """`limit` is `[limits] backlog_records`; 0: there is none."""
        self._store = store
        self._limit = limit
        self._counted = 0
        self._since = 0  # taken in since that count
        self._entering = 0  # being written right now
        self._counted_at = float("-inf")
        self._counting: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """About how many wait: at most COUNT_SECONDS old while records come in."""
        return self._counted + self._since + self._entering

    async def admit(self, key: Name | None = None) -> None:
        """Raises IngestError `overloaded` (429) at the limit, and `storage_full` while the store has
        no room for records; a request whose Idempotency-Key is known is let in all the same, since it takes
        nothing in.

        It is to be asked before the body is read, and once more right before `entering`: then it is by one
        batch at most that the limit is passed.
        """
        if self._store.cap.tight and not (key and await self._knows(key)):
            self._store.cap.check()
        if not self._limit:
            return
        first = self._counted_at == float("-inf")
        if self._counting is None and self._store.clock.monotonic() - self._counted_at >= COUNT_SECONDS:
            self._counting = asyncio.create_task(self._count(), name="backlog")
            # Heard or not.
            self._counting.add_done_callback(lambda done: done.cancelled() or done.exception())
        if self._counting is not None and (first or self.waiting >= self._limit):
            await asyncio.shield(self._counting)
        if self.waiting >= self._limit and not (key and await self._knows(key)):
            raise IngestError(
                "overloaded",
                f"{self.waiting:,} records wait to be processed; from {self._limit:,} on no more are taken.",
                status=429,
                retry_after=RETRY_SECONDS,
            )

    async def _knows(self, key: Name) -> bool:
        scope, name = key
        return bool(await self._store.read("idempotency.find", {"scope": scope, "key": name}))

    @contextlib.contextmanager
    def entering(self, records: int) -> Generator[None, None, None]:
        """For the time in which records are written; if that fails they do not count."""
        self._entering += records
        try:
            yield
            self._since += records
        finally:
            self._entering -= records

    async def _count(self) -> None:
        since = self._since
        try:
            rows = await self._store.read("backlog.waiting")
            self._counted = rows[0][0]
            # What came during the count may be in it too: the next one puts that right.
            self._since -= since
        except IngestError as error:  # the last count stands; a store that cannot be read says so elsewhere
            log.debug("The backlog cannot be counted: %s", error)
        finally:
            self._counted_at = self._store.clock.monotonic()
            self._counting = None
