"""A long backlog of deliveries: how soon a box with one is ready, what it holds in memory while it drains,
and what a lane spends on what it leaves out.

The deliveries are written to the store directly, as settling writes them, one in a hundred of a workspace of
its own. Every lane has a name of its own, and so begins before the first of them.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import NamedTuple

import msgspec

from benchmarks import boxes, texts
from benchmarks.forwarding import PATIENCE, aim, arrived, pace, sink
from benchmarks.load import Target
from benchmarks.memory import seconds_to_ready
from benchmarks.report import Options, Row
from ingestbox.store import DATABASE, load_queries
from ingestbox.store.engine import connect_writer
from ingestbox.store.enqueued import count_enqueued
from ingestbox.store.unit import Tx
from tests.forward.support import START_MS, ticket_line
from tests.harness import BoxProcess, running, until

COUNT, FULL_COUNT = 100_000, 1_000_000
TOGETHER = 5_000
"""Deliveries written in one transaction."""
RARE = "rare"
EVERY = 100
"""One delivery in so many is of the rare workspace."""
NOWHERE = Target("http://127.0.0.1:9")
"""The discard port: nobody listens, so that a lane to it waits."""

_Row = tuple[int, str, str, str, str, str, str, int, int, int, bytes, int]


def measure(options: Options) -> list[Row]:
    """Starts, memory and paces."""
    count = FULL_COUNT if options.full else COUNT
    with boxes.scratch() as folder:
        with running(folder):
            pass  # makes the store
        size = _fill(folder / "data", count) / count / 1_000_000
        edge = BoxProcess(folder)
        try:
            return _rows(edge, count, size, options.rounds)
        finally:
            if edge.process is not None:
                edge.kill()


def _rows(edge: BoxProcess, count: int, size: float, rounds: int) -> list[Row]:
    new, known, whole, some, memory, spent = [], [], [], [], [], []
    for number in range(rounds):
        edge.configure(f'[[lanes]]\nname = "waiting{number}"\nurl = "{NOWHERE.url}"\n')
        new.append(seconds_to_ready(edge))
        edge.kill()
        known.append(seconds_to_ready(edge))
        some.append(
            _drained(edge, f"some{number}", count, f'workspaces = ["{RARE}"]\nbatch_lines = 50\n').pace
        )
        drain = _drained(edge, f"whole{number}", count, "")
        whole.append(drain.pace)
        memory.append(drain.megabytes)
        spent.append(size * drain.a_cpu_second)
        edge.kill()
    on = f"FULL, zstd, to a bare sink; {count:,} deliveries of {1_000_000 * size:.0f} bytes"
    ready = "FULL; until /readyz answers 200"
    return [
        Row(
            name=f"memory while {count:,} deliveries drain",
            unit="MB",
            rounds=memory,
            bound=250.0,
            bound_is="most",
            on=f"PSS, the most seen; {on}",
        ),
        Row(
            name=f"drain of {count:,} deliveries",
            unit="MB/s",
            rounds=[size * each for each in whole],
            bound=20.0,
            on=on,
        ),
        Row(name=f"drain of {count:,} deliveries", unit="MB a CPU second", rounds=spent, on=on),
        Row(
            name="a lane that takes one delivery in a hundred",
            unit="deliveries/s",
            rounds=some,
            floor_name="all of them sent",
            floor_rounds=whole,
            bound=1.0,
            on=f"counted with what it leaves out; {on}",
        ),
        Row(
            name=f"start to ready with {count:,} pending deliveries, after a kill",
            unit="s",
            rounds=known,
            bound=5.0,
            bound_is="most",
            on=ready,
        ),
        Row(
            name=f"start to ready with a new lane, which has {count:,} to deliver",
            unit="s",
            rounds=new,
            bound=5.0,
            bound_is="most",
            on=f"{ready}; the lane's lines are counted first",
        ),
    ]


class _Drain(NamedTuple):
    """Deliveries a second, the most memory seen, and deliveries for a second of the box's CPU."""

    pace: float
    megabytes: float
    a_cpu_second: float


def _drained(edge: BoxProcess, lane: str, count: int, more: str) -> _Drain:
    """Starts the box with one lane to a bare sink, and waits until it has gone through everything."""
    with sink() as upstream:
        aim(edge, lane, Target(upstream.url), more)
        peak = boxes.Peak(edge)
        gone, began = arrived(upstream.moments()), boxes.cpu_seconds(edge)
        until(lambda: peak.look() or arrived(upstream.moments()) == count, "the lane is drained", PATIENCE)
        spent = boxes.cpu_seconds(edge) - began
        return _Drain(pace(upstream.moments()), peak.most, (count - gone) / spent)


def _fill(data: Path, count: int) -> int:
    """Makes deliveries in a store that nobody has open; their bytes."""
    records = list(texts.tickets(1, TOGETHER))
    size = 0
    connection = connect_writer(data / DATABASE)
    try:
        connection.execute("PRAGMA synchronous = OFF")  # of the store of a benchmark, while it is made
        tx = Tx(connection, load_queries({}))
        box, epoch, *_ = tx.all("box.identity")[0]
        for start in range(1, count + 1, TOGETHER):
            rows = [
                _delivery(box, epoch, seq, records[seq - start])
                for seq in range(start, min(start + TOGETHER, count + 1))
            ]
            connection.execute("BEGIN IMMEDIATE")
            tx.one("box.take_seqs", {"n": len(rows)})
            tx.many("deliveries.insert", rows)
            count_enqueued(tx, [(row[3], row[4], row[5], row[2], False, len(row[10])) for row in rows])
            connection.execute("COMMIT")
            size += sum(len(row[10]) for row in rows)
        connection.execute("PRAGMA wal_checkpoint (TRUNCATE)")
    finally:
        connection.close()
    return size


def _delivery(box: str, epoch: str, seq: int, record: dict[str, object]) -> _Row:
    """A row of `deliveries`."""
    workspace = RARE if seq % EVERY == 0 else "default"
    line = msgspec.json.encode(ticket_line(box, epoch, seq, workspace=workspace, record=record))
    name = f"T-{seq}"
    columns = (workspace, "feedback", "ticket", name, 1, seq, START_MS)
    return (seq, epoch, "put", *columns, line, zlib.crc32(line))
