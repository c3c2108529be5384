"""The bell, with real threads and files."""

from __future__ import annotations

import asyncio
import json
import logging
import stat
import threading
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from ingestbox.errors import StartupError
from ingestbox.store.engine import sqlite3
from ingestbox.workqueue import Bell
from tests.harness import Run


class Ledger:
    """What the store is to the bell: it knows what is unfinished, and survives."""

    def __init__(self) -> None:
        self.unfinished: set[int] = set()
        self.worked: Counter[int] = Counter()
        self.asked = 0
        self.order: list[int] = []

    async def work(self, job_id: int) -> None:
        self.worked[job_id] += 1
        self.order.append(job_id)
        self.unfinished.discard(job_id)

    async def due(self, limit: int) -> Sequence[int]:
        self.asked += 1
        return sorted(self.unfinished)[:limit]


async def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - threads and files set no event
            await asyncio.sleep(0.005)


def modes(folder: Path) -> dict[str, int]:
    return {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()}


Work = Callable[[int], Awaitable[None]]


@asynccontextmanager
async def hung(
    tmp_path: Path, ledger: Ledger, *, work: Work | None = None, sweep: float = 60.0, **options: Any
) -> AsyncIterator[Bell]:
    """A bell that has started and swept once."""
    bell = Bell(
        tmp_path / "bell.db",
        work=work or ledger.work,
        due=options.pop("due", ledger.due),
        workers=options.pop("workers", 4),
        sweep_seconds=sweep,
        **options,
    )
    await bell.start()
    try:
        if bell._due == ledger.due:
            await until(lambda: ledger.asked)
        yield bell
    finally:
        await bell.stop(0)
        assert not [one for one in threading.enumerate() if one.name.startswith(("Worker-", "bell-"))]
        assert asyncio.all_tasks() == {asyncio.current_task()}


def test_each_job_that_is_rung_is_worked_on_once(run: Run, tmp_path: Path) -> None:
    async def body() -> None:
        ledger = Ledger()
        async with hung(tmp_path, ledger) as bell:
            for job_id in range(1, 501):
                bell.ring(job_id)
            assert bell.depth == 500
            await until(lambda: len(ledger.worked) == 500)
            await until(lambda: bell.depth == 0)
            assert set(ledger.worked.values()) == {1}
            assert bell.healthy
            assert bell.worker_restarts == 0

    run(body())


def test_one_worker_takes_the_jobs_in_the_order_they_were_rung(run: Run, tmp_path: Path) -> None:
    async def body() -> None:
        ledger = Ledger()
        async with hung(tmp_path, ledger, workers=1) as bell:
            rung = [7, 3, 9, 1, 2**62]
            for job_id in rung:
                bell.ring(job_id)
            await until(lambda: len(ledger.order) == 5)
            assert ledger.order == rung

    run(body())


def test_a_job_that_waits_is_not_rung_twice_but_one_in_hand_is(run: Run, tmp_path: Path) -> None:
    async def body() -> None:
        ledger, gate = Ledger(), asyncio.Event()

        async def work(job_id: int) -> None:
            await ledger.work(job_id)
            await gate.wait()

        async with hung(tmp_path, ledger, work=work, workers=1) as bell:
            bell.ring(1)
            await until(lambda: ledger.worked[1])
            for _ in range(3):
                bell.ring(1)
                bell.ring(2)
            assert bell.depth == 2
            gate.set()
            await until(lambda: ledger.worked[2] and bell.depth == 0)
            assert ledger.worked == {1: 2, 2: 1}

    run(body())


def test_the_first_sweep_rings_for_what_the_ledger_holds(run: Run, tmp_path: Path) -> None:
    async def body() -> None:
        ledger = Ledger()
        ledger.unfinished = {5, 6, 7}
        async with hung(tmp_path, ledger):
            await until(lambda: not ledger.unfinished)
            assert ledger.order and ledger.asked == 1

    run(body())


def test_the_sweep_comes_again(run: Run, tmp_path: Path) -> None:
    async def body() -> None:
        ledger = Ledger()
        async with hung(tmp_path, ledger, sweep=0.05):
            ledger.unfinished.add(8)  # a retry time has come
            await until(lambda: ledger.worked[8])

    run(body())


