"""A real store on a real file, opened and closed around a test's coroutine."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TypeVar

from ingestbox import families
from ingestbox.clock import Clock, SystemClock
from ingestbox.config import Limits
from ingestbox.config import Store as StoreSettings
from ingestbox.store import DATABASE, Store, load_queries
from ingestbox.store.engine import connect_writer

T = TypeVar("T")


def with_store(
    folder: Path,
    body: Callable[[Store], Awaitable[T]],
    *,
    settings: StoreSettings | None = None,
    limits: Limits | None = None,
    clock: Clock | None = None,
) -> T:
    """Runs `body(store)` in a new event loop and closes everything afterwards."""

    async def main() -> T:
        async with AsyncExitStack() as stack:
            store = await Store.open(
                folder,
                stack,
                families={name: family.queries for name, family in families.load().items()},
                settings=settings or StoreSettings(),
                limits=limits or Limits(),
                clock=clock or SystemClock(),
            )
            return await body(store)

    return asyncio.run(main())


def plan_of(folder: Path, query: str) -> list[str]:
    """How SQLite goes about one of the store's own queries, in a new store: a step a line."""

    async def nothing(_: Store) -> None: ...

    with_store(folder, nothing)
    connection = connect_writer(folder / DATABASE)
    try:
        statement = load_queries({})[query]
        rows = connection.execute(f"EXPLAIN QUERY PLAN {statement.sql}", [1] * len(statement.names))
        return [row[3] for row in rows]
    finally:
        connection.close()
