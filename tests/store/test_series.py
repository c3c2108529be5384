"""What came in, was done and went upstream over time: exact, whatever the clock does and whenever it ends."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from ingestbox.errors import Fault
from ingestbox.family import Batch, Intake
from ingestbox.store import Store, series
from ingestbox.store.intake import AcceptBatch, Accepted, AddRecords, Draft, OpenJob, PublishJob
from ingestbox.store.series import DAY, HOUR, HOURS_SECONDS, MINUTE, Flow
from ingestbox.store.sight import Sight
from ingestbox.store.unit import Tx
from tests.forward.support import (
    START_MS,
    HeldClock,
    enqueue,
    forwarding,
    lane,
    opened,
    rejecting,
    run,
    until_async,
    upstream,
)
from tests.store.support import plan_of, with_store

NOW = START_MS // 1000
EVERYTHING = Sight(None)

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Do:
    """Runs a function in a transaction of its own."""

    work: Callable[[Tx], object]
    weight: int = 10

    def apply(self, tx: Tx) -> None:
        self.work(tx)


async def take_in(
    store: Store,
    records: int,
    *,
    faulty: int = 0,
    family: str = "feedback",
    workspace: str = "default",
    made_by: str = "local:ann",
) -> int:
    """A job of so many records at the clock's time; its id."""
    kept = [
        Intake(f"T-{n}", b"{}", Fault("missing", "no", n, "id") if n < faulty else None)
        for n in range(records)
    ]
    public = f"{family}-{workspace}-{made_by}-{next(_numbers)}"
    draft = Draft(public, workspace, made_by, store.clock.now_ms())
    batch = Batch(family, "json_api", "batch", kept)
    taken = await store.write(AcceptBatch(draft, batch, None, lambda *_: b"{}"))
    assert isinstance(taken, Accepted)
    return taken.job_id


async def settle(store: Store, job_id: int, processed: int, issues: int = 0, cursor: int = 0) -> None:
    """A worker settles a chunk."""
    now = store.clock.now_ms()
    claim = {"owner": "w", "lease_at": 0.0, "now": now, "horizon": 1, "id": job_id}
    chunk = {"tallies": "{}", "chunk_limit": 0, "lease_at": 0.0, "now": now, "id": job_id, "owner": "w"}
    counts = {"processed": processed, "issues": issues, "cursor": cursor + processed, "old_cursor": cursor}

    def work(tx: Tx) -> None:
        row = tx.one("jobs.claim", claim)
        assert row is not None
        assert tx.run("jobs.settle", {**chunk, **counts, "attempt": row[14]}) == 1
        tx.run("jobs.free_all")

    await store.write(Do(work))


async def flows(
    store: Store, sight: Sight = EVERYTHING, *, step: int = MINUTE, since: int = 0, until: int = NOW * 9
) -> dict[tuple[str, int], Flow]:
    found = await store.read_with(lambda tx: series.read(tx, sight, since, until, step))
    return {key: flow for key, flow in found.items() if flow != Flow()}


async def total(store: Store, sight: Sight = EVERYTHING) -> Flow:
    return series.total((await flows(store, sight)).values())


def check(folder: Path, body: Callable[[Store, HeldClock], Awaitable[None]]) -> None:
    clock = HeldClock()
    with_store(folder, lambda store: body(store, clock), clock=clock)


def test_records_count_in_the_minute_in_which_they_come_and_are_done(tmp_path: Path) -> None:
    async def body(store: Store, clock: HeldClock) -> None:
        first = await take_in(store, 10, faulty=2)
        clock.advance(30)
        await take_in(store, 5)
        clock.advance(90)
        await settle(store, first, 6, 1)
        assert await flows(store) == {
            ("feedback", NOW): Flow(received=15, finished=0, issues=2),
            ("feedback", NOW + 120): Flow(finished=5, issues=1),
        }

    check(tmp_path, body)


