"""Functions in a child for a request: what it hears of one that is late, dies, fails, or has to wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from ingestbox.config import Work
from ingestbox.errors import IngestError
from ingestbox.pipeline.computing import Computing
from ingestbox.pipeline.pool import Pool
from tests.harness import PATIENCE, Run


@pytest.fixture(autouse=True)
def _helpers_for_children(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", f"{Path(__file__).parent}:{Path(__file__).parents[2]}")


@asynccontextmanager
async def hands(*, chunk_seconds: float = 30.0, wait: float = 30.0) -> AsyncIterator[tuple[Pool, Computing]]:
    """One child, and who asks it."""
    pool = Pool(1)
    await pool.start()
    work = msgspec.convert({"chunk_seconds": chunk_seconds}, Work)
    try:
        yield pool, Computing(pool, work, wait_seconds=wait)
    finally:
        await pool.stop(0)


async def refusal(computing: Computing, function: str, data: bytes = b"ab") -> IngestError:
    with pytest.raises(IngestError) as caught:
        await computing.compute(f"table_functions:{function}", data)
    return caught.value


def test_what_a_child_answers_is_given_back(run: Run) -> None:
    async def body() -> None:
        async with hands() as (_, computing):
            data = bytes(range(256)) * 20_000
            assert await computing.compute("table_functions:reverse", data) == data[::-1]

    run(body())


def test_a_child_that_dies_is_bad_luck_once_and_the_senders_fault_twice(run: Run, tmp_path: Path) -> None:
    async def body() -> None:
        async with hands() as (pool, computing):
            marker = tmp_path / "died"
            marker.unlink(missing_ok=True)
            assert await computing.compute("table_functions:deadly_once", str(marker).encode()) == b"well"
            error = await refusal(computing, "deadly")
            assert (error.code, error.status) == ("validation_failed", 400)
            async with asyncio.timeout(PATIENCE):
                while pool.restarts < 3:  # noqa: ASYNC110 - the end of a process sets no event
                    await asyncio.sleep(0.005)
            assert await computing.compute("table_functions:reverse", b"ab") == b"ba"

    run(body())


def test_what_takes_too_long_is_stopped_and_not_tried_again(run: Run, tmp_path: Path) -> None:
    async def body() -> None:
        calls = tmp_path / "calls"
        calls.unlink(missing_ok=True)
        async with hands(chunk_seconds=0.5) as (_, computing):
            error = await refusal(computing, "slow", str(calls).encode())
            assert (error.code, error.status) == ("validation_failed", 400)
            assert error.detail == "Reading this takes too long."
            assert calls.read_bytes() == b"."

    run(body())


def test_a_function_that_fails_is_the_programs_fault(run: Run) -> None:
    async def body() -> None:
        async with hands() as (pool, computing):
            assert (await refusal(computing, "angry")).code == "internal"
            assert pool.restarts == 0

    run(body())


def test_who_waits_too_long_for_a_child_is_told_to_come_back(run: Run, tmp_path: Path) -> None:
    async def body() -> None:
        calls = tmp_path / "calls"
        calls.unlink(missing_ok=True)
        async with hands(wait=0.2) as (pool, computing):
            busy = asyncio.create_task(pool.ask("table_functions:slow", str(calls).encode(), 60.0))
            while not calls.exists():  # noqa: ASYNC110 - a file sets no event
                await asyncio.sleep(0.005)
            error = await refusal(computing, "reverse")
            assert (error.code, error.status, error.retry_after) == ("overloaded", 503, 5)
            busy.cancel()
            await asyncio.gather(busy, return_exceptions=True)
            patient = Computing(pool, Work())
            assert await patient.compute("table_functions:reverse", b"ab") == b"ba"  # its place is free

    run(body())


def test_a_pool_that_stops_says_so(run: Run) -> None:
    async def body() -> None:
        async with hands() as (pool, computing):
            await pool.stop(0)
            assert (await refusal(computing, "reverse")).code == "shutting_down"

    run(body())
