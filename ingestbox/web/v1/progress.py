"""Who is told that a job has changed: streams that show it, each with a bell and no queue."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

MOST_WATCHERS = 100
"""Streams open at once: each holds a connection, and reads a job at most four times a second."""


class Watcher:
    """One stream's bell; however often it rings, it is rung once."""

    def __init__(self) -> None:
        self._bell = asyncio.Event()
        self.closed = False
        """The box is stopping."""

    async def wait(self, seconds: float) -> None:
        """Returns when the bell has rung since the last time, or after so many seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._bell.wait()
        self._bell.clear()

    def ring(self) -> None:
        """Something has changed."""
        self._bell.set()


class Progress:
    """The watchers of each job, on one event loop."""

    def __init__(self) -> None:
        self._watchers: dict[int, set[Watcher]] = {}
        self._count = 0
        self._closed = False

    @property
    def full(self) -> bool:
        """Whether no more watchers are taken."""
        return self._count >= MOST_WATCHERS

    @property
    def watchers(self) -> int:
        """How many there are."""
        return self._count

    def changed(self, job_id: int) -> None:
        """A job's state or progress has changed on disk."""
        for watcher in self._watchers.get(job_id, ()):
            watcher.ring()

    def close(self) -> None:
        """The box stops: every watcher is told, those to come at once."""
        self._closed = True
        for watchers in self._watchers.values():
            for watcher in watchers:
                watcher.closed = True
                watcher.ring()

    @contextlib.contextmanager
    def watching(self, job_id: int) -> Iterator[Watcher]:
        """A watcher of a job for the time of a block."""
        watcher = Watcher()
        watcher.closed = self._closed
        self._watchers.setdefault(job_id, set()).add(watcher)
        self._count += 1
        try:
            yield watcher
        finally:
            self._count -= 1
            left = self._watchers[job_id]
            left.discard(watcher)
            if not left:
                del self._watchers[job_id]