def test_a_batch_that_comes_in_pieces_counts_with_the_last(tmp_path: Path) -> None:
    async def body(store: Store, clock: HeldClock) -> None:
        records = [
            Intake(str(n), b"{}", Fault("missing", "no", n, "id") if n == 3 else None) for n in range(4)
        ]
        draft = Draft("pieces", "default", "local:ann", clock.now_ms())
        batch = Batch("feedback", "csv", "b", records)
        begun = await store.write(OpenJob(draft, batch, None))
        assert isinstance(begun, Accepted)
        await store.write(AddRecords(draft, batch, begun.job_id, 0, records))
        assert await flows(store) == {}
        clock.advance(60)
        await store.write(PublishJob(begun.job_id, b"{}", clock.now_ms()))
        assert await flows(store) == {("feedback", NOW + 60): Flow(received=4, issues=1)}

    check(tmp_path, body)


def test_what_is_worked_on_again_takes_nothing_back(tmp_path: Path) -> None:
    async def body(store: Store, clock: HeldClock) -> None:
        job = await take_in(store, 10)
        await settle(store, job, 10, 4)
        reopened = {"records": 4, "issues": 4, "index": 6, "now": clock.now_ms(), "id": job}
        await store.write(Do(lambda tx: tx.run("jobs.reopen", reopened)))
        assert await total(store) == Flow(10, 6, 4)
        await settle(store, job, 4, 1, cursor=6)
        assert await total(store) == Flow(10, 9, 5)

    check(tmp_path, body)


def test_what_a_person_gives_up_was_not_done(tmp_path: Path) -> None:
    async def body(store: Store, clock: HeldClock) -> None:
        job = await take_in(store, 10)
        await settle(store, job, 4, 2)
        discard = {"pending": 6, "issues": 2, "now": clock.now_ms(), "id": job}
        await store.write(Do(lambda tx: tx.run("jobs.discard", discard)))
        assert await total(store) == Flow(10, 2, 2)

    check(tmp_path, body)


def test_each_workspace_has_its_own_and_each_person_of_a_private_family(tmp_path: Path) -> None:
    async def body(store: Store, _: HeldClock) -> None:
        private = frozenset({"contacts"})
        await series.name_private(store, private)
        await series.name_private(store, private)
        for number, (family, workspace, made_by) in enumerate(
            [
                ("feedback", "default", "local:ann"),
                ("feedback", "default", "local:ben"),
                ("feedback", "north", "local:ann"),
                ("contacts", "default", "local:ann"),
                ("contacts", "default", "local:ben"),
                ("contacts", "north", "local:ann"),
            ]
        ):
            await take_in(store, 10**number, family=family, workspace=workspace, made_by=made_by)
        ann, north = Sight("default", "local:ann", private), Sight("north", "local:ann", private)
        assert (await total(store, ann)).received == 1_011
        assert (await total(store, Sight("default", "local:eve", private))).received == 11
        assert (await total(store, Sight("default", None, private))).received == 11_011
        assert (await total(store, north)).received == 100_100
        assert (await total(store, Sight(None, "local:ben", private))).received == 10_111
        assert (await total(store)).received == 111_111

    check(tmp_path, body)


def test_a_clock_that_jumps_moves_numbers_and_loses_none(tmp_path: Path) -> None:
    async def body(store: Store, clock: HeldClock) -> None:
        await take_in(store, 1)
        clock.wall_ms += 400 * DAY * 1000  # far ahead
        await take_in(store, 2)
        await series.tend(store)
        clock.wall_ms = START_MS - 2 * HOUR * 1000  # behind where it began
        await take_in(store, 4)
        await series.tend(store)
        clock.wall_ms = START_MS
        await take_in(store, 8)
        assert await flows(store) == {
            ("feedback", NOW - 2 * HOUR): Flow(4),
            ("feedback", NOW): Flow(8),
            ("feedback", NOW + 400 * DAY): Flow(2),
        }  # what was 90 days old by the clock's own word is gone, once

    check(tmp_path, body)


