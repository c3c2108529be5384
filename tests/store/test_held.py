"""What is held: the object is there, its record waits, and nothing is told before somebody accepts it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ingestbox.model import Job, JobState, Outcome, Put, delivery_digest, record_id
from ingestbox.pipeline.claims import Progress
from ingestbox.store import Store, issues, records
from ingestbox.store.changes import ReprocessJob, carry_out
from ingestbox.store.issues import Issue
from ingestbox.store.review import Action, Blocked, Decided, EditRecord, ResolveIssues
from ingestbox.store.work import SettleChunk, Settled
from tests.store.support import with_store
from tests.store.test_review import ACT, FAMILIES, PENDING, a_job, claim, job_of, states, true_counts
from tests.store.test_work import settling

LOW = "low_quality"


def came(*kinds: str, first: int) -> tuple[list[Outcome], dict[int, bytes]]:
    """Outcomes of the records from `first` on, and their bytes: `good`, `held` (or `held:<code>`), `bad`."""
    outcomes: list[Outcome] = []
    payloads: dict[int, bytes] = {}
    for index, kind in enumerate(kinds, start=first):
        key = f"T-{index}"
        payloads[index] = b"{}"
        columns: dict[str, str | int | float | None] = {
            "summary": key,
            "sentiment": "neutral",
            "score": 0.0,
            "trend": "stable",
            "language": None,
        }
        text = {"entities": "{}", "title": "", "body": ""}
        put = Put("ticket", key, b"{}", {**columns, **text}, delivery_digest(b"{}", b"{}"))
        word, _, code = kind.partition(":")
        fault = {"good": None, "held": code or LOW, "bad": "processing_failed"}[word]
        outcomes.append(
            Outcome(
                index,
                None if word == "bad" else put,
                fault,
                fault and "Why.",
                tallies={} if word == "bad" else {"sentiment_records": 1},
            )
        )
    return outcomes, payloads


async def process(store: Store, job: Job, *kinds: str) -> Settled:
    """Claims the job, and settles all that is pending of it, from its cursor on, as a worker would."""
    claimed = await claim(store, job)
    outcomes, payloads = came(*kinds, first=claimed.cursor)
    return await store.write(unit(store, claimed, outcomes, payloads))


def unit(store: Store, job: Job, outcomes: list[Outcome], payloads: dict[int, bytes]) -> SettleChunk:
    progress = Progress.of(job, 500)
    after = progress.after(outcomes, progress.cursor + len(outcomes), 500)
    return replace(
        settling(store, job, "me", []),
        outcomes=outcomes,
        payloads=payloads,
        old_cursor=progress.cursor,
        cursor=after.cursor,
        tallies=after.tallies,
        lease_at=1e12,
        finish=after.finish(job) if after.cursor == job.total else None,
    )


async def open_issues(store: Store, job: Job) -> list[Issue]:
    wanted = issues.Wanted(None, job_id=job.id, open=True)
    found, _ = await store.read_with(lambda tx: issues.listed(tx, wanted, 1 << 62, 100))
    return sorted(found, key=lambda issue: issue.record_id)


async def decide(store: Store, issue: Issue, action: Action) -> Decided | Blocked:
    (outcome,) = await store.write(ResolveIssues([(issue.id, issue.record_id)], action, ACT))
    return outcome


async def told(store: Store) -> list[str]:
    found = await store.read_with(lambda tx: list(tx.each("erasures.deliveries", {"after": 0})))
    return [row[4] for row in found]


async def there(store: Store) -> list[str]:
    rows = await store.read_with(
        lambda tx: list(tx.each("feedback.erasable_ticket", {"after": 0, "below": 1 << 62}))
    )
    return [row[3] for row in rows]


def test_it_is_put_and_waits_and_is_not_told(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        job = await a_job(store, PENDING, PENDING, PENDING)
        settled = await process(store, job, "good", "held", "bad")
        assert (settled.deliveries, settled.held) == (1, 1)
        assert await states(store, job) == ["done", "issue", "issue"]
        assert [(each.code, each.held) for each in await open_issues(store, job)] == [
            (LOW, 1),
            ("processing_failed", 0),
        ]
        assert (await told(store), await there(store)) == (["T-0"], ["T-0", "T-1"])
        await true_counts(store, job)
        now = await job_of(store)
        assert (now.state, now.issues, now.tallies) == (JobState.COMPLETED, 2, {"sentiment_records": 1})

    with_store(tmp_path, body)


@pytest.mark.parametrize(
    ("kinds", "state"),
    [
        (("held",), "completed"),
        (("bad",), "failed"),
        (("held", "bad"), "completed"),
        (("bad", "bad"), "failed"),
    ],
)
def test_a_job_did_not_fail_that_has_something_to_show(
    tmp_path: Path, kinds: tuple[str, ...], state: str
) -> None:
    async def body(store: Store) -> None:
        job = await a_job(store, *[PENDING] * len(kinds))
        await process(store, job, *kinds)
        now = await job_of(store)
        assert (now.state, now.error is None) == (state, state == "completed")
        # Nor does it once the one that became nothing is tried again, and became nothing again.
        if kinds == ("held", "bad"):
            bad = (await open_issues(store, job))[1]
            await decide(store, bad, "retry")
            await process(store, await job_of(store), "bad")
            assert (await job_of(store)).state == JobState.COMPLETED
            await true_counts(store, job)

    with_store(tmp_path, body)


def test_what_is_accepted_is_told_and_counted_once(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        job = await a_job(store, PENDING)
        await process(store, job, "held")
        (issue,) = await open_issues(store, job)
        assert isinstance(await decide(store, issue, "accept"), Decided)
        assert isinstance(await decide(store, issue, "accept"), Blocked)  # somebody was first
        settled = await process(store, await job_of(store), "held")
        assert (settled.deliveries, settled.held, settled.tallies) == (1, 0, {"sentiment_records": 1})
        assert (await states(store, job), await told(store)) == (["done"], ["T-0"])
        now = await job_of(store)
        assert (now.state, now.issues, now.tallies) == (JobState.COMPLETED, 0, {"sentiment_records": 1})
        # It stays accepted when the whole job is processed again.
        await store.write(ReprocessJob(job.id, "j", "redo", ACT))
        await carry_out(store, FAMILIES, job.id)
        await process(store, await job_of(store), "held")
        assert (await states(store, job), await told(store)) == (["done"], ["T-0", "T-0"])
        assert (await job_of(store)).tallies == {"sentiment_records": 1}

    with_store(tmp_path, body)


def test_another_reason_holds_it_again(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        job = await a_job(store, PENDING)
        await process(store, job, "held")
        await decide(store, (await open_issues(store, job))[0], "accept")
        settled = await process(store, await job_of(store), "held:other")
        assert (settled.deliveries, settled.held) == (0, 1)
        (issue,) = await open_issues(store, job)
        assert (issue.code, issue.held) == ("other", 1)
        await true_counts(store, job)

    with_store(tmp_path, body)


def test_a_correction_voids_what_was_accepted(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        job = await a_job(store, PENDING)
        await process(store, job, "held")
        await decide(store, (await open_issues(store, job))[0], "accept")
        await process(store, await job_of(store), "bad")  # it waits for something else
        rid = record_id(job.id, 0)
        mark = records.mark(*(await store.read("records.mark", {"id": rid}))[0])
        edit = EditRecord(rid, mark, "T-0", b'{"id":"T-0","summary":"other"}', {}, {}, ACT)
        assert isinstance(await store.write(edit), Decided)
        settled = await process(store, await job_of(store), "held")
        assert (settled.deliveries, settled.held) == (0, 1)
        assert await told(store) == []

    with_store(tmp_path, body)


def test_what_became_nothing_cannot_be_accepted(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        job = await a_job(store, PENDING)
        await process(store, job, "bad")
        (issue,) = await open_issues(store, job)
        assert await decide(store, issue, "accept") == Blocked("issue_not_held")
        assert await states(store, job) == ["issue"]
        await true_counts(store, job)

    with_store(tmp_path, body)


def test_what_a_later_intake_gave_already_is_not_held(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        first = await a_job(store, PENDING, name="first")
        second = await a_job(store, PENDING, name="second")
        await process(store, second, "good")
        settled = await process(store, first, "held")
        assert (settled.deliveries, settled.held) == (0, 0)
        assert await states(store, first) == ["superseded"]
        await true_counts(store, first)
        assert (await job_of(store, "first")).issues == 0
        assert await open_issues(store, first) == []

    with_store(tmp_path, body)


def test_what_a_later_intake_gives_meanwhile_wins(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        first = await a_job(store, PENDING, name="first")
        await process(store, first, "held")
        second = await a_job(store, PENDING, name="second")
        await process(store, second, "good")
        await decide(store, (await open_issues(store, first))[0], "accept")
        await process(store, await job_of(store, "first"), "held")
        assert (await states(store, first), await told(store)) == (["superseded"], ["T-0"])
        await true_counts(store, first)

    with_store(tmp_path, body)


def test_a_crash_before_the_next_chunk_changes_nothing(tmp_path: Path) -> None:
    """The job is claimed anew, and knows of what is held from the store alone."""

    async def before(store: Store) -> None:
        job = await a_job(store, PENDING, PENDING)
        claimed = await claim(store, job)
        outcomes, payloads = came("held", first=0)
        await store.write(unit(store, claimed, outcomes, payloads))

    async def after(store: Store) -> None:
        job = await job_of(store)
        await process(store, job, "bad")
        now = await job_of(store)
        assert (now.state, now.issues) == (JobState.COMPLETED, 2)
        await true_counts(store, job)

    with_store(tmp_path, before)
    with_store(tmp_path, after)
