"""How fast the box takes records in: validates them, stores them durably, answers.

Batches of 1,000 against a bare bulk insert of the same records (same SQLite, same pragmas, same disk);
single records over 32 connections against an empty Starlette route under the same server settings.

Taking in is measured with processing held back (see `boxes.holding_back`), because with two cores the
analysis of what was just taken in competes with it; the same is then measured with the analysis on.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from benchmarks import boxes, load, texts
from benchmarks.load import REPOSITORY, Spec, Target
from benchmarks.report import Options, Row, alternate
from ingestbox.model import Role
from ingestbox.store.engine import connect_writer, sqlite3

BATCHES = 40
"""Batches of 1,000 in a round."""
BATCH_CONNECTIONS = 4
SINGLE_CONNECTIONS = 32
SINGLE_SECONDS = 2.0
SINGLES_MADE = 30_000
"""Requests made for a round of single records: more than can be answered in its time."""
COMMITS = 1_000

ON = "FULL, auth, log INFO"


def batches(options: Options) -> list[Row]:
    """Records a second in batches of 1,000."""
    bodies = [texts.batch(1, 1_000, first=number * 1_000) for number in range(BATCHES)]

    with boxes.scratch() as folder, boxes.fresh(boxes.HELD) as box, boxes.holding_back(box):
        connection = _bare_table(folder / "bare.db")
        to = boxes.target(box, Role.INGEST)
        floor, held = alternate(
            options.rounds,
            lambda number: _bare_bulk(connection, bodies, number),
            lambda number: _post_batches(to, number),
        )
        connection.close()
    with boxes.fresh() as box:
        to = boxes.target(box, Role.INGEST)
        with_analysis = [_post_batches(to, number) for number in range(options.rounds)]
    return [
        Row(
            name="accept batches of 1,000",
            unit="records/s",
            rounds=held,
            floor_name="bare SQLite bulk insert",
            floor_rounds=floor,
            bound=0.5,
            on=f"{ON}; {BATCH_CONNECTIONS} connections; analysis held back",
        ),
        Row(
            name="the same with analysis running",
            unit="records/s",
            rounds=with_analysis,
            floor_name="bare SQLite bulk insert",
            floor_rounds=floor,
            on=f"{ON}; {BATCH_CONNECTIONS} connections; analysis on",
        ),
    ]


def singles(options: Options) -> list[Row]:
    """Requests a second with one record each."""
    with (
        boxes.scratch() as folder,
        empty_route() as floor_to,
        boxes.fresh(boxes.HELD) as held,
        boxes.fresh() as analysing,
    ):
        with boxes.holding_back(held):
            held_to = boxes.target(held, Role.INGEST)
            floor, rates = alternate(
                options.rounds,
                lambda number: _post_singles(floor_to, number),
                lambda number: _post_singles(held_to, number),
            )
        held.kill()
        to = boxes.target(analysing, Role.INGEST)
        with_analysis = [_post_singles(to, number) for number in range(options.rounds)]
        analysing.kill()
        connection = _bare_table(folder / "bare.db")
        commits = [_bare_commits(connection, number) for number in range(options.rounds)]
        connection.close()
    fsync_ms = 1000 / sorted(commits)[len(commits) // 2]
    on = f"{ON}; {SINGLE_CONNECTIONS} connections"
    return [
        Row(
            name="accept single records",
            unit="requests/s",
            rounds=rates,
            floor_name="empty Starlette route, same server",
            floor_rounds=floor,
            bound=0.35,
            on=f"{on}; analysis held back",
        ),
        Row(
            name="the same against bare single commits",
            unit="requests/s",
            rounds=rates,
            floor_name=f"bare durable commits, one by one ({fsync_ms:.2f} ms each)",
            floor_rounds=commits,
            # The target holds for disks whose fsync takes 1 ms or more.
            bound=2.0 if fsync_ms >= 1 else None,
            on=f"{on}; analysis held back",
        ),
        Row(
            name="single records with analysis running",
            unit="requests/s",
            rounds=with_analysis,
            floor_name="empty Starlette route, same server",
            floor_rounds=floor,
            on=f"{on}; analysis on",
        ),
    ]


def _post_batches(to: Target, number: int) -> float:
    report = load.run(
        Spec(
            target=to,
            requests=BATCHES,
            batch=1_000,
            first=number * BATCHES * 1_000,
            connections=BATCH_CONNECTIONS,
        )
    )
    return report.rate * 1_000


def _post_singles(to: Target, number: int) -> float:
    return load.run(
        Spec(
            target=to,
            requests=SINGLES_MADE,
            first=number * SINGLES_MADE,
            connections=SINGLE_CONNECTIONS,
            seconds=SINGLE_SECONDS,
        )
    ).rate


@contextlib.contextmanager
def empty_route() -> Iterator[Target]:
    """A Starlette application with one empty route, in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.empty_route"], cwd=REPOSITORY, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield Target(process.stdout.readline().decode().strip())
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def _bare_table(path: Path) -> sqlite3.Connection:
    connection = connect_writer(path)
    connection.execute(
        "CREATE TABLE records (id INTEGER PRIMARY KEY, key TEXT NOT NULL, payload BLOB NOT NULL)"
    )
    return connection


def _bare_bulk(connection: sqlite3.Connection, bodies: list[bytes], number: int) -> float:
    """The records are decoded before the clock starts: this is storing alone."""
    rows = [
        [(record["id"], msgspec.json.encode(record)) for record in msgspec.json.decode(body)["records"]]
        for body in bodies
    ]
    base = number * BATCHES * 1_000
    began = time.perf_counter()
    for position, batch in enumerate(rows):
        first = base + position * 1_000
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(
            "INSERT INTO records VALUES (?, ?, ?)",
            [(first + index, key, payload) for index, (key, payload) in enumerate(batch)],
        )
        connection.execute("COMMIT")
    return len(rows) * 1_000 / (time.perf_counter() - began)


def _bare_commits(connection: sqlite3.Connection, number: int) -> float:
    rows = [
        (number * COMMITS + index, str(record["id"]), msgspec.json.encode(record))
        for index, record in enumerate(texts.tickets(2, COMMITS))
    ]
    began = time.perf_counter()
    for row in rows:
        connection.execute("INSERT INTO records VALUES (?, ?, ?)", row)
    return COMMITS / (time.perf_counter() - began)
