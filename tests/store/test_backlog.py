"""How many records wait: counted now and then, never taken for fewer than there are."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ingestbox.errors import IngestError
from ingestbox.family import Batch, Intake
from ingestbox.model import Caller, Role
from ingestbox.store import Store
from ingestbox.store.backlog import COUNT_SECONDS, Backlog
from ingestbox.store.cap import Cap
from ingestbox.store.claim import ClaimJob
from ingestbox.web.box import StoreBox
from ingestbox.web.idempotency import named
from tests.store.support import with_store
from tests.web.support import HeldClock

CALLER = Caller("local:tester", "default", frozenset({Role.INGEST}))
PATH = "/api/data-ingest"


def asking(**headers: str) -> Any:
    """A request with these header fields."""
    where = {"method": "POST", "route_path": PATH, "url_path": PATH, "query_string": ""}
    return SimpleNamespace(caller=CALLER, **where, body=b"", headers=headers)


ASK = asking()


def batch(size: int) -> Batch:
    return Batch("feedback", "json_api", "b", [Intake(str(number), b"{}") for number in range(size)])


async def take(store: Store, backlog: Backlog, size: int) -> None:
    await backlog.admit()
    await StoreBox(store, lambda _: None, backlog).accept(ASK, batch(size), lambda *_: {})


async def refused(backlog: Backlog) -> IngestError | None:
    try:
        await backlog.admit()
    except IngestError as error:
        return error
    return None


def test_records_are_refused_from_the_limit_on(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        backlog = Backlog(store, 30)
        for _ in range(3):
            await take(store, backlog, 10)
        error = await refused(backlog)
        assert error is not None
        assert (error.code, error.status, error.retry_after) == ("overloaded", 429, 5)
        assert "30 records wait" in error.detail

    with_store(tmp_path, body, clock=HeldClock())


def test_what_waited_at_the_start_counts_with_the_first_request(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        await take(store, Backlog(store, 0), 1_500)  # enters in chunks
        assert await refused(Backlog(store, 1_500)) is not None
        assert await refused(Backlog(store, 1_501)) is None

    with_store(tmp_path, body, clock=HeldClock())


def test_what_was_worked_off_or_given_up_is_seen_by_the_next_count(tmp_path: Path) -> None:
    clock = HeldClock()

    async def body(store: Store) -> None:
        backlog = Backlog(store, 20)
        await take(store, backlog, 20)
        assert await refused(backlog) is not None
        (job_id,) = (await store.read("jobs.due", {"now": clock.ms, "horizon": 1, "limit": 1}))[0]
        await store.write(ClaimJob(job_id, "worker", 1e12, clock.ms))
        clock.ms += int(COUNT_SECONDS * 1000)
        assert await refused(backlog) is not None, "what is worked on still waits"
        await store.write(Ended(job_id))
        assert await refused(backlog) is not None, "a count is good for a second"
        clock.ms += int(COUNT_SECONDS * 1000)
        assert await refused(backlog) is None
        assert backlog.waiting == 0

    with_store(tmp_path, body, clock=clock)


def test_what_is_being_written_counts_and_what_failed_does_not(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        backlog = Backlog(store, 10)
        assert await refused(backlog) is None
        with backlog.entering(10):
            assert await refused(backlog) is not None
        assert await refused(backlog) is not None
        other = Backlog(store, 10)
        assert await refused(other) is None
        with pytest.raises(IngestError), other.entering(10):
            raise IngestError("storage_full")
        assert await refused(other) is None

    with_store(tmp_path, body, clock=HeldClock())


def test_a_count_forgets_nothing_that_came_while_it_ran(tmp_path: Path) -> None:
    clock = HeldClock()

    async def body(store: Store) -> None:
        backlog = Backlog(store, 100)
        await take(store, backlog, 10)
        clock.ms += int(COUNT_SECONDS * 1000)
        # Admitted at once, while the count goes on: each sees those before it.
        await asyncio.gather(*(take(store, backlog, 10) for _ in range(9)))
        assert backlog.waiting >= 100
        assert await refused(backlog) is not None

    with_store(tmp_path, body, clock=clock)


def test_what_came_in_during_a_count_is_not_lost_with_it() -> None:
    class Slow:
        """A store whose count is read before, and answered after, other records came in."""

        clock = HeldClock()
        cap = Cap(0, 5)

        def __init__(self) -> None:
            self.asked = asyncio.Event()
            self.go_on = asyncio.Event()

        async def read(self, query: str) -> list[tuple[Any, ...]]:
            self.asked.set()
            await self.go_on.wait()
            return [(3,)]

    async def main() -> None:
        slow: Any = Slow()
        backlog = Backlog(slow, 10)
        with backlog.entering(2):  # before the count, which has these among its three
            pass
        first = asyncio.create_task(refused(backlog))
        await slow.asked.wait()
        with backlog.entering(8):
            pass
        slow.go_on.set()
        assert await first is not None
        assert backlog.waiting == 11

    asyncio.run(main())


def test_a_flood_leads_over_the_limit_by_one_batch_at_most(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        backlog = Backlog(store, 4_000)
        box = StoreBox(store, lambda _: None, backlog)
        for _ in range(50):  # all are let in, and then their bodies are read
            await backlog.admit()
        answers = await asyncio.gather(
            *(box.accept(ASK, batch(1_500), lambda *_: {}) for _ in range(50)), return_exceptions=True
        )
        refused = [each for each in answers if isinstance(each, IngestError)]
        assert {(each.code, each.status) for each in refused} == {("overloaded", 429)}
        assert len(answers) - len(refused) == 3
        assert (await store.read("backlog.waiting"))[0][0] == 4_500

    with_store(tmp_path, body, clock=HeldClock())


def test_a_known_key_gets_its_answer_whatever_waits(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        backlog = Backlog(store, 10)
        box = StoreBox(store, lambda _: None, backlog)
        known, new = asking(**{"idempotency-key": "known"}), asking(**{"idempotency-key": "new"})
        first = await box.accept(known, batch(10), lambda public_id, _: {"job": public_id})
        name = named(CALLER, "POST", PATH, known.headers)
        await backlog.admit(name)
        again = await box.accept(known, batch(10), lambda *_: {})
        assert again.body == first.body
        assert again.headers == (("Idempotency-Replayed", "true"),)
        with pytest.raises(IngestError, match="overloaded"):
            await backlog.admit(named(CALLER, "POST", PATH, new.headers))
        with pytest.raises(IngestError, match="overloaded"):
            await backlog.admit(named(CALLER, "POST", "/v1/other", known.headers))
        with pytest.raises(IngestError, match="overloaded"):
            await box.accept(new, batch(10), lambda *_: {})

    with_store(tmp_path, body, clock=HeldClock())


def test_many_at_once_lead_to_one_count(tmp_path: Path) -> None:
    clock = HeldClock()

    class Watched:
        def __init__(self, store: Store) -> None:
            self.counts = 0
            self.clock = store.clock
            self.cap = store.cap
            self._store = store

        async def read(self, query: str) -> list[tuple[Any, ...]]:
            self.counts += 1
            return await self._store.read(query)

    async def body(store: Store) -> None:
        watched: Any = Watched(store)
        backlog = Backlog(watched, 1)
        with backlog.entering(1):
            for rounds in (1, 2):
                found = await asyncio.gather(*(refused(backlog) for _ in range(50)))
                assert all(found)
                assert watched.counts == rounds
                clock.ms += int(COUNT_SECONDS * 1000)

    with_store(tmp_path, body, clock=clock)


def test_a_store_that_cannot_be_read_does_not_close_the_door(tmp_path: Path) -> None:
    class Unreadable:
        clock = HeldClock()
        cap = Cap(0, 5)

        async def read(self, query: str) -> list[tuple[Any, ...]]:
            raise IngestError("store_unavailable")

    async def main() -> None:
        unreadable: Any = Unreadable()
        assert await refused(Backlog(unreadable, 10)) is None

    asyncio.run(main())


class Ended:
    """A job whose records all have their outcome."""

    weight = 1

    def __init__(self, job_id: int) -> None:
        self._job_id = job_id

    def apply(self, tx: Any) -> None:
        tx._connection.execute(
            "UPDATE jobs SET state = 'completed', processed = total, owner = NULL WHERE id = ?",
            (self._job_id,),
        )