def test_what_a_full_bell_refuses_comes_back_from_the_ledger_without_waiting_for_the_sweep(
    run: Run, tmp_path: Path
) -> None:
    async def body() -> None:
        ledger, gate = Ledger(), asyncio.Event()

        async def work(job_id: int) -> None:
            await gate.wait()
            await ledger.work(job_id)

        async with hung(tmp_path, ledger, work=work, capacity=20, sweep=3600.0) as bell:
            for job_id in range(1, 301):
                ledger.unfinished.add(job_id)
                bell.ring(job_id)
            assert bell.depth <= 20
            gate.set()
            await until(lambda: not ledger.unfinished)
            await until(lambda: bell.depth == 0)
            assert len(ledger.worked) == 300
            # Each question brings at least half a bell full; a question for each job would be many more.
            assert 300 / 20 <= ledger.asked <= 1 + 300 / 10 + 1

    run(body())


def test_a_dead_worker_is_replaced_and_its_job_rung_again(
    run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Fatal(BaseException):
        pass

    async def body() -> None:
        ledger = Ledger()
        async with hung(tmp_path, ledger, sweep=0.2, workers=2) as bell:
            take, deaths = bell._huey.storage.dequeue, iter([Fatal, Fatal])

            def dequeue() -> Any:
                if error := next(deaths, None):
                    raise error
                return take()

            bell._huey.storage.dequeue = dequeue
            ledger.unfinished = {1, 2}
            bell.ring(1)
            bell.ring(2)
            await until(lambda: bell.worker_restarts == 2)
            await until(lambda: ledger.worked[1] and ledger.worked[2])
            await until(lambda: bell.healthy)

    run(body())
    assert any("died and were replaced" in record.message for record in caplog.records)


def test_a_dead_worker_is_ill_health_until_the_sweep(run: Run, tmp_path: Path) -> None:
    async def body() -> None:
        ledger = Ledger()
        async with hung(tmp_path, ledger, workers=1) as bell:

            def dequeue() -> Any:
                raise SystemExit

            bell._huey.storage.dequeue = dequeue
            assert bell.healthy
            bell.ring(1)
            await until(lambda: not bell.healthy)

    run(body())


def test_work_that_fails_is_logged_with_its_stack_and_the_worker_goes_on(
    run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def body() -> None:
        ledger = Ledger()

        async def work(job_id: int) -> None:
            if job_id < 4:
                raise ValueError("broken")
            await ledger.work(job_id)

        async with hung(tmp_path, ledger, work=work, workers=1) as bell:
            for job_id in (1, 2, 3, 4):
                bell.ring(job_id)
            await until(lambda: ledger.worked[4])
            assert bell.worker_restarts == 0

    with caplog.at_level(logging.INFO, "ingestbox"):
        run(body())
    failed, recovered = caplog.records
    assert (failed.message, vars(failed)["job_id"]) == ("Work on a job failed.", 1)
    assert failed.exc_info and failed.exc_info[0] is ValueError
    assert (recovered.message, vars(recovered)["failures"]) == ("Work on jobs succeeds again.", 3)


def test_a_ledger_that_cannot_be_asked_is_logged_once_and_asked_again(
    run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def body() -> None:
        ledger = Ledger()
        ledger.unfinished = {1}

        async def due(limit: int) -> Sequence[int]:
            ids = await ledger.due(limit)
            if ledger.asked <= 3:
                raise OSError("away")
            return ids

        async with hung(tmp_path, ledger, due=due, sweep=0.02):
            await until(lambda: ledger.worked[1])

    with caplog.at_level(logging.INFO, "ingestbox"):
        run(body())
    assert [record.message for record in caplog.records] == [
        "The sweep failed; it goes on.",
        "The sweep works again.",
    ]


def test_a_bell_whose_file_breaks_is_hung_anew(run: Run, tmp_path: Path) -> None:
    async def body() -> None:
        ledger = Ledger()
        async with hung(tmp_path, ledger, sweep=0.1) as bell:
            with sqlite3.connect(tmp_path / "bell.db") as vandal:
                vandal.execute("drop table task")
            vandal.close()
            ledger.unfinished = set(range(1, 51))
            for job_id in ledger.unfinished:
                bell.ring(job_id)
            await until(lambda: not ledger.unfinished)
            await until(lambda: bell.healthy and bell.depth == 0)

    run(body())


def test_a_stop_waits_for_work_in_hand_and_begins_no_other(run: Run, tmp_path: Path) -> None:
    async def body() -> None:
        ledger, begun, gate = Ledger(), asyncio.Event(), asyncio.Event()

        async def work(job_id: int) -> None:
            begun.set()
            await gate.wait()
            await ledger.work(job_id)

        async with hung(tmp_path, ledger, work=work, workers=1) as bell:
            bell.ring(1)
            bell.ring(2)
            await begun.wait()
            stopping = asyncio.create_task(bell.stop(60))
            await until(lambda: bell._stopping)
            bell.ring(3)
            gate.set()
            await stopping
            assert ledger.worked == {1: 1}
            assert not bell.healthy
            with pytest.raises(sqlite3.ProgrammingError):  # nobody can open the file again by using it
                bell._huey.pending_count()

    run(body())


def test_a_stop_does_not_begin_a_job_that_is_on_its_way(run: Run, tmp_path: Path) -> None:
    async def body() -> None:
        ledger = Ledger()
        async with hung(tmp_path, ledger, workers=1) as bell:
            bell.ring(1)
            while bell._ids.qsize() or bell._huey.storage.queue_size() or not bell._huey._tasks_in_flight:
                pass  # without giving way to the loop, so that the worker's call has to wait
            await bell.stop(60)
            assert not ledger.worked

    run(body())


def test_a_stop_ends_the_ringer_even_with_rings_before_it(run: Run, tmp_path: Path) -> None:
    async def body() -> None:
        ledger = Ledger()
        async with hung(tmp_path, ledger, workers=1) as bell:
            with bell._huey.storage.lock:
                bell.ring(1)
                await until(bell._ids.empty)  # the ringer waits for the file
                bell.ring(2)
                stopping = asyncio.create_task(bell.stop(60))
                await until(lambda: bell._ids.qsize() == 2)
            await stopping
            assert not bell._ringer.is_alive()

    run(body())


def test_a_stop_does_not_wait_for_work_that_never_ends(run: Run, tmp_path: Path) -> None:
    async def body() -> None:
        ledger, handed_back = Ledger(), []

        async def work(job_id: int) -> None:
            await ledger.work(job_id)
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                await asyncio.sleep(0)  # as a write to the store would
                handed_back.append(job_id)
                raise

        async with hung(tmp_path, ledger, work=work, workers=2) as bell:
            bell.ring(1)
            bell.ring(2)
            await until(lambda: len(ledger.worked) == 2)
            async with asyncio.timeout(10):
                await bell.stop(0.05)
            assert sorted(handed_back) == [1, 2]

    run(body())


def test_a_restart_empties_the_file_whatever_it_holds(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "bell.db"
    path.write_bytes(b"not a database")
    (tmp_path / "bell.db-wal").write_bytes(b"left over")

    async def body() -> None:
        ledger = Ledger()
        gate = asyncio.Event()

        async def work(job_id: int) -> None:
            await gate.wait()

        async with hung(tmp_path, ledger, work=work, workers=1) as bell:
            for job_id in range(100):
                bell.ring(job_id)
            await until(lambda: bell._huey.pending_count() == 99)
            assert modes(tmp_path) == {"bell.db": 0o600, "bell.db-wal": 0o600, "bell.db-shm": 0o600}
        again = Ledger()
        async with hung(tmp_path, again) as bell:
            assert bell._huey.pending_count() == 0
            bell.ring(1)
            await until(lambda: again.worked == {1: 1})

    run(body())


def test_a_task_in_the_file_is_json_with_a_job_id_and_nothing_else(run: Run, tmp_path: Path) -> None:
    async def body() -> None:
        ledger = Ledger()

        async def work(job_id: int) -> None:
            await asyncio.Event().wait()

        async with hung(tmp_path, ledger, work=work, workers=1) as bell:
            bell.ring(1)
            bell.ring(2)
            await until(lambda: bell._huey.pending_count() == 1 and bell.depth == 1)
            (data,) = bell._huey.storage.enqueued_items()
            task_id, name, job_id = json.loads(bytes(data))
            assert (name, job_id) == ("ingestbox.workqueue.bell.work", 2)
            assert task_id

    run(body())


def test_a_bell_that_cannot_be_hung_says_so(run: Run, tmp_path: Path) -> None:
    async def body() -> None:
        ledger = Ledger()
        bell = Bell(
            tmp_path / "missing" / "bell.db", work=ledger.work, due=ledger.due, workers=1, sweep_seconds=1
        )
        with pytest.raises(StartupError, match="cannot be made"):
            await bell.start()
        assert not bell.healthy
        await bell.stop(0)

    run(body())


def test_a_sweep_that_hangs_is_ill_health(run: Run, tmp_path: Path) -> None:
    class HeldClock:
        seconds = 0.0

        def now_ms(self) -> int:
            return 0

        def monotonic(self) -> float:
            return self.seconds

    async def body() -> None:
        ledger, clock, asked = Ledger(), HeldClock(), asyncio.Event()

        async def due(limit: int) -> Sequence[int]:
            asked.set()
            await asyncio.Event().wait()
            return ()

        async with hung(tmp_path, ledger, due=due, sweep=5.0, clock=clock) as bell:
            await asked.wait()
            clock.seconds = 14.9
            assert bell.healthy
            clock.seconds = 15.1
            assert not bell.healthy

    run(body())
