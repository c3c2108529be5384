"""Read-only connections, each in a thread of its own, taken in turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Mapping
from contextlib import AsyncExitStack
from typing import Any, TypeVar

from ingestbox.errors import IngestError
from ingestbox.store.conditions import Condition, compiled
from ingestbox.store.engine import sqlite3
from ingestbox.store.queries import CONDITION, Params, Queries
from ingestbox.store.thread import ThreadConnection

T = TypeVar("T")


class ReadTx:
    """Named queries on a read-only connection."""

    __slots__ = ("_connection", "_queries")

    def __init__(self, connection: sqlite3.Connection, queries: Queries) -> None:
        self._connection = connection
        self._queries = queries

    def all(self, query: str, params: Params = ()) -> list[tuple[Any, ...]]:
        """Every row."""
        statement = self._queries[query]
        return self._connection.execute(statement.sql, statement.bind(params)).fetchall()

    def one(self, query: str, params: Params = ()) -> tuple[Any, ...] | None:
        """The first row, or None."""
        rows = self.all(query, params)
        return rows[0] if rows else None

    def has(self, query: str) -> bool:
        """Whether there is a query of this name (a family may leave optional ones out)."""
        return query in self._queries

    def each(self, query: str, params: Params = ()) -> Generator[tuple[Any, ...], None, None]:
        """Row by row, so that a caller can stop at a cap on bytes."""
        statement = self._queries[query]
        cursor = self._connection.execute(statement.sql, statement.bind(params))
        try:
            yield from cursor
        finally:
            cursor.close()  # a read left open would keep the WAL from shrinking

    def narrowed(
        self, query: str, params: Mapping[str, object], condition: Condition
    ) -> Generator[tuple[Any, ...], None, None]:
        """The same with a condition in the place of the query's `:condition`. Its statement is made for the
        condition's shape: see `Store.read_apart`."""
        statement = self._queries[query]
        fragment = compiled(condition, len(statement.names) + 1)
        bound = (*statement.bind({**params, CONDITION: None}), *fragment.values)
        cursor = self._connection.execute(statement.narrowed(fragment.sql), bound)
        try:
            yield from cursor
        finally:
            cursor.close()

    def at_once(self, function: Callable[[ReadTx], T]) -> T:
        """Runs `function` in one transaction: all that it reads is of one moment."""
        self._connection.execute("BEGIN")
        try:
            return function(self)
        finally:
            if self._connection.in_transaction:  # not after every error
                self._connection.execute("ROLLBACK")


class Readers:
    """A fixed set of connections."""

    def __init__(self, connections: list[ThreadConnection], queries: Queries) -> None:
        self._free: asyncio.LifoQueue[ThreadConnection] = asyncio.LifoQueue()
        for connection in connections:
            self._free.put_nowait(connection)
        self._queries = queries

    @classmethod
    async def open(
        cls, connector: Callable[[], sqlite3.Connection], count: int, queries: Queries, stack: AsyncExitStack
    ) -> Readers:
        """Opens `count` connections and puts them on `stack`."""
        connections = []
        for _ in range(count):
            connection = await ThreadConnection.open(connector)
            stack.push_async_callback(connection.close)
            connections.append(connection)
        return cls(connections, queries)

    async def call(self, function: Callable[[ReadTx], T]) -> T:
        """Runs `function` over a free connection. Raises IngestError `store_unavailable`."""
        connection = await self._free.get()
        try:
            return await connection.call(lambda c: function(ReadTx(c, self._queries)))
        except sqlite3.DatabaseError as error:
            raise IngestError("store_unavailable", retry_after=2) from error
        finally:
            self._free.put_nowait(connection)

    async def call_at_once(self, function: Callable[[ReadTx], T]) -> T:
        """The same in one transaction: all that `function` reads is of one moment."""
        return await self.call(lambda tx: tx.at_once(function))

    async def call_alone(
        self, connector: Callable[[], sqlite3.Connection], function: Callable[[ReadTx], T]
    ) -> T:
        """Runs `function` in one transaction over a connection of its own, which is closed afterwards.

        A caller that is cancelled interrupts it. Raises sqlite3.DatabaseError.
        """

        connection = await ThreadConnection.open(connector)
        try:
            return await connection.call(lambda c: ReadTx(c, self._queries).at_once(function))
        except asyncio.CancelledError:
            connection.interrupt()  # it may have minutes to go, and closing waits for it
            raise
        finally:
            await connection.close()
