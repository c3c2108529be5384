"""Whether the store is sound: after an unclean stop SQLite looks through it, in the background."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from pathlib import Path

from ingestbox.store import Store

log = logging.getLogger(__name__)

MARK = "running"
"""A file that is there while the box runs; found at a start, the last stop was not a clean one."""


class Integrity:
    """The mark in the data folder, and what the check found."""

    def __init__(self, folder: Path) -> None:
        """Looks for the last run's mark, and sets it for this one. The caller holds the folder's lock."""
        self._mark = folder / MARK
        self.unclean = self._mark.exists()
        self._mark.touch(mode=0o600)
        self._sound = not self.unclean
        self._checking: asyncio.Task[None] | None = None
        self.damage: str | None = None
        """What is wrong with the store, as a public sentence, or None while nothing is known to be."""

    def start(self, store: Store) -> None:
        """Begins the check, when one is needed."""
        if self.unclean:
            self._checking = asyncio.create_task(self._check(store), name="integrity")

    async def stop(self) -> None:
        """Ends a check that is under way."""
        if self._checking is not None:
            self._checking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._checking

    def close(self) -> None:
        """Takes the mark away: the last thing at a stop, with the store closed.

        Without a check that has come to its end, and found nothing, the next start has to check again.
        """
        if self._sound:
            self._mark.unlink(missing_ok=True)

    async def _check(self, store: Store) -> None:
        wrong = await store.quick_check()
        if wrong:
            self.damage = "the store is damaged; run: ingestbox doctor"
            log.error("The store is damaged.", extra={"found": wrong[:5]})
        else:
            self._sound = True
            log.info("The last stop was not a clean one; the store was checked and is sound.")
