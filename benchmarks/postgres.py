"""How fast a lane drains into a PostgreSQL table, as a lane does and with all that it is for.

The floor is a bare COPY of the same rows into a table without an index, which checks nothing and can be
repeated by nobody. Server, lane and store are on the same machine; both sides wait for the disk.
"""

from __future__ import annotations

import io
import time
from pathlib import Path

import asyncpg

from benchmarks import boxes
from benchmarks.report import Options, Row
from ingestbox.store import Store, lanes
from tests.forward.support import enqueue, forwarding, opened, run, until_async
from tests.postgres.support import Server

LINES, FULL_LINES = 20_000, 200_000
PADDING = 400
"""Letters in a record: a line has about 1 KB then."""


def measure(options: Options) -> list[Row]:
    """Rows a second."""
    count = FULL_LINES if options.full else LINES
    floor, rounds = [], []
    server = Server("fsync=on", "full_page_writes=on", "shared_buffers=128MB", place=boxes.DISK)
    try:
        with boxes.scratch() as folder:
            for number in range(options.rounds):
                place = folder / str(number)
                place.mkdir()
                seconds, copied = run(_round(server, place, count, f"t{number}"))
                rounds.append(count / seconds)
                floor.append(count / copied)
                server.sql(f"DROP TABLE t{number}, t{number}_epochs, t{number}_floor")
    finally:
        server.close()
    on = f"{count:,} deliveries with {PADDING} letters, batches of 1,000, FULL and synchronous_commit on"
    name = "forwarding drain to PostgreSQL"
    return [
        Row(
            name=name,
            unit="rows/s",
            rounds=rounds,
            floor_name="bare COPY of the same rows, no index",
            floor_rounds=floor,
            bound=0.2,
            on=on,
        ),
        Row(name=name, unit="rows/s", rounds=rounds, bound=10_000.0, on=on),
    ]


async def _round(server: Server, folder: Path, count: int, table: str) -> tuple[float, float]:
    """Seconds until the lane has delivered everything, and those of the COPY."""
    async with opened(folder) as store:
        await enqueue(store, count, padding=PADDING)
        began = time.perf_counter()
        async with forwarding(store, server.lane(table, batch_lines=1_000, batch_compressed_kb=4_096)):
            await until_async(lambda: _delivered(store, count), "the lane is drained")
            seconds = time.perf_counter() - began
    return seconds, await _copied(server, table)


async def _copied(server: Server, table: str) -> float:
    """Seconds that a COPY of the table's rows takes."""
    connection = await asyncpg.connect(
        host=str(server.folder), port=server.port, user="root", database="box", password="", ssl=False
    )
    try:
        rows = io.BytesIO()
        await connection.copy_from_table(table, output=rows)
        rows.seek(0)
        await connection.execute(f"CREATE TABLE {table}_floor (LIKE {table})")
        began = time.perf_counter()
        await connection.copy_to_table(f"{table}_floor", source=rows)
        return time.perf_counter() - began
    finally:
        await connection.close()


async def _delivered(store: Store, count: int) -> bool:
    (found,) = await lanes.overview(store)
    return found.delivered == count
