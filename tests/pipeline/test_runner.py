"""The runner over a real store and real children: what dies, what is damaged, what takes long."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from ingestbox import families
from ingestbox.config import Work
from ingestbox.family import CHUNK_BYTES, Batch, Intake
from ingestbox.model import Chunk, Job, JobState, Outcome, index_of
from ingestbox.pipeline.pool import Pool
from ingestbox.pipeline.retry import DEATHS_ALONE
from ingestbox.pipeline.runner import Runner
from ingestbox.store import DATABASE, Store, jobs
from ingestbox.store.audit import Act
from ingestbox.store.changes import CancelJob
from ingestbox.store.claim import ClaimJob
from ingestbox.store.engine import connect_writer
from ingestbox.store.intake import AcceptBatch, Accepted, Draft
from tests.store.support import with_store

ALWAYS = 1_000
"""More deaths than any record is tried."""


@pytest.fixture(autouse=True)
def _helpers_for_children(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))


class Counting(Pool):
    """Knows the places of the records of each chunk that it was given."""

    def __init__(self, children: int) -> None:
        super().__init__(children)
        self.chunks: list[list[int]] = []

    async def run(self, function: str, chunk: Chunk, seconds: float) -> list[Outcome]:
        self.chunks.append([item.index for item in chunk.items])
        return await super().run(function, chunk, seconds)


@asynccontextmanager
async def runner_of(
    store: Store,
    *,
    children: int = 1,
    ahead: int = 1,
    chunk_bytes: int = CHUNK_BYTES,
    pool: Pool | None = None,
    **settings: float,
) -> AsyncIterator[Runner]:
    family = msgspec.structs.replace(
        families.load()["feedback"], process="ticket_functions:tickets", chunk_bytes=chunk_bytes
    )
    work = msgspec.convert({"chunk_records": 2, **settings}, Work)
    pool = pool or Pool(children)
    await pool.start()
    try:
        yield Runner(store, pool, {"feedback": family}, work, settled=lambda _: None, ahead=ahead)
    finally:
        await pool.stop(0)


async def accept(store: Store, tickets: Sequence[dict[str, object]]) -> int:
    records = [
        Intake(f"T-{number}", json.dumps({"id": f"T-{number}", "summary": "good", **ticket}).encode())
        for number, ticket in enumerate(tickets)
    ]
    batch = Batch("feedback", "json_api", "test", records)
    accepted = await store.write(AcceptBatch(Draft("j", "default", "t", 1), batch, None, lambda *_: b""))
    assert isinstance(accepted, Accepted)
    return accepted.job_id


async def the_job(store: Store) -> tuple[Job, list[tuple[int, str]]]:
    """The only job, and its issues as (index, code)."""
    wanted = {"public_id": "j", "family": "feedback", "workspace": "default"}
    (row,) = await store.read("jobs.by_public_id", wanted)
    issues = await store.read("issues.of_job", {"first": 0, "beyond": 2**62, "limit": 100})
    return jobs.from_row(row), [(index_of(rid), code) for rid, code, *_ in issues]


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - files set no event
            await asyncio.sleep(0.01)


POISONS = ([0], [4], [2], [0, 1], [1, 2], [0, 4], [3, 4])
HANDS = ((1, 1), (2, 3))
"""Children, and chunks read ahead: each poison with one of them in turn, in the soak with both."""


@pytest.mark.parametrize(
    ("poison", "children", "ahead"),
    [
        pytest.param(poison, *hands, marks=() if (place + turn) % len(HANDS) == 0 else pytest.mark.soak)
        for place, poison in enumerate(POISONS)
        for turn, hands in enumerate(HANDS)
    ],
)
def test_records_that_end_their_child_are_set_aside_and_the_others_done(
    tmp_path: Path, poison: list[int], children: int, ahead: int
) -> None:
    async def body(store: Store) -> None:
        tickets: list[dict[str, object]] = [{} for _ in range(5)]
        for number in poison:
            tickets[number] = {"deaths": ALWAYS, "count": str(tmp_path / f"count{number}")}
        job_id = await accept(store, tickets)
        async with runner_of(store, children=children, ahead=ahead) as runner:
            await runner.work(job_id)
        job, issues = await the_job(store)
        assert issues == [(number, "processing_failed") for number in poison]
        assert (job.state, job.processed, job.issues) == (JobState.COMPLETED, 5, len(poison))
        assert job.tallies["sentiment_records"] == 5 - len(poison)

    with_store(tmp_path, body)


def test_a_chunk_has_no_more_bytes_than_its_family_says(tmp_path: Path) -> None:
    """One that has more by itself goes alone. Of a family that says nothing it is less short."""
    most = families.load()["knowledge"].chunk_bytes
    assert most < CHUNK_BYTES
    sizes = (20_000, 20_000, 20_000, 60_000, 10, 10)

    async def body(store: Store) -> None:
        job_id = await accept(store, [{"note": "x" * size} for size in sizes])
        pool = Counting(1)
        async with runner_of(store, chunk_bytes=most, pool=pool, chunk_records=50) as runner:
            await runner.work(job_id)
        assert pool.chunks == [[0, 1], [2], [3], [4, 5]]
        job, issues = await the_job(store)
        assert (job.state, job.processed, issues) == (JobState.COMPLETED, len(sizes), [])

    with_store(tmp_path, body)


def test_a_job_fails_when_its_only_record_ends_the_child(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        job_id = await accept(store, [{"deaths": ALWAYS, "count": str(tmp_path / "count")}])
        async with runner_of(store) as runner:
            await runner.work(job_id)
        job, issues = await the_job(store)
        assert (job.state, job.processed, issues) == (JobState.FAILED, 1, [(0, "processing_failed")])
        assert (tmp_path / "count").stat().st_size == DEATHS_ALONE

    with_store(tmp_path, body)


def test_deaths_in_company_do_not_count_against_a_record(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        unlucky: dict[str, object] = {"deaths": 2, "count": str(tmp_path / "count")}
        job_id = await accept(store, [unlucky, {}])
        async with runner_of(store) as runner:
            await runner.work(job_id)  # dies once with both records, once alone, and is then done
        job, issues = await the_job(store)
        assert (job.state, issues) == (JobState.COMPLETED, [])
        assert (tmp_path / "count").stat().st_size == 3

    with_store(tmp_path, body)


@pytest.mark.parametrize("unfit", [[0], [3], [0, 1], [0, 1, 2, 3]])
def test_records_whose_results_do_not_fit_are_set_aside_and_the_others_done(
    tmp_path: Path, unfit: list[int]
) -> None:
    async def body(store: Store) -> None:
        tickets: list[dict[str, object]] = [{} for _ in range(4)]
        for number in unfit:
            tickets[number] = {"score": 2**63}  # one more than a column holds
        job_id = await accept(store, tickets)
        async with runner_of(store) as runner:
            await runner.work(job_id)
        job, issues = await the_job(store)
        assert issues == [(number, "processing_failed") for number in unfit]
        assert (job.processed, job.issues) == (4, len(unfit))
        assert job.state == (JobState.FAILED if len(unfit) == 4 else JobState.COMPLETED)
        assert job.tallies.get("sentiment_records", 0) == 4 - len(unfit)

    with_store(tmp_path, body)


@pytest.mark.parametrize(
    "damage",
    [
        "payload = CAST(payload AS TEXT)",  # one bit of the row's header makes a text of a blob
        "payload = CAST(x'7b22ff' AS TEXT)",
        "payload = replace(payload, 'good', 'goof')",
        "key = 'T-9'",
        "key = CAST(x'ff' AS TEXT)",
    ],
)
def test_a_record_that_changed_on_disk_is_an_issue_or_as_it_was(tmp_path: Path, damage: str) -> None:
    async def before(store: Store) -> int:
        return await accept(store, [{}, {}, {}])

    job_id = with_store(tmp_path, before)
    connection = connect_writer(tmp_path / DATABASE)
    try:
        connection.execute(f"UPDATE records SET {damage} WHERE key = 'T-1'")
    finally:
        connection.close()

    async def after(store: Store) -> None:
        async with runner_of(store) as runner:
            await runner.work(job_id)
        job, issues = await the_job(store)
        assert (job.state, job.processed) == (JobState.COMPLETED, 3)
        assert issues == ([] if damage.startswith("payload = CAST(payload") else [(1, "damaged")])
        everything = {"from_ms": 0, "before_ms": 10**18, "before_id": 0, "limit": 10}
        found = await store.read("feedback.tickets", {"workspace": "default", **everything})
        assert sorted(row[0] for row in found) == (["T-0", "T-2"] if issues else ["T-0", "T-1", "T-2"])

    with_store(tmp_path, after)


def test_a_chunk_that_takes_longer_than_the_lease_keeps_its_job(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        hold = tmp_path / "hold"
        hold.touch()
        job_id = await accept(store, [{"hold": str(hold)}])
        async with runner_of(store, lease_seconds=0.3) as runner:
            working = asyncio.create_task(runner.work(job_id))
            await until((tmp_path / "hold.begun").exists)
            late = store.clock.monotonic() + 1
            await until(lambda: store.clock.monotonic() > late)
            assert await runner.due(10) == []
            hold.unlink()
            await working
        job, _ = await the_job(store)
        assert (job.state, job.attempt) == (JobState.COMPLETED, 1)

    with_store(tmp_path, body)


def test_chunks_of_one_job_are_processed_at_once_and_settled_in_order(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        first, second = tmp_path / "first", tmp_path / "second"
        first.touch()
        second.touch()
        job_id = await accept(store, [{"hold": str(first)}, {}, {"hold": str(second)}, {}, {}])
        async with runner_of(store, children=2, ahead=3) as runner:
            working = asyncio.create_task(runner.work(job_id))
            await until(lambda: (tmp_path / "first.begun").exists() and (tmp_path / "second.begun").exists())
            second.unlink()
            assert (await the_job(store))[0].processed == 0
            first.unlink()
            await working
        job, issues = await the_job(store)
        assert (job.state, job.processed, issues) == (JobState.COMPLETED, 5, [])

    with_store(tmp_path, body)


def test_a_job_that_is_lost_leaves_nothing_running(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        holds = [tmp_path / str(number) for number in range(3)]
        for hold in holds:
            hold.touch()
        job_id = await accept(store, [{"hold": str(hold)} for hold in holds])
        async with runner_of(store, children=3, ahead=4, chunk_records=1) as runner:
            working = asyncio.create_task(runner.work(job_id))
            await until(lambda: all(hold.with_suffix(".begun").exists() for hold in holds))
            await store.write(CancelJob(job_id, "j", Act("tester", "default", "test", 1)))
            holds[0].unlink()
            async with asyncio.timeout(30):
                await working  # though the others would compute for ever
        job, _ = await the_job(store)
        assert (job.state, job.tallies) == (JobState.CANCELLED, {})

    with_store(tmp_path, body)


def test_a_job_that_could_not_be_handed_back_is_due_at_the_next_sweep(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        job_id = await accept(store, [{}])
        assert await store.write(ClaimJob(job_id, "nobody", 1e12, 1)) is not None
        async with runner_of(store) as runner:
            assert await runner.due(10) == [job_id]
            await runner.work(job_id)
        job, _ = await the_job(store)
        assert (job.state, job.attempt) == (JobState.COMPLETED, 2)

    with_store(tmp_path, body)
