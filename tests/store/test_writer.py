"""The writer: group commit, units that fail alone, a full store, callers that go away."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from ingestbox.config import Limits
from ingestbox.config import Store as StoreSettings
from ingestbox.errors import IngestError
from ingestbox.family import Batch, Intake
from ingestbox.store import Store, writer
from ingestbox.store.engine import sqlite3
from ingestbox.store.intake import AcceptBatch, Draft
from ingestbox.store.unit import Tx
from tests.store.support import with_store


@dataclass(frozen=True, slots=True)
class MakeKey:
    """Inserts a row with a unique digest, then raises if asked to."""

    digest: str
    error: Exception | None = None
    weight: int = 1

    def apply(self, tx: Tx) -> int:
        row = tx.one(
            "keys.insert",
            {
                "digest": self.digest,
                "name": "x" * 1000,
                "roles": "ingest",
                "workspace": "w",
                "created_by": "test",
                "now": 1,
                "expires_ms": None,
            },
        )
        assert row is not None
        if self.error is not None:
            raise self.error
        return int(row[0])


@dataclass(frozen=True, slots=True)
class Hold:
    """Keeps the writer's thread until the event is set, so that other units gather behind it."""

    started: threading.Event
    release: threading.Event
    weight: int = 1

    def apply(self, tx: Tx) -> None:
        self.started.set()
        assert self.release.wait(20)


class Held:
    """The writer, busy with a unit until `let_go`."""

    def __init__(self, store: Store) -> None:
        self._unit = Hold(threading.Event(), threading.Event())
        self.task = asyncio.create_task(store.write(self._unit))

    async def begun(self) -> Held:
        await asyncio.to_thread(self._unit.started.wait, 20)
        return self

    async def let_go(self) -> None:
        self._unit.release.set()
        await asyncio.wait([self.task])


async def until_waiting(store: Store, count: int) -> None:
    """Lets the writer run until exactly this many units wait."""
    while store.waiting != count:  # noqa: ASYNC110 - the writer has no event for a test
        await asyncio.sleep(0)


async def names(store: Store) -> list[str]:
    rows = await store.read("keys.page_everywhere", {"below": 1 << 62, "limit": 10_000})
    return [row[1] for row in rows]


async def digests(store: Store, *wanted: str) -> list[bool]:
    return [bool(await store.read("keys.by_digest", {"digest": each})) for each in wanted]


async def gathered(store: Store, *units: MakeKey) -> list[object]:
    """Runs the units in one group."""
    held = await Held(store).begun()
    tasks = [asyncio.create_task(store.write(unit)) for unit in units]
    await until_waiting(store, len(units))
    await held.let_go()
    return await asyncio.gather(*tasks, return_exceptions=True)


