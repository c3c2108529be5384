"""The pool and its children, with real processes."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from ingestbox.model import Chunk, Item, Outcome
from ingestbox.pipeline.pool import ChildDied, ChildTimeout, FunctionRefused, Pool, PoolStopped
from tests.harness import Run

LONG = 60.0
"""A time-out that these tests do not mean to reach, in seconds."""


@pytest.fixture(autouse=True)
def _helpers_for_children(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))


class HeldClock:
    """A clock that moves when the test says so."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now_ms(self) -> int:
        return int(self.seconds * 1000)

    def monotonic(self) -> float:
        return self.seconds


@asynccontextmanager
async def pool_of(size: int = 1, **options: Any) -> AsyncIterator[Pool]:
    pool = Pool(size, **options)
    await pool.start()
    try:
        yield pool
    finally:
        await pool.stop(0)
        assert pool.alive == 0
        assert asyncio.all_tasks() == {asyncio.current_task()}


async def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - files and processes set no event
            await asyncio.sleep(0.005)


def chunk(*payloads: bytes | str) -> Chunk:
    items = [
        Item(10 + number, f"k{number}", payload.encode() if isinstance(payload, str) else payload)
        for number, payload in enumerate(payloads)
    ]
    return Chunk("tests", items)


def columns(outcomes: list[Outcome], name: str) -> list[object]:
    return [outcome.put.columns[name] if outcome.put else None for outcome in outcomes]


def pids(pool: Pool) -> list[int]:
    return [child.process.pid for child in pool._children]


def test_each_item_has_its_outcome_in_order(run: Run) -> None:
    async def body() -> None:
        async with pool_of(preload=["chunk_functions"]) as pool:
            assert pool.alive == 0
            outcomes = await pool.run("chunk_functions:upper", chunk("a", "đ", "c"), LONG)
            assert [outcome.index for outcome in outcomes] == [10, 11, 12]
            assert columns(outcomes, "text") == ["A", "Đ", "C"]
            assert pool.alive == 1
            assert await pool.run("chunk_functions:upper", chunk(), LONG) == []
            assert pool.restarts == 0

    run(body())


def test_a_record_that_raises_fails_alone_and_its_text_stays_secret(
    run: Run, capfd: pytest.CaptureFixture[str]
) -> None:
    async def body() -> None:
        async with pool_of() as pool:
            given = chunk("good", "a secret", "deep", "memory", "wide", "good")
            outcomes = await pool.run("chunk_functions:picky", given, LONG)
            assert [outcome.index for outcome in outcomes] == [10, 11, 12, 13, 14, 15]
            assert [outcome.fault_message for outcome in outcomes] == [
                None,
                "Processing failed: ValueError.",
                "Processing failed: RecursionError.",
                "Processing failed: MemoryError.",
                "Processing failed: OverflowError.",
                None,
            ]
            assert {outcome.fault_code for outcome in outcomes} == {None, "processing_failed"}
            assert outcomes[0].put is not None
            assert pool.restarts == 0

    run(body())
    logged = capfd.readouterr().err
    assert "ValueError" in logged
    assert "in picky" in logged
    assert "a secret" not in logged


def test_a_function_that_loses_or_mixes_outcomes_is_asked_item_by_item(run: Run) -> None:
    async def body() -> None:
        async with pool_of() as pool:
            for given in (chunk("1", "2", "3"), chunk("1", "2")):
                outcomes = await pool.run("chunk_functions:forgetful", given, LONG)
                assert [one.index for one in outcomes] == [item.index for item in given.items]
                assert [one.put.result for one in outcomes if one.put] == [one.payload for one in given.items]

    run(body())


def test_a_function_that_does_not_exist_is_nobodys_death(run: Run) -> None:
    async def body() -> None:
        async with pool_of() as pool:
            for name in ("chunk_functions:nothing", "no_such_module:f", "chunk_functions"):
                with pytest.raises(FunctionRefused, match=name):
                    await pool.run(name, chunk("a"), LONG)
            assert await pool.run("chunk_functions:mirror", chunk("a"), LONG)
            assert pool.restarts == 0

    run(body())


def test_prints_and_reads_of_the_function_do_not_touch_the_protocol(
    run: Run, capfd: pytest.CaptureFixture[str]
) -> None:
    async def body() -> None:
        async with pool_of() as pool:
            for _ in range(3):
                assert len(await pool.run("chunk_functions:chatty", chunk("a", "b"), LONG)) == 2

    run(body())
    captured = capfd.readouterr()
    assert "a stray line" in captured.err
    assert captured.out == ""


def test_twenty_megabytes_go_there_and_back(run: Run) -> None:
    async def body() -> None:
        async with pool_of() as pool:
            large = os.urandom(5 << 20)
            outcomes = await pool.run("chunk_functions:mirror", chunk(large, large, large, large), LONG)
            assert [outcome.put.result == large for outcome in outcomes if outcome.put] == [True] * 4

    run(body())