def test_minutes_become_hours_and_nothing_counts_twice_wherever_that_is_cut(tmp_path: Path) -> None:
    async def body(store: Store, clock: HeldClock) -> None:
        for _ in range(series.SLICE + 20):
            await take_in(store, 3)
            clock.advance(MINUTE)
        hours, days = await flows(store, step=HOUR), await flows(store, step=DAY)
        clock.advance(DAY + HOUR)
        before = (clock.now_ms() // 1000 - DAY) // HOUR * HOUR
        assert await store.write(series.RollUp(before)) == series.SLICE  # and the box is killed here
        assert await flows(store, step=HOUR) == hours
        assert await flows(store, step=DAY) == days
        await asyncio.gather(series.tend(store), series.tend(store))
        assert await flows(store, step=HOUR) == hours
        assert set(await flows(store)) == set(hours)
        clock.wall_ms = START_MS  # a late one: the clock was put back
        await take_in(store, 5)
        clock.wall_ms += (2 * DAY) * 1000
        await series.tend(store)
        first = ("feedback", NOW - NOW % HOUR)
        assert await flows(store) == {**hours, first: Flow(hours[first].received + 5)}

    check(tmp_path, body)


def test_what_is_young_stays_in_minutes_and_what_is_old_goes(tmp_path: Path) -> None:
    async def body(store: Store, clock: HeldClock) -> None:
        await take_in(store, 1)
        clock.advance(DAY)
        await series.tend(store)
        assert set(await flows(store)) == {("feedback", NOW)}
        clock.advance(HOUR)
        await series.tend(store)
        assert set(await flows(store)) == {("feedback", NOW - NOW % HOUR)}
        clock.advance(HOURS_SECONDS - DAY - HOUR - NOW % HOUR)
        await series.tend(store)
        assert (await total(store)).received == 1
        clock.advance(1)
        await series.tend(store)
        assert await flows(store) == {}

    check(tmp_path, body)


def test_what_a_lane_delivers_counts_but_for_what_was_refused(tmp_path: Path) -> None:
    async def main() -> None:
        clock = HeldClock()
        async with upstream() as up, opened(tmp_path, clock) as store:
            up.script = [rejecting(2, 5)]
            await enqueue(store, 8)
            async with forwarding(store, lane(up.url)) as forwarder:
                await until_async(lambda: delivered(store, 6), "six are delivered")
                clock.advance(120)
                await enqueue(store, 3)
                forwarder.wake()
                await until_async(lambda: delivered(store, 9), "three more are")
            assert await flows(store) == {
                ("feedback", NOW): Flow(delivered=6),
                ("feedback", NOW + 120): Flow(delivered=3),
            }
            private = frozenset({"feedback"})  # nobody's alone
            assert await total(store, Sight("default", "local:ann", private)) == Flow()
            assert (await total(store, Sight("default", None, private))).delivered == 9
            assert await total(store, Sight("north")) == Flow()

    run(main())


async def delivered(store: Store, wanted: int) -> bool:
    return (await total(store)).delivered == wanted


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("series.minutes", "PRIMARY KEY (workspace=? AND at>? AND at<?)"),
        ("series.hours", "PRIMARY KEY (workspace=? AND at>? AND at<?)"),
        ("series.minutes_everywhere", "series_minutes_by_time (at>? AND at<?)"),
        ("series.hours_everywhere", "series_hours_by_time (at>? AND at<?)"),
        ("series.old_minutes", "series_minutes_by_time (at<?)"),
        ("series.remove_minute", "PRIMARY KEY (workspace=? AND at=? AND family=? AND owner=?)"),
        ("series.prune", "series_hours_by_time (at<?)"),
        ("overview.made", "jobs_by_creator (workspace=? AND family=? AND created_by=?)"),
    ],
)
def test_reads_go_by_the_key(tmp_path: Path, query: str, wanted: str) -> None:
    plan = plan_of(tmp_path, query)
    assert any(wanted in line for line in plan), plan