def test_what_waits_shares_one_commit(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        before = store.stats.groups
        results = await gathered(store, *[MakeKey(str(number)) for number in range(50)])
        assert len(set(results)) == 50  # each unit got its own answer
        assert store.stats.groups - before == 2  # the holding one, then all fifty
        assert store.stats.largest_group == 50

    with_store(tmp_path, body)


@pytest.mark.parametrize("error", [RuntimeError("mine"), sqlite3.IntegrityError("mine"), ValueError("mine")])
def test_a_unit_that_fails_fails_alone(tmp_path: Path, error: Exception) -> None:
    async def body(store: Store) -> None:
        results = await gathered(store, MakeKey("a"), MakeKey("b", error), MakeKey("c"))
        assert isinstance(results[0], int) and isinstance(results[2], int)
        assert results[1] is error
        assert await digests(store, "a", "b", "c") == [True, False, True]

    with_store(tmp_path, body)


def test_a_constraint_that_breaks_undoes_its_unit_alone(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        results = await gathered(store, MakeKey("same"), MakeKey("same"), MakeKey("other"))
        assert [type(result) for result in results] == [int, sqlite3.IntegrityError, int]

    with_store(tmp_path, body)


def test_a_failing_unit_by_itself(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        with pytest.raises(RuntimeError, match="mine"):
            await store.write(MakeKey("a", RuntimeError("mine")))
        assert await digests(store, "a") == [False]
        await store.write(MakeKey("a"))
        assert await digests(store, "a") == [True]

    with_store(tmp_path, body)


def test_a_cancelled_caller_leaves_no_open_transaction(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        held = await Held(store).begun()
        waiting = asyncio.create_task(store.write(MakeKey("a")))
        await until_waiting(store, 1)
        held.task.cancel()  # its unit is running
        waiting.cancel()  # its unit waits
        await held.let_go()
        await asyncio.gather(waiting, return_exceptions=True)
        await store.write(MakeKey("b"))
        assert await digests(store, "b") == [True]
        # A unit whose caller went away before it began is not run: nobody was told of it.
        assert await digests(store, "a") == [False]

    with_store(tmp_path, body)


def test_past_the_backlog_intake_is_refused_and_work_is_not(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        held = await Held(store).begun()
        tasks = [asyncio.create_task(store.write(MakeKey(str(n)), intake=True)) for n in range(3)]
        await until_waiting(store, 3)
        with pytest.raises(IngestError) as caught:
            await store.write(MakeKey("more"), intake=True)
        assert (caught.value.code, caught.value.status) == ("overloaded", 503)
        assert caught.value.retry_after is not None
        work = asyncio.create_task(store.write(MakeKey("work")))
        admitted = asyncio.create_task(store.write(MakeKey("admitted"), intake=True, admitted=True))
        await until_waiting(store, 5)
        await held.let_go()
        await asyncio.gather(*tasks, work, admitted)

    with_store(tmp_path, body, limits=Limits(waiting_writes=3))


async def fill(store: Store, prefix: str, *, intake: bool) -> int:
    """Writes until the store refuses; how many fitted."""
    for number in range(100_000):
        try:
            await store.write(MakeKey(f"{prefix}{number}"), intake=intake)
        except IngestError as error:
            assert (error.code, error.status) == ("storage_full", 507)
            assert error.retry_after is not None
            return number
    raise AssertionError("a store of 1 MB takes everything")


def test_a_full_store_refuses_and_loses_nothing(tmp_path: Path) -> None:
    stored = 0

    async def body(store: Store) -> None:
        nonlocal stored
        stored = await fill(store, "k", intake=False)
        assert store.trouble is not None
        assert len(await names(store)) == stored  # what was answered is there, the refused one is not

    async def after(store: Store) -> None:
        assert len(await names(store)) == stored
        await store.write(MakeKey("again"), intake=True)
        assert store.trouble is None

    with_store(tmp_path, body, settings=StoreSettings(max_mb=1))
    assert stored > 100
    with_store(tmp_path, after)


def test_the_reserve_is_not_for_the_intake(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        await store.write(MakeKey("first"), intake=True)
        assert not store.cap.tight
        taken = await fill(store, "k", intake=True)
        assert store.cap.tight and store.trouble is None
        with pytest.raises(IngestError, match="cap"):
            await store.write(Heavy(), intake=True, admitted=True)
        await store.write(MakeKey("end"), intake=True, admitted=True)  # the end of a batch that is in
        more = await fill(store, "w", intake=False)
        assert taken >= 30 and more >= 30  # a kilobyte each
        assert store.trouble is not None

    with_store(tmp_path, body, settings=StoreSettings(max_mb=2, reserve_percent=20))


def test_what_waits_when_the_reserve_is_reached_is_refused(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        held = await Held(store).begun()
        first = asyncio.create_task(store.write(Many(1_500), intake=True))
        await until_waiting(store, 1)
        others = [asyncio.create_task(store.write(Heavy(), intake=True)) for _ in range(3)]
        work = asyncio.create_task(store.write(MakeKey("work")))
        await until_waiting(store, 5)
        await held.let_go()
        await first
        results = await asyncio.gather(*others, return_exceptions=True)
        assert isinstance(await work, int)
        assert isinstance(results[-1], IngestError) and results[-1].code == "storage_full"

    with_store(tmp_path, body, settings=StoreSettings(max_mb=4, reserve_percent=50))


def test_room_that_comes_back_lets_records_in_again(tmp_path: Path) -> None:
    """But not for a row or two: a hundredth of the cap has to be free below the mark."""

    async def body(store: Store) -> None:
        taken = await fill(store, "k", intake=True)
        for number in range(taken):
            await store.write(Forget(f"k{number}"))
            if not store.cap.tight:
                break
        assert 6 <= number <= 30
        assert await fill(store, "n", intake=True) >= 1

    with_store(tmp_path, body, settings=StoreSettings(max_mb=2, reserve_percent=20))


def test_at_the_hard_end_what_needs_no_room_goes_on(tmp_path: Path) -> None:
    """Work that came together does not fail together."""

    async def body(store: Store) -> None:
        await fill(store, "k", intake=False)
        held = await Held(store).begun()
        large = asyncio.create_task(store.write(Many(300)))
        forget = [asyncio.create_task(store.write(Forget(f"k{number}"))) for number in range(20)]
        await until_waiting(store, 21)
        await held.let_go()
        results = await asyncio.gather(large, *forget, return_exceptions=True)
        assert isinstance(results[0], IngestError) and results[0].code == "storage_full"
        assert results[1:] == [1] * 20

    with_store(tmp_path, body, settings=StoreSettings(max_mb=1))


@dataclass(frozen=True, slots=True)
class Forget:
    """Removes a row; how many there were."""

    digest: str
    weight: int = 1

    def apply(self, tx: Tx) -> int:
        return len(
            tx._connection.execute(
                "DELETE FROM api_keys WHERE digest = ? RETURNING 1", (self.digest,)
            ).fetchall()
        )


def test_a_full_store_fails_intake_before_work(tmp_path: Path) -> None:
    """In one group: the large unit of the intake does not take the small one of the work along."""

    async def body(store: Store) -> None:
        held = await Held(store).begun()
        intake = asyncio.create_task(store.write(Many(3_000), intake=True))
        work = asyncio.create_task(store.write(MakeKey("work")))
        await until_waiting(store, 2)
        await held.let_go()
        results = await asyncio.gather(intake, work, return_exceptions=True)
        assert isinstance(results[0], IngestError) and results[0].code == "storage_full"
        assert isinstance(results[1], int)
        assert await digests(store, "work", "m0") == [True, False]

    with_store(tmp_path, body, settings=StoreSettings(max_mb=1))


@dataclass(frozen=True, slots=True)
class Many:
    """More than fits into one megabyte."""

    count: int
    weight: int = 1

    def apply(self, tx: Tx) -> None:
        for number in range(self.count):
            MakeKey(f"m{number}").apply(tx)


@dataclass(frozen=True, slots=True)
class Heavy:
    """A unit as heavy as a batch of a thousand: no two of them share a transaction."""

    weight: int = 1_002

    def apply(self, tx: Tx) -> None:
        pass


@pytest.mark.parametrize("intake", [True, False])
def test_units_that_fill_a_group_do_not_starve_the_other_lane(tmp_path: Path, intake: bool) -> None:
    async def body(store: Store) -> None:
        held = await Held(store).begun()
        crowd = [asyncio.create_task(store.write(Heavy(), intake=intake)) for _ in range(20)]
        await until_waiting(store, 20)
        one = asyncio.create_task(store.write(Heavy(), intake=not intake))
        await until_waiting(store, 21)
        await held.let_go()
        await one
        assert sum(task.done() for task in crowd) <= 2  # it did not wait for the crowd to pass
        await asyncio.gather(*crowd)

    with_store(tmp_path, body)


@pytest.mark.parametrize("intake", [True, False])
def test_a_small_unit_does_not_wait_behind_large_ones_nor_they_behind_small_ones(
    tmp_path: Path, intake: bool
) -> None:
    async def body(store: Store) -> None:
        held = await Held(store).begun()
        large = [asyncio.create_task(store.write(Heavy(), intake=intake)) for _ in range(10)]
        await until_waiting(store, 10)
        small = [asyncio.create_task(store.write(MakeKey(f"k{n}"), intake=intake)) for n in range(3_000)]
        await until_waiting(store, 3_010)
        await held.let_go()
        await small[0]
        assert sum(task.done() for task in large) <= 2
        await large[1]
        assert not small[-1].done()
        await asyncio.gather(*large, *small)

    with_store(tmp_path, body, limits=Limits(waiting_writes=10_000))


def test_large_records_are_not_all_written_in_one_group(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        held = await Held(store).begun()
        tasks = []
        for number in range(12):
            batch = Batch("feedback", "json_api", "x", [Intake("a", b"x" * 1_000_000)])
            unit = AcceptBatch(Draft(f"j{number}", "w", "t", 1), batch, None, lambda *_: b"")
            tasks.append(asyncio.create_task(store.write(unit, intake=True)))
        await until_waiting(store, 12)
        await held.let_go()
        await asyncio.gather(*tasks)
        assert store.stats.largest_group <= 4  # megabytes

    with_store(tmp_path, body)


def test_the_writer_survives_what_is_no_error_of_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an I/O error the connection is opened anew; that may fail in ways that are not SQLite's."""

    async def body(store: Store) -> None:
        with pytest.raises(IngestError):
            await store.write(MakeKey("a", sqlite3.OperationalError("disk I/O error")))

        def no_thread(_: Path) -> sqlite3.Connection:
            raise RuntimeError("can't start new thread")

        with monkeypatch.context() as patch:
            patch.setattr(writer, "connect_writer", no_thread)
            for _ in range(2):
                with pytest.raises(IngestError) as caught:
                    async with asyncio.timeout(20):
                        await store.write(MakeKey("b"))
                assert caught.value.code == "store_unavailable"
            assert store.trouble is not None
        await store.write(MakeKey("c"))
        assert store.trouble is None
        assert await digests(store, "a", "b", "c") == [False, False, True]

    with_store(tmp_path, body)


def test_stopping_commits_what_waits(tmp_path: Path) -> None:
    async def body(store: Store) -> list[asyncio.Task[int]]:
        tasks = [asyncio.create_task(store.write(MakeKey(str(number)))) for number in range(10)]
        await until_waiting(store, 10)
        return tasks

    tasks = with_store(tmp_path, body)
    assert all(task.done() and task.exception() is None for task in tasks)

    async def count(store: Store) -> int:
        return len(await names(store))

    assert with_store(tmp_path, count) == 10
    assert not (tmp_path / "ingestbox.db-wal").exists()  # folded into the database
