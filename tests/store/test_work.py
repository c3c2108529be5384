"""Claims, settling, retries: what counts is what is still ours, once."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from ingestbox.family import Batch, Intake
from ingestbox.model import Job, JobState, Outcome, Put, delivery_digest
from ingestbox.store import Store
from ingestbox.store.claim import HORIZON_MS, ClaimJob, FreeExpired, LostClaimError, ReleaseJob
from ingestbox.store.engine import connect_reader
from ingestbox.store.intake import (
    AcceptBatch,
    Accepted,
    AddRecords,
    DiscardIntake,
    Draft,
    Key,
    OpenJob,
    PublishJob,
    Refused,
    slices,
)
from ingestbox.store.work import Finish, SettleChunk, Settled
from tests.store.support import with_store

NOW = 1_800_000_000_000


def batch(*keys: str) -> Batch:
    records = [Intake(key, json.dumps({"id": key, "summary": "s"}).encode()) for key in keys]
    return Batch("feedback", "json_api", "test", records)


async def accept(store: Store, name: str, *keys: str, key: Key | None = None) -> Accepted | Refused:
    draft = Draft(name, "default", "tester", NOW)
    return await store.write(AcceptBatch(draft, batch(*keys), key, lambda public, _: public.encode()))


async def accepted(store: Store, name: str, *keys: str) -> int:
    outcome = await accept(store, name, *keys)
    assert isinstance(outcome, Accepted)
    return outcome.job_id


async def claim(store: Store, job_id: int, owner: str = "me", now: int = NOW) -> Job:
    job = await store.write(ClaimJob(job_id, owner, 100.0, now))
    assert job is not None
    return job


def settling(store: Store, job: Job, owner: str, keys: Sequence[str], first: int = 0) -> SettleChunk:
    """What settles records `first`, `first` + 1 … as tickets with these keys, and finishes the job."""
    payloads = {first + n: json.dumps({"id": key}).encode() for n, key in enumerate(keys)}
    columns: dict[str, str | int | float | None] = {
        "summary": job.public_id,
        "sentiment": "neutral",
        "score": 0.0,
        "trend": "stable",
        "language": None,
        "entities": "{}",
        "title": "",
        "body": "",
    }
    return SettleChunk(
        job=job,
        owner=owner,
        identity=store.identity,
        outcomes=[
            Outcome(
                first + n, Put("ticket", key, b"{}", columns, delivery_digest(payloads[first + n], b"{}"))
            )
            for n, key in enumerate(keys)
        ],
        payloads=payloads,
        old_cursor=first,
        cursor=first + len(keys),
        tallies={"sentiment_records": first + len(keys)},
        chunk_limit=250,
        lease_at=200.0,
        now_ms=NOW,
        finish=Finish(JobState.COMPLETED),
    )


def deliveries(store: Store) -> list[dict[str, object]]:
    connection = connect_reader(store.path)
    try:
        rows = connection.execute("SELECT seq, line, crc FROM deliveries ORDER BY seq").fetchall()
    finally:
        connection.close()
    assert [seq for seq, _, _ in rows] == list(range(1, len(rows) + 1))  # numbered without gaps
    assert all(zlib.crc32(line) == crc for _, line, crc in rows)
    return [msgspec.json.decode(line) for _, line, _ in rows]


async def state(store: Store, name: str) -> tuple[str, int, int]:
    rows = await store.read(
        "jobs.by_public_id", {"public_id": name, "family": "feedback", "workspace": "default"}
    )
    return rows[0][7], rows[0][9], rows[0][11]  # state, processed, cursor


def test_of_two_workers_one_gets_the_job(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        job_id = await accepted(store, "j", "a")
        first = await store.write(ClaimJob(job_id, "one", 100.0, NOW))
        second = await store.write(ClaimJob(job_id, "two", 100.0, NOW))
        assert first is not None and first.attempt == 1
        assert second is None

    with_store(tmp_path, body)


def test_a_chunk_counts_once(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        job_id = await accepted(store, "j", "a", "b")
        job = await claim(store, job_id)
        unit = replace(settling(store, job, "me", ["a", "b"]), finish=None)
        assert await store.write(unit) == Settled(2)
        with pytest.raises(LostClaimError):
            await store.write(unit)
        assert await state(store, "j") == ("running", 2, 2)
        assert len(deliveries(store)) == 2

    with_store(tmp_path, body)


def test_what_a_former_owner_does_counts_for_nothing(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        job_id = await accepted(store, "j", "a")
        job = await claim(store, job_id, "one")
        working = frozenset({"one"})
        assert await store.write(FreeExpired(100.0, working)) == []  # not yet over
        assert await store.write(FreeExpired(100.1, working)) == [job_id]
        again = await claim(store, job_id, "two")
        assert again.attempt == 2
        with pytest.raises(LostClaimError):
            await store.write(settling(store, job, "one", ["a"]))
        assert not await store.write(ReleaseJob(job, "one", NOW))
        assert await store.write(settling(store, again, "two", ["a"])) == Settled(1)
        assert await state(store, "j") == ("completed", 1, 1)

    with_store(tmp_path, body)


def test_the_later_intake_wins_even_if_it_is_settled_first(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        early, late = await accepted(store, "early", "a"), await accepted(store, "late", "a")
        await store.write(settling(store, await claim(store, late), "me", ["a"]))
        assert await store.write(settling(store, await claim(store, early), "me", ["a"])) == Settled(0)
        ((summary,),) = await store.read_with(
            lambda tx: [
                (row[2],) for row in tx.all("feedback.ticket", {"workspace": "default", "ticket_id": "a"})
            ]
        )
        assert summary == "late"
        assert [(each["job_id"], each["version"]) for each in deliveries(store)] == [("late", 1)]
        assert await state(store, "early") == ("completed", 1, 1)  # superseded is an outcome too

    with_store(tmp_path, body)


def test_versions_and_lines(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        for number in (1, 2, 3):
            job_id = await accepted(store, f"j{number}", "a", f"b{number}")
            await store.write(settling(store, await claim(store, job_id), "me", ["a", f"b{number}"]))
        lines = deliveries(store)
        assert [(line["id"], line["version"]) for line in lines] == [
            ("a", 1),
            ("b1", 1),
            ("a", 2),
            ("b2", 1),
            ("a", 3),
            ("b3", 1),
        ]
        line = lines[-1]
        assert line == {
            "box": store.identity.box,
            "epoch": store.identity.epoch,
            "seq": 6,
            "op": "put",
            "version": 1,
            "workspace": "default",
            "family": "feedback",
            "kind": "ticket",
            "id": "b3",
            "owner": "tester",
            "job_id": "j3",
            "at": "2027-01-15T08:00:00.000Z",
            "hash": delivery_digest(b'{"id": "b3"}', b"{}"),
            "record": {"id": "b3"},
            "result": {},
            "lineage": {"file": "test", "row": 1, "rules": "1"},
        }

    with_store(tmp_path, body)


def test_a_job_put_off_is_due_again_at_its_time_whatever_the_clock_does(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        job_id = await accepted(store, "j", "a")
        job = await claim(store, job_id)
        assert await store.write(ReleaseJob(job, "me", NOW, retry_ms=NOW + 5_000, error="why"))

        async def due(now: int) -> bool:
            return bool(await store.read("jobs.due", {"now": now, "horizon": HORIZON_MS, "limit": 10}))

        assert not await due(NOW + 4_999)
        assert await due(NOW + 5_000)
        assert await due(NOW + 400 * 86_400_000)
        assert await due(NOW - 400 * 86_400_000)  # the clock went back: better now than in a year
        assert await store.write(ClaimJob(job_id, "me", 100.0, NOW + 4_999)) is None
        assert (await claim(store, job_id, now=NOW - 400 * 86_400_000)).attempt == 2

    with_store(tmp_path, body)


def test_a_restart_frees_what_was_claimed_and_keeps_the_progress(tmp_path: Path) -> None:
    async def first(store: Store) -> int:
        job_id = await accepted(store, "j", "a", "b")
        job = await claim(store, job_id)
        await store.write(replace(settling(store, job, "me", ["a"]), finish=None))
        return job_id

    job_id = with_store(tmp_path, first)

    async def second(store: Store) -> None:
        assert await state(store, "j") == ("queued", 1, 1)
        job = await claim(store, job_id, "you")
        assert (job.cursor, job.tallies, job.attempt) == (1, {"sentiment_records": 1}, 2)

    with_store(tmp_path, second)


def test_a_key_answers_again_or_stands_in_the_way(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        key = Key("scope", "k", b"content")
        first = await accept(store, "j1", "a", key=key)
        assert first == Accepted(1, b"j1")
        assert await accept(store, "j2", "a", key=key) == Accepted(0, b"j1", replayed=True)
        assert await accept(store, "j3", "b", key=replace(key, fingerprint=b"other")) == Refused(
            "idempotency_mismatch"
        )
        assert isinstance(await accept(store, "j4", "a", key=replace(key, scope="other")), Accepted)

    with_store(tmp_path, body)


def test_a_large_batch_is_invisible_until_its_last_chunk(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        draft, whole = Draft("big", "default", "tester", NOW), batch("a", "b", "c")
        key = Key("scope", "k", b"content")
        opened = await store.write(OpenJob(draft, whole, key))
        assert isinstance(opened, Accepted)
        await store.write(AddRecords(draft, whole, opened.job_id, 0, whole.records[:2]))
        params = {"public_id": "big", "family": "feedback", "workspace": "default"}
        assert await store.read("jobs.by_public_id", params) == []
        assert await store.write(ClaimJob(opened.job_id, "me", 100.0, NOW)) is None
        assert await accept(store, "again", "a", key=key) == Refused("request_in_progress")
        await store.write(AddRecords(draft, whole, opened.job_id, 2, whole.records[2:]))
        await store.write(PublishJob(opened.job_id, b"answer", NOW))
        assert await state(store, "big") == ("queued", 0, 0)
        assert await accept(store, "again", "a", key=key) == Accepted(0, b"answer", replayed=True)

    with_store(tmp_path, body)


def test_discarding_unfinished_intake_frees_its_key(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        key = Key("scope", "k", b"content")
        whole = batch(*(str(number) for number in range(4_500)))
        draft = Draft("big", "default", "tester", NOW)
        opened = await store.write(OpenJob(draft, whole, key))
        assert isinstance(opened, Accepted)
        for first, records in slices(whole.records):
            await store.write(AddRecords(draft, whole, opened.job_id, first, records))
        answers: list[bool] = []
        while not answers or not answers[-1]:
            answers.append(await store.write(DiscardIntake(opened.job_id)))
        assert len(answers) > 1  # in slices
        assert await store.read("jobs.receiving", {"limit": 10}) == []
        assert isinstance(await accept(store, "j", "a", key=key), Accepted)

    with_store(tmp_path, body)


def test_discarding_never_touches_a_job_that_is_visible(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        job_id = await accepted(store, "j", "a")
        await store.write(DiscardIntake(job_id))
        assert await state(store, "j") == ("queued", 0, 0)
        assert await store.read("records.pending", {"first": 0, "beyond": 2**62, "limit": 10})

    with_store(tmp_path, body)


def test_slices_keep_to_rows_and_bytes() -> None:
    small = [Intake(str(number), b"x") for number in range(2_500)]
    assert [(first, len(run)) for first, run in slices(small)] == [(0, 1000), (1000, 1000), (2000, 500)]
    large = [Intake(str(number), b"x" * 600_000) for number in range(3)]
    assert [(first, len(run)) for first, run in slices(large)] == [(0, 1), (1, 1), (2, 1)]
    huge = [Intake("h", b"x" * 5_000_000)]
    assert [(first, len(run)) for first, run in slices(huge)] == [(0, 1)]
    # Small ones, and large ones after them: the indexes go on.
    mixed = [Intake("s", b"x")] * 1_000 + [Intake("l", b"x" * 400_000)] * 5
    assert [(first, len(run)) for first, run in slices(mixed)] == [(0, 1000), (1000, 2), (1002, 2), (1004, 1)]
    assert slices([]) == [(0, [])]