def test_children_work_at_once_and_no_more_than_asked_for(run: Run, tmp_path: Path) -> None:
    async def body() -> None:
        async with pool_of(2) as pool:
            files = [tmp_path / str(number) for number in range(3)]
            runs = [
                asyncio.create_task(pool.run("chunk_functions:until_told", chunk(str(file)), LONG))
                for file in files
            ]
            await until(lambda: files[0].exists() and files[1].exists())
            assert pool.alive == 2
            assert not files[2].exists()
            files[0].unlink()
            await until(files[2].exists)
            assert pool.alive == 2
            for file in files[1:]:
                file.unlink()
            assert all(await asyncio.gather(*runs))

    run(body())


def test_a_child_is_light_and_nice(run: Run) -> None:
    async def body() -> None:
        async with pool_of() as pool:
            outcomes = await pool.run("chunk_functions:modules", chunk("a"), LONG)
            loaded = str(columns(outcomes, "names")[0]).split()
            assert "msgspec" in loaded
            heavy = {"sqlite3", "starlette", "uvicorn", "httpx2", "asyncio", "huey", "click", "jwt"}
            assert heavy.isdisjoint(loaded)
            outcomes = await pool.run("chunk_functions:pid", chunk("a"), LONG)
            assert columns(outcomes, "nice") == [min(os.nice(0) + 5, 19)]

    run(body())


def test_a_child_that_dies_takes_only_its_chunk_along(run: Run) -> None:
    async def body() -> None:
        async with pool_of() as pool:
            with pytest.raises(ChildDied, match="killed by SIGSEGV") as caught:
                await pool.run("chunk_functions:deadly", chunk("a", "die"), LONG)
            assert not isinstance(caught.value, ChildTimeout)
            assert await pool.run("chunk_functions:deadly", chunk("a"), LONG)
            await until(lambda: pool.restarts == 1)

    run(body())


@pytest.mark.parametrize(("number", "name"), [(signal.SIGKILL, "SIGKILL"), (40, "signal 40")])
def test_a_child_killed_from_outside_is_noticed_at_work_and_at_rest(
    run: Run, tmp_path: Path, number: int, name: str
) -> None:
    async def body() -> None:
        async with pool_of() as pool:
            busy = tmp_path / "busy"
            running = asyncio.create_task(pool.run("chunk_functions:endless", chunk(str(busy)), LONG))
            await until(busy.exists)
            os.kill(pids(pool)[0], number)
            with pytest.raises(ChildDied, match=f"killed by {name}"):
                await running
            await pool.run("chunk_functions:mirror", chunk("a"), LONG)
            (resting,) = pids(pool)
            os.kill(resting, number)
            await until(lambda: pool.restarts == 2 and pool.alive == 0)
            assert await pool.run("chunk_functions:mirror", chunk("a"), LONG)
            assert resting not in pids(pool)

    run(body())


def test_a_child_that_lost_its_pipe_is_not_asked_again(run: Run, tmp_path: Path) -> None:
    async def body() -> None:
        async with pool_of() as pool:
            cut = tmp_path / "cut"
            await pool.run("chunk_functions:mute", chunk(str(cut)), LONG)
            (silent,) = pids(pool)
            cut.touch()
            await until(lambda: pool.alive == 0)
            assert pids(pool) == [silent]  # it lives, but cannot be heard
            assert await pool.run("chunk_functions:mirror", chunk("a"), LONG)
            await until(lambda: pool.restarts == 1 and silent not in pids(pool))

    run(body())


