"""A connection in its thread: calls that are given up leave no trace, and need not be waited for."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading

import pytest

from ingestbox.store.engine import sqlite3
from ingestbox.store.thread import ThreadConnection

ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT COUNT(*) FROM n"


def test_a_statement_that_is_interrupted_ends_and_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    begun = threading.Event()

    def connector() -> sqlite3.Connection:
        connection = sqlite3.connect(":memory:", check_same_thread=False)
        connection.set_progress_handler(begun.set, 1_000)
        return connection

    async def main() -> None:
        connection = await ThreadConnection.open(connector)
        endless = asyncio.create_task(connection.call(lambda c: c.execute(ENDLESS).fetchall()))
        assert await asyncio.to_thread(begun.wait, 20)
        endless.cancel()
        await asyncio.wait([endless])
        connection.interrupt()
        async with asyncio.timeout(20):
            await connection.close()

    with caplog.at_level(logging.ERROR):
        asyncio.run(main())
        gc.collect()
    assert caplog.records == []
