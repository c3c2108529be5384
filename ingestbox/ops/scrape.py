"""What metrics show of the parts of a running box, gathered when somebody asks.

Each number has one home (the store, a lane, the pool); nothing is counted a second time for metrics. All of
the store comes from tallies and ends of indexes in one read, so that a scrape costs a few milliseconds
whatever the store holds.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from prometheus_client.core import Metric

from ingestbox.errors import IngestError
from ingestbox.family import Gauge
from ingestbox.forward import LaneState
from ingestbox.metrics import counter, gauge
from ingestbox.model import JobState
from ingestbox.ops import boxes
from ingestbox.ops.health import IssuerState
from ingestbox.pipeline.pool import Pool
from ingestbox.store import ReadTx, Store, health, lanes, senders, tallies
from ingestbox.store.alarms import Raised
from ingestbox.store.health import Size
from ingestbox.store.lanes import LaneStatus
from ingestbox.store.tallies import Tallies
from ingestbox.web.http.server import HttpServer
from ingestbox.workqueue import Bell

READ_SECONDS = 2.0
"""How long a scrape waits for the store: Prometheus gives up after 10 s, and takes nothing then."""

LANE_STATES = ("running", "retrying", "paused")
UNFINISHED = frozenset({JobState.QUEUED.value, JobState.RUNNING.value})


@dataclass(frozen=True, slots=True)
class Parts:
    """Where the numbers are to be had. `server` is asked late: it is made after what shows it."""

    store: Store
    lanes: Callable[[], Sequence[LaneState]]
    issuers: Callable[[], Sequence[IssuerState]]
    alarms: Callable[[], Sequence[Raised]]
    server: Callable[[], HttpServer]
    pool: Pool
    bell: Bell
    families: Sequence[Callable[[ReadTx], Sequence[Gauge]]] = ()


async def gather(parts: Parts) -> list[Metric]:
    """Every number, now. Those of a store that cannot be read are left out: the others matter the more."""
    store = parts.store
    now = store.clock.now_ms()
    stored: list[Metric] = []
    with contextlib.suppress(IngestError, TimeoutError):
        async with asyncio.timeout(READ_SECONDS):
            size, found = await store.read_with(lambda tx: (health.size(tx), tallies.read(tx, None)))
            rows = await lanes.overview(store)
            sent = await senders.senders(store, boxes.MOST_BOXES)
            stored = [*_work(found, now), *_sums(rows, parts.lanes(), now), *_size(store, size)]
            stored += boxes.metrics(sent)
            for look in parts.families:
                stored += [
                    gauge(each.name, each.text, each.values, *each.labels)
                    for each in await store.read_with(look)
                ]
    return [
        gauge("store_readable", "0 while the store cannot be read.", float(bool(stored))),
        *stored,
        *_process(parts),
        *_writer(store),
        *_states(parts.lanes()),
        gauge(
            "issuer_up",
            "1 while an issuer's keys can be had.",
            {(issuer.name,): float(issuer.ok) for issuer in parts.issuers()},
            "issuer",
        ),
        gauge(
            "alarm_raised",
            "1 for each alarm that is raised.",
            {(alarm.name,): 1.0 for alarm in parts.alarms()},
            "alarm",
        ),
    ]


def _process(parts: Parts) -> Iterable[Metric]:
    server = parts.server()
    yield gauge("requests_in_flight", "Requests that are not answered yet.", server.under_way)
    if (connections := server.connections) is not None:
        yield gauge("connections", "Connections that are open.", len(connections))
        yield counter(
            "connections_ended",
            "Connections that the box ended: without room for them, to make room, or for being slow.",
            {
                ("refused",): connections.refused,
                ("evicted",): connections.evicted,
                ("timed_out",): connections.timed_out,
            },
            "reason",
        )
    children = parts.pool.pids
    yield gauge("children", "Processes for CPU work that are alive.", len(children))
    yield gauge(
        "children_resident_memory_bytes",
        "Memory of these processes; what they share counts for each.",
        sum(_memory(pid) for pid in children),
    )
    yield counter(
        "child_restarts", "Processes for CPU work that ended unasked or were killed.", parts.pool.restarts
    )
    servers = parts.pool.servers.states()
    yield gauge(
        "analysis_server_up",
        "1 while a server of the analysis answers as it should.",
        {(server.step,): float(server.failing is None) for server in servers},
        "step",
    )
    yield counter(
        "analysis_server_texts",
        "Texts for a server of the analysis: those that it did, and those that the box did instead.",
        {
            (server.step, by): float(number)
            for server in servers
            for by, number in (("server", server.answered), ("box", server.left))
        },
        "step",
        "by",
    )
    yield counter("worker_restarts", "Threads of the bell that died.", parts.bell.worker_restarts)
    yield gauge("bell_depth", "Jobs that the bell holds; the ledger may have more.", parts.bell.depth)


def _work(found: Tallies, now_ms: int) -> Iterable[Metric]:
    jobs: dict[tuple[str, ...], float] = {}
    pending: dict[tuple[str, ...], float] = {}
    for each in found.jobs:
        jobs[each.family, each.state] = each.jobs
        waits = each.records - each.processed if each.state in UNFINISHED else 0
        pending[each.family,] = pending.get((each.family,), 0) + waits
    yield gauge("jobs", "Jobs in the store.", jobs, "family", "state")
    yield gauge("records_pending", "Records that are not processed: the queue's depth.", pending, "family")
    yield gauge(
        "oldest_pending_seconds",
        "Age of the oldest job that is not finished: the queue's age. 0 without one.",
        _age(found.oldest_ms, now_ms),
    )
    yield gauge(
        "issues_open",
        "Issues that wait for a person; one of a staged family may hold several records.",
        {(family,): number for family, number in found.issues.items()},
        "family",
    )
    yield gauge(
        "staged_jobs",
        "Jobs whose rows wait for each other, and that are not at their end, by how far they are; `waiting` "
        "is for a person, `turn` for another job.",
        {place: float(number) for place, number in found.staged.items()},
        "family",
        "phase",
    )
    objects: dict[tuple[str, ...], float] = {}
    for one in found.objects:
        objects[one.family, one.kind, "remote" if one.remote else "own"] = one.objects
    yield gauge("objects", "Objects in the store.", objects, "family", "kind", "origin")


def _states(lanes: Sequence[LaneState]) -> Iterable[Metric]:
    yield gauge(
        "lane_state",
        "1 for the state that a lane is in.",
        {(lane.name, state): float(lane.state == state) for lane in lanes for state in LANE_STATES},
        "lane",
        "state",
    )


def _sums(rows: Sequence[LaneStatus], states: Sequence[LaneState], now_ms: int) -> Iterable[Metric]:
    configured = {state.name for state in states}
    shown = [row for row in rows if row.name in configured]

    def each(name: str, text: str, value: Callable[[LaneStatus], float]) -> Metric:
        return gauge(name, text, {(row.name,): value(row) for row in shown}, "lane")

    yield each("lane_pending", "Lines that wait to be delivered.", lambda row: row.pending)
    yield each(
        "lane_pending_bytes", "Bytes of these lines before compression.", lambda row: row.pending_bytes
    )
    yield each(
        "lane_oldest_pending_seconds",
        "Age of the oldest line that waits. 0 without one.",
        lambda row: _age(row.oldest_ms, now_ms),
    )
    yield each("lane_parked", "Lines that could not be delivered.", lambda row: row.parked)
    yield each("lane_discarded", "Lines that a person gave up.", lambda row: row.discarded)
    # Gauges, though they only grow: they are the lane's whole history, and the sum is what counts.
    yield each("lane_enqueued", "Lines that the lane ever had.", lambda row: row.enqueued)
    yield each("lane_delivered", "Lines of these that were delivered.", lambda row: row.delivered)
    yield each(
        "lane_imbalance",
        "Enqueued less delivered, parked and discarded, less what is pending as far as a scrape can count: "
        "anything but 0 is a defect. The doctor counts it all.",
        lambda row: row.imbalance,
    )


def _size(store: Store, size: Size) -> Iterable[Metric]:
    yield gauge("store_bytes", "Size of the database.", size.total)
    yield gauge("store_free_bytes", "Part of it in free pages, which are used again.", size.free)
    yield gauge("store_wal_bytes", "Size of the write-ahead log.", store.wal_bytes())


def _writer(store: Store) -> Iterable[Metric]:
    yield gauge(
        "disk_free_bytes", "Free space on the data folder's disk.", shutil.disk_usage(store.path.parent).free
    )
    yield gauge("store_writable", "0 after a write that failed.", float(store.trouble is None))
    yield gauge("writer_waiting", "Units of work that wait for a transaction.", store.waiting)
    yield counter("writer_failed_groups", "Transactions that failed.", store.stats.failed_groups)


def _age(since_ms: int | None, now_ms: int) -> float:
    return 0.0 if since_ms is None else max(0.0, (now_ms - since_ms) / 1000)


def _memory(pid: int) -> int:
    """Resident bytes of a process, 0 when it is gone."""
    with contextlib.suppress(OSError, IndexError, ValueError):
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    return 0