def test_a_child_that_is_late_is_killed(run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def body() -> None:
        async with pool_of() as pool:
            for function in ("endless", "stuck"):
                with pytest.raises(ChildTimeout, match=r"no answer within 0\.5 s"):
                    await pool.run(f"chunk_functions:{function}", chunk(str(tmp_path / function)), 0.5)
                assert (tmp_path / function).exists()
            await until(lambda: pool.restarts == 2)
            assert pool.alive == 0
            assert await pool.run("chunk_functions:mirror", chunk("a"), LONG)

    run(body())
    # By the pool, not by the timer that ends a child without a parent.
    assert [vars(record)["reason"] for record in caplog.records] == ["killed by SIGKILL"] * 2


def test_a_cancelled_run_leaves_no_answer_behind_for_the_next(run: Run, tmp_path: Path) -> None:
    async def body() -> None:
        async with pool_of() as pool:
            busy = tmp_path / "busy"
            running = asyncio.create_task(pool.run("chunk_functions:until_told", chunk(str(busy)), LONG))
            await until(busy.exists)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            busy.unlink()
            outcomes = await pool.run("chunk_functions:upper", chunk("next"), LONG)
            assert columns(outcomes, "text") == ["NEXT"]
            assert pool.restarts == 0

    run(body())


def test_a_run_cancelled_while_its_child_starts_leaves_the_child_to_the_next(run: Run) -> None:
    async def body() -> None:
        async with pool_of() as pool:
            running = asyncio.create_task(pool.run("chunk_functions:mirror", chunk("a"), LONG))
            while pool.alive == 0:  # noqa: ASYNC110 - at every turn of the loop, before the child can be ready
                await asyncio.sleep(0)
            (started,) = pids(pool)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            await until(lambda: len(pool._idle) == 1)
            outcomes = await pool.run("chunk_functions:pid", chunk("a"), LONG)
            assert columns(outcomes, "pid") == [started]

    run(body())


def test_children_without_work_are_retired(run: Run, tmp_path: Path) -> None:
    async def body() -> None:
        clock = HeldClock()
        async with pool_of(2, idle_seconds=60.0, clock=clock) as pool:
            files = [tmp_path / "a", tmp_path / "b"]
            runs = [
                asyncio.create_task(pool.run("chunk_functions:until_told", chunk(str(file)), LONG))
                for file in files
            ]
            await until(lambda: all(file.exists() for file in files))
            for file in files:
                file.unlink()
            await asyncio.gather(*runs)
            clock.seconds = 59.0
            outcomes = await pool.run("chunk_functions:pid", chunk("a"), LONG)
            clock.seconds = 61.0
            kept = columns(outcomes, "pid")  # it had work two seconds ago
            await until(lambda: pids(pool) == kept)
            clock.seconds = 120.0
            await until(lambda: pool.alive == 0)
            assert pool.restarts == 0
            assert await pool.run("chunk_functions:mirror", chunk("a"), LONG)

    run(body())


def test_children_that_do_not_start_are_tried_again_with_pauses(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(Path(__file__).parent)]))

    async def body() -> None:
        async with pool_of(preload=["arrives_late"]) as pool:
            running = asyncio.create_task(pool.run("chunk_functions:mirror", chunk("a"), LONG))
            await until(lambda: pool._failures >= 2)
            assert not pool.healthy
            assert not running.done()
            (tmp_path / "arrives_late.py").touch()
            assert await running
            assert pool.healthy
            assert pool.restarts == 0

    with caplog.at_level("INFO"):
        run(body())
    assert [record.message for record in caplog.records if record.name.startswith("ingestbox")] == [
        "A child did not start; trying again.",
        "Children start again.",
    ]


def test_a_stop_lets_the_chunk_in_hand_finish_and_starts_no_other(run: Run, tmp_path: Path) -> None:
    async def body() -> None:
        async with pool_of() as pool:
            busy = tmp_path / "busy"
            running = asyncio.create_task(pool.run("chunk_functions:until_told", chunk(str(busy)), LONG))
            waiting = asyncio.create_task(pool.run("chunk_functions:mirror", chunk("a"), LONG))
            await until(busy.exists)
            stopping = asyncio.create_task(pool.stop(LONG))
            await until(pool._stopping.is_set)
            busy.unlink()
            await stopping
            assert len(await running) == 1
            with pytest.raises(PoolStopped):
                await waiting
            with pytest.raises(PoolStopped):
                await pool.run("chunk_functions:mirror", chunk("a"), LONG)

    run(body())


def test_a_stop_kills_what_does_not_finish(run: Run, tmp_path: Path) -> None:
    async def body() -> None:
        async with pool_of(2) as pool:
            files = [tmp_path / "a", tmp_path / "b"]
            runs = [
                asyncio.create_task(pool.run("chunk_functions:endless", chunk(str(file)), LONG))
                for file in files
            ]
            await until(lambda: all(file.exists() for file in files))
            ended = pids(pool)
            await pool.stop(0.05)
            assert pool.alive == 0
            for pid in ended:
                with pytest.raises(ProcessLookupError):  # not even a zombie
                    os.kill(pid, 0)
            for one in runs:
                with pytest.raises(PoolStopped):
                    await one
            assert pool.restarts == 0

    run(body())


PARENT = """
import asyncio, sys
from ingestbox.model import Chunk, Item
from ingestbox.pipeline.pool import Pool

async def main():
    pool = Pool(1)
    await pool.start()
    chunk = Chunk("tests", [Item(0, "k", sys.argv[2].encode())])
    await pool.run(sys.argv[1], chunk, float(sys.argv[3]))

asyncio.run(main())
"""


@pytest.mark.parametrize(("function", "timeout"), [("endless", LONG), ("stuck", 0.5)])
def test_a_parent_killed_by_force_leaves_no_orphan(function: str, timeout: float, tmp_path: Path) -> None:
    """A child that computes in Python ends at once; one inside C code when its time is over."""
    busy = tmp_path / "busy"
    command = [sys.executable, "-c", PARENT, f"chunk_functions:{function}", str(busy), str(timeout)]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as parent:
        asyncio.run(until(busy.exists))
        parent.kill()
        # The child holds the same stderr: its end is the end of them both.
        parent.communicate(timeout=20)


def test_ctrl_c_in_the_terminal_does_not_reach_a_child(run: Run, tmp_path: Path) -> None:
    async def body() -> None:
        async with pool_of() as pool:
            busy = tmp_path / "busy"
            running = asyncio.create_task(pool.run("chunk_functions:until_told", chunk(str(busy)), LONG))
            await until(busy.exists)
            (child,) = pids(pool)
            assert os.getsid(child) == child != os.getsid(0)
            os.kill(child, signal.SIGINT)
            busy.unlink()
            assert len(await running) == 1

    run(body())
