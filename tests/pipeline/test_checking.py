"""Staged jobs: what fails, what is alike, what exists, and when rows become contacts."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from ingestbox.model import JobState
from tests.pipeline.staged import Desk, at_desk, line


def test_rows_that_are_right_become_contacts_together(tmp_path: Path) -> None:
    async def body(desk: Desk) -> None:
        job_id, job = await desk.imported([line(n) for n in range(1_500)])
        assert (job.state, job.processed, job.issues) == (JobState.COMPLETED, 1_500, 0)
        assert len(await desk.contacts()) == 1_500
        assert (await desk.staged(job_id)).phase == "done"
        assert set(await desk.states(job_id)) == {"done"}
        deliveries = await desk.rows("SELECT op, COUNT(*) FROM deliveries GROUP BY op")
        assert deliveries == [("put", 1_500)]
        await desk.check_counts(job_id)

    at_desk(tmp_path, body)


def test_what_fails_waits_and_nothing_becomes_a_contact_before(tmp_path: Path) -> None:
    async def body(desk: Desk) -> None:
        lines = [
            line(0),
            line(1, last_name=" "),
            line(2),
            line(3, email="P2@EXAMPLE.com"),
            line(4, email="x@"),
        ]
        job_id, job = await desk.imported(lines)
        assert job.state == JobState.REVIEW
        assert await desk.contacts() == []
        assert await desk.issues(job_id) == [
            ("missing_required_field", "p1@example.com", True, [1]),
            ("invalid_email", "x@", True, [4]),
            ("duplicate_email", "p2@example.com", True, [2, 3]),
        ]
        assert await desk.states(job_id) == ["pending", "issue", "issue", "issue", "issue"]
        await desk.check_counts(job_id)

        await desk.edit(job_id, 1, last_name="Q")
        await desk.edit(job_id, 3, "discarded")
        await desk.edit(job_id, 4)  # said to be ready, but nothing was mended
        job = await desk.go_on(job_id)
        assert job.state == JobState.REVIEW
        assert await desk.issues(job_id) == [
            ("missing_required_field", "p1@example.com", False, [1]),
            ("invalid_email", "x@", True, [4]),
            ("duplicate_email", "p2@example.com", False, [2, 3]),
        ]
        resolved = await desk.rows("SELECT DISTINCT resolved_by, comment FROM issues WHERE resolved_ms > 0")
        assert resolved == [("system", "All related staging records resolved during reprocessing")]
        await desk.check_counts(job_id)

        await desk.edit(job_id, 4, email="x@example.com")
        job = await desk.go_on(job_id)
        assert job.state == JobState.COMPLETED
        assert len(await desk.contacts()) == 4
        assert await desk.states(job_id) == ["done", "done", "done", "discarded", "done"]
        await desk.check_counts(job_id)

    at_desk(tmp_path, body)


def test_rows_that_are_alike_in_everything_are_one(tmp_path: Path) -> None:
    async def body(desk: Desk) -> None:
        lines = [line(0), line(0), line(1), line(0, email=" P0@example.com "), line(1, company="Other")]
        job_id, job = await desk.imported(lines)
        assert job.state == JobState.REVIEW
        assert await desk.states(job_id) == ["pending", "discarded", "issue", "discarded", "issue"]
        notes = await desk.rows(
            "SELECT payload ->> '_note' FROM records WHERE state = 'discarded' ORDER BY id"
        )
        assert notes == [("Identical to row 1",), ("Identical to row 1",)]
        assert await desk.issues(job_id) == [("duplicate_email", "p1@example.com", True, [2, 4])]
        await desk.check_counts(job_id)

    at_desk(tmp_path, body)


def test_many_copies_and_many_that_differ(tmp_path: Path) -> None:
    """More of one key than a slice takes, and more keys than one read looks at."""

    async def body(desk: Desk) -> None:
        lines = [line(0, company=f"C{n % 700}") for n in range(1_400)]
        lines += [line(n) for n in (*range(1, 800), *range(1, 800))]
        job_id, job = await desk.imported(lines)
        assert job.state == JobState.REVIEW
        states = await desk.states(job_id)
        assert states[:700] == ["issue"] * 700
        assert states[700:1_400] == ["discarded"] * 700
        assert states[1_400:2_199] == ["pending"] * 799
        assert states[2_199:] == ["discarded"] * 799
        (issue,) = await desk.issues(job_id)
        assert issue[:3] == ("duplicate_email", "p0@example.com", True)
        assert issue[3] == list(range(700))
        await desk.check_counts(job_id)

    at_desk(tmp_path, body)


def test_what_exists_fails_and_can_be_updated(tmp_path: Path) -> None:
    async def body(desk: Desk) -> None:
        await desk.imported([line(0), line(1)])
        job_id, job = await desk.imported([line(0, email="P0@Example.com", company="New"), line(2)])
        assert job.state == JobState.REVIEW
        assert await desk.issues(job_id) == [("existing_email", "p0@example.com", True, [0])]
        ((contact,),) = await desk.rows("SELECT object_id FROM contacts WHERE email_key = 'p0@example.com'")
        await desk.edit(job_id, 0, _update=contact)
        job = await desk.go_on(job_id)
        assert job.state == JobState.COMPLETED
        rows = await desk.rows("SELECT email_key, company, version FROM contacts ORDER BY email_key")
        assert rows == [("p0@example.com", "New", 2), ("p1@example.com", "R", 1), ("p2@example.com", "R", 1)]
        await desk.check_counts(job_id)

    at_desk(tmp_path, body)


def test_each_owner_has_contacts_of_their_own(tmp_path: Path) -> None:
    async def body(desk: Desk) -> None:
        await desk.imported([line(0)])
        _, job = await desk.imported([line(0)], owner="ben")
        assert job.state == JobState.COMPLETED
        assert await desk.contacts("ben") == ["p0@example.com"]

    at_desk(tmp_path, body)


def test_a_baseline_passes_over_what_exists(tmp_path: Path) -> None:
    async def body(desk: Desk) -> None:
        await desk.imported([line(0)])
        job_id, job = await desk.imported([line(0, company="Other"), line(1)], baseline=True)
        assert job.state == JobState.COMPLETED
        assert await desk.states(job_id) == ["discarded", "done"]
        assert await desk.contacts() == ["p0@example.com", "p1@example.com"]
        await desk.check_counts(job_id)

    at_desk(tmp_path, body)


def test_the_same_file_is_taken_once(tmp_path: Path) -> None:
    async def body(desk: Desk) -> None:
        assert await desk.accept([line(0)], name="a.csv")
        assert not await desk.accept([line(0)], name="b.csv")
        assert not await desk.accept([line(1)], name="a.csv")
        assert await desk.accept([line(0)], name="a.csv", owner="ben")

    at_desk(tmp_path, body)


def test_of_two_jobs_that_race_on_an_address_one_gets_it(tmp_path: Path) -> None:
    """The first has its turn while the second one waits; then the second one finds the address taken."""

    async def body(desk: Desk) -> None:
        first = await desk.accept([line(n) for n in range(300)])
        second = await desk.accept([line(n) for n in range(299, 500)])

        await asyncio.gather(desk.work(first), desk.work(second))
        states = {(await desk.job(each)).state for each in (first, second)}
        assert states == {JobState.COMPLETED, JobState.REVIEW}
        contacts = await desk.contacts()
        assert len(contacts) == len(set(contacts))
        for each in (first, second):
            await desk.check_counts(each)
            issues = await desk.issues(each)
            if (await desk.job(each)).state == JobState.REVIEW:
                assert [issue[:3] for issue in issues] == [("existing_email", "p299@example.com", True)]
                assert not any(state == "done" for state in await desk.states(each))
            else:
                assert issues == []

    at_desk(tmp_path, body)


@pytest.mark.parametrize("state", ["issue", "pending"])
def test_a_row_that_is_right_may_be_called_what_one_likes(tmp_path: Path, state: str) -> None:
    async def body(desk: Desk) -> None:
        job_id, _ = await desk.imported([line(0), line(1, company="")])
        await desk.edit(job_id, 0, state)  # type: ignore[arg-type]
        await desk.edit(job_id, 1, "discarded")
        job = await desk.go_on(job_id)
        assert job.state == JobState.COMPLETED
        assert await desk.states(job_id) == ["done", "discarded"]
        await desk.check_counts(job_id)

    at_desk(tmp_path, body)
