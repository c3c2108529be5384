"""A SQLite connection in a thread of its own, with whole functions run there in one hop.

aiosqlite queues one call a hop; a transaction of a hundred statements would cost a hundred. Its queue takes
any function, though, through `_execute`, which is why aiosqlite is pinned exactly.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

import aiosqlite

from ingestbox.store.engine import sqlite3

P = ParamSpec("P")
T = TypeVar("T")


class ThreadConnection:
    """One connection and its thread."""

    def __init__(self, inner: aiosqlite.Connection) -> None:
        self._inner = inner

    @classmethod
    async def open(cls, connector: Callable[[], sqlite3.Connection]) -> ThreadConnection:
        """Opens the connection in a new thread. Raises what the connector raises; no thread is left then."""
        inner = aiosqlite.Connection(connector, iter_chunk_size=64)
        inner._thread.daemon = True  # noqa: SLF001 - a failed start must be able to end the process
        try:
            return cls(await inner)
        except BaseException:
            # aiosqlite has asked the thread to end; it answers to this loop, so it has to end before that.
            await asyncio.to_thread(inner._thread.join)  # noqa: SLF001
            raise

    async def call(
        self, function: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Runs `function(connection, …)` in the thread.

        It is shielded: a caller that is cancelled never leaves the function half-run or its result unread.
        """
        execute: Any = self._inner._execute  # noqa: SLF001
        running = asyncio.ensure_future(execute(function, self._inner._conn, *args, **kwargs))  # noqa: SLF001
        # What it raises after its caller has gone is nobody's to hear, and no line in the log.
        running.add_done_callback(lambda done: done.cancelled() or done.exception())
        result: T = await asyncio.shield(running)
        return result

    def interrupt(self) -> None:
        """Makes the statement that runs fail at once; safe from any thread while the connection is open."""
        connection = self._inner._conn  # noqa: SLF001
        connection.interrupt()

    async def close(self) -> None:
        """Closes the connection and ends the thread."""
        await self._inner.close()
