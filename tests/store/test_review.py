"""Deciding about records and jobs in the store: what a crash leaves behind, and how lists are read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from ingestbox import families
from ingestbox.errors import Fault
from ingestbox.family import Batch, Family, Intake
from ingestbox.model import Job, JobState, Outcome, record_id
from ingestbox.store import DATABASE, Store, changes, issues, jobs, load_queries, records
from ingestbox.store.audit import Act
from ingestbox.store.changes import SLICE_BYTES, SLICE_ROWS, CancelJob, ChangeSlice, Looked, ReprocessJob
from ingestbox.store.claim import ClaimJob, LostClaimError
from ingestbox.store.engine import connect_writer
from ingestbox.store.intake import AcceptBatch, Accepted, AddRecords, Draft, OpenJob, PublishJob, slices
from ingestbox.store.pages import EXAMINED
from ingestbox.store.review import Blocked, Decided, EditRecord, ResolveIssues
from ingestbox.store.work import Finish, SettleChunk, Settled
from tests.store.support import with_store

NOW = 1_800_000_000_000
ACT = Act("ann", "default", "r1", NOW)
FAMILIES: dict[str, Family] = families.load()

PENDING, BAD, OLD = None, Fault("text_required", "no text"), "superseded"


def record(number: int, kind: Fault | str | None, size: int = 0) -> Intake:
    summary = "" if isinstance(kind, Fault) else "x" * size or "good"
    payload = json.dumps({"id": f"T-{number}", "summary": summary}).encode()
    return Intake(f"T-{number}", payload, kind if isinstance(kind, Fault) else None, kind == OLD)


async def a_job(store: Store, *kinds: Fault | str | None, size: int = 0, name: str = "j") -> Job:
    batch = Batch("feedback", "json_api", "n", [record(n, kind, size) for n, kind in enumerate(kinds)])
    draft = Draft(name, "default", "tester", NOW)
    runs = slices(batch.records)
    if len(runs) == 1:
        accepted = await store.write(AcceptBatch(draft, batch, None, lambda *_: b""))
        assert isinstance(accepted, Accepted)
    else:
        opened = await store.write(OpenJob(draft, batch, None))
        assert isinstance(opened, Accepted)
        for first, run in runs:
            await store.write(AddRecords(draft, batch, opened.job_id, first, run))
        await store.write(PublishJob(opened.job_id, b"", NOW))
    return await job_of(store, name)


async def job_of(store: Store, name: str = "j") -> Job:
    found = await store.read_with(lambda tx: jobs.find(tx, name, None))
    assert found is not None
    return found


async def states(store: Store, job: Job) -> list[str]:
    rows = await store.read_with(lambda tx: records.listed(tx, job.id, records.Wanted(), 0, 100_000))
    return [row[2] for row in rows.rows]


async def true_counts(store: Store, job: Job) -> None:
    """The job's numbers are those of its records, and of its issues."""
    found = await states(store, job)
    now = await job_of(store, job.public_id)
    assert now.processed == sum(1 for state in found if state != "pending")
    assert now.issues == found.count("issue")
    wanted = issues.Wanted(None, job_id=job.id, open=True)
    open_issues, _ = await store.read_with(lambda tx: issues.listed(tx, wanted, 1 << 62, 100_000))
    assert {issue.record_id for issue in open_issues} == {
        record_id(job.id, index) for index, state in enumerate(found) if state == "issue"
    }


def settling(
    store: Store, job: Job, first: int, count: int, last: bool, bad: Sequence[int] = ()
) -> SettleChunk:
    """What settles `count` records from `first` on as issues: nothing here needs their results."""
    return SettleChunk(
        job=job,
        owner="me",
        identity=store.identity,
        outcomes=[Outcome(n, fault_code="processing_failed", fault_message="no") for n in bad],
        payloads={},
        old_cursor=first,
        cursor=first + count,
        tallies={},
        chunk_limit=count,
        lease_at=1e12,
        now_ms=NOW,
        finish=Finish(JobState.COMPLETED) if last else None,
    )


async def claim(store: Store, job: Job) -> Job:
    claimed = await store.write(ClaimJob(job.id, "me", 1e12, NOW))
    assert claimed is not None
    return claimed


async def one_slice(store: Store, job: Job) -> bool:
    looked = await store.read_with(lambda tx: changes.look(tx, job.id, FAMILIES))
    return await store.write(ChangeSlice(job.id, looked, NOW))


@pytest.mark.parametrize("cut", range(5))
def test_cancelling_goes_on_after_a_crash_at_any_slice(tmp_path: Path, cut: int) -> None:
    kinds = [PENDING, BAD, OLD] * 600

    async def before(store: Store) -> None:
        job = await a_job(store, *kinds)
        assert await store.write(CancelJob(job.id, "j", ACT)) is None
        for _ in range(cut):
            await one_slice(store, job)
            await true_counts(store, job)

    async def after(store: Store) -> None:
        done: list[int] = []
        await changes.go_on(store, FAMILIES, done.append)
        job = await job_of(store)
        assert await states(store, job) == ["discarded", "discarded", "superseded"] * 600
        assert (job.state, job.processed, job.issues, job.discarded) == ("cancelled", 1_800, 0, 1_200)
        await true_counts(store, job)
        assert done == ([job.id] if cut < 4 else [])  # 1,800 records in slices of 500
        await changes.go_on(store, FAMILIES, done.append)
        assert await job_of(store) == job  # once more is nothing more

    assert SLICE_ROWS == 500
    with_store(tmp_path, before)
    with_store(tmp_path, after)


@pytest.mark.parametrize("cut", range(4))
@pytest.mark.parametrize("which", ["retry", "redo"])
def test_processing_again_goes_on_after_a_crash_at_any_slice(tmp_path: Path, cut: int, which: str) -> None:
    """Nobody has the job before all of its records are pending."""

    async def before(store: Store) -> None:
        job = await a_job(store, *[PENDING] * 1_200, BAD, OLD)
        # The machine gave every other record up; what it made of the others does not matter here.
        await store.write(settling(store, await claim(store, job), 0, 1_200, True, range(0, 1_200, 2)))
        connection = connect_writer(store.path)
        connection.execute("UPDATE records SET state = 'done' WHERE state = 'pending'")
        connection.execute("UPDATE jobs SET processed = total")
        connection.close()
        await true_counts(store, job)
        assert await store.write(ReprocessJob(job.id, "j", which, ACT)) is None  # type: ignore[arg-type]
        for _ in range(cut):
            ended = await one_slice(store, job)
            await true_counts(store, job)
            if not ended:
                assert await store.write(ClaimJob(job.id, "me", 1e12, NOW)) is None

    async def after(store: Store) -> None:
        await changes.go_on(store, FAMILIES, lambda _: None)
        job = await job_of(store)
        assert job.state == JobState.QUEUED
        await true_counts(store, job)
        wanted = ["pending", "done"] * 600 if which == "retry" else ["pending"] * 1_200
        # What the family would not let in stays an issue; what was superseded is not brought back.
        assert await states(store, job) == [*wanted, "issue", "superseded"]
        assert (await claim(store, job)).cursor == 0

    with_store(tmp_path, before)
    with_store(tmp_path, after)


def test_a_slice_is_bounded_in_bytes(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        job = await a_job(store, *[PENDING] * 8, size=SLICE_BYTES // 3)
        await store.write(CancelJob(job.id, "j", ACT))
        touched = []
        while not await one_slice(store, job):
            touched.append((await states(store, job)).count("discarded"))
        assert touched == [2, 4, 6] or touched == [2, 4, 6, 8]
        await true_counts(store, job)
        # One that is too large by itself goes alone.
        huge = await a_job(store, PENDING, PENDING, size=2 * SLICE_BYTES, name="huge")
        await store.write(CancelJob(huge.id, "huge", ACT))
        await changes.carry_out(store, FAMILIES, huge.id)
        assert await states(store, huge) == ["discarded"] * 2

    with_store(tmp_path, body)


def test_what_was_looked_at_for_another_place_is_not_used(tmp_path: Path) -> None:
    """Two may be at one change; the slower one's look must not let unfit records through."""

    async def body(store: Store) -> None:
        job = await a_job(store, *[BAD] * 700)
        await store.write(settling(store, await claim(store, job), 0, 700, True))
        await store.write(ReprocessJob(job.id, "j", "retry", ACT))
        stale = await store.read_with(lambda tx: changes.look(tx, job.id, FAMILIES))
        assert not await one_slice(store, job)
        assert not await store.write(ChangeSlice(job.id, stale, NOW))
        assert not await store.write(ChangeSlice(job.id, Looked("retry", 0), NOW))
        assert await states(store, job) == ["issue"] * 700
        await changes.carry_out(store, FAMILIES, job.id)
        assert await states(store, job) == ["issue"] * 700

    with_store(tmp_path, body)


def test_what_was_looked_at_for_another_change_is_not_used(tmp_path: Path) -> None:
    """Cancelled while a retry is under way: what the retry leaves alone is given up too."""

    async def body(store: Store) -> None:
        job = await a_job(store, BAD, PENDING)
        await store.write(settling(store, await claim(store, job), 0, 2, True, [1]))
        early = await store.read_with(lambda tx: changes.look(tx, job.id, FAMILIES))
        assert early.action is None
        await store.write(ReprocessJob(job.id, "j", "retry", ACT))
        assert not await store.write(ChangeSlice(job.id, early, NOW))
        assert await states(store, job) == ["issue", "issue"]
        stale = await store.read_with(lambda tx: changes.look(tx, job.id, FAMILIES))
        await store.write(CancelJob(job.id, "j", ACT))
        assert not await store.write(ChangeSlice(job.id, stale, NOW))
        await changes.carry_out(store, FAMILIES, job.id)
        assert await states(store, job) == ["discarded", "discarded"]
        await true_counts(store, job)

    with_store(tmp_path, body)


@pytest.mark.parametrize("cancelled", [False, True])
def test_tallies_count_anew_once_all_is_pending_again(tmp_path: Path, cancelled: bool) -> None:
    """Cancelled before, the job keeps what it counted: the records are done still."""

    async def body(store: Store) -> None:
        job = await a_job(store, PENDING, PENDING)
        unit = settling(store, await claim(store, job), 0, 2, True, [0, 1])
        await store.write(replace(unit, tallies={"sentiment_records": 2}))
        await store.write(ReprocessJob(job.id, "j", "redo", ACT))
        if cancelled:
            await store.write(CancelJob(job.id, "j", ACT))
        await changes.carry_out(store, FAMILIES, job.id)
        assert (await job_of(store)).tallies == ({"sentiment_records": 2} if cancelled else {})

    with_store(tmp_path, body)


def test_a_worker_loses_what_was_cancelled(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        job = await a_job(store, *[PENDING] * 4)
        claimed = await claim(store, job)
        await store.write(settling(store, claimed, 0, 2, False, [0, 1]))
        await store.write(CancelJob(job.id, "j", ACT))
        with pytest.raises(LostClaimError):
            await store.write(settling(store, claimed, 2, 2, True, [2, 3]))
        await changes.carry_out(store, FAMILIES, job.id)
        assert await states(store, job) == ["discarded"] * 4
        assert (await job_of(store)).state == JobState.CANCELLED
        assert await store.write(ClaimJob(job.id, "me", 1e12, NOW)) is None

    with_store(tmp_path, body)


def test_a_job_goes_back_to_what_was_reopened_behind_its_worker(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        job = await a_job(store, BAD, PENDING, BAD, PENDING)
        claimed = await claim(store, job)
        await store.write(settling(store, claimed, 0, 2, False, [1]))
        for issue, index in ((1, 0), (3, 1)):
            row = await store.write(ResolveIssues([(issue, record_id(job.id, index))], "retry", ACT))
            assert row == [Decided(job.id)]
        await true_counts(store, job)
        ended = await store.write(settling(store, claimed, 2, 2, True, [3]))
        assert ended == Settled(0, reopened=True)
        again = await job_of(store)
        assert (again.state, again.completed_ms, again.error) == ("queued", None, None)
        assert (await claim(store, job)).cursor == 0
        assert await states(store, job) == ["pending", "pending", "issue", "issue"]
        await true_counts(store, job)

    with_store(tmp_path, body)


def test_a_correction_of_what_was_there_before_is_refused(tmp_path: Path) -> None:
    """It was tried again in between, and failed again: the patch was made on what somebody else has seen."""

    async def body(store: Store) -> None:
        job = await a_job(store, BAD)
        rid = record_id(job.id, 0)
        seen = await store.read_with(lambda tx: records.one(tx, rid))
        assert seen is not None
        await store.write(settling(store, await claim(store, job), 0, 1, True))
        await store.write(ResolveIssues([(1, rid)], "retry", ACT))
        await store.write(settling(store, await claim(store, job), 0, 1, True, [0]))
        edit = EditRecord(rid, seen.mark, "T-0", b'{"id":"T-0","summary":"late"}', {}, {}, ACT)
        assert await store.write(edit) == Blocked("record_changed")
        assert await store.write(ResolveIssues([(1, rid)], "discard", ACT)) == [Blocked("issue_resolved")]
        now = await store.read_with(lambda tx: records.one(tx, rid))
        assert now is not None
        assert (now.payload, now.state) == (seen.payload, "issue")
        assert await store.write(replace(edit, mark=now.mark)) == Decided(job.id)
        await true_counts(store, job)

    with_store(tmp_path, body)


def test_a_restart_does_not_forget_what_was_reopened(tmp_path: Path) -> None:
    async def before(store: Store) -> None:
        job = await a_job(store, BAD, PENDING, PENDING)
        claimed = await claim(store, job)
        await store.write(settling(store, claimed, 0, 2, False, [1]))
        await store.write(ResolveIssues([(1, record_id(job.id, 0))], "retry", ACT))

    async def after(store: Store) -> None:
        claimed = await claim(store, await job_of(store))
        assert claimed.cursor == 0

    with_store(tmp_path, before)
    with_store(tmp_path, after)


@pytest.mark.parametrize("again", ["issue", "job"])
def test_a_job_that_had_ended_begins_with_its_first_attempt(tmp_path: Path, again: str) -> None:
    """Its next failure that passes is its first: it must not be put off for as long as after its tenth."""

    async def body(store: Store) -> None:
        job = await a_job(store, PENDING)
        for issue in range(1, 4):
            claimed = await claim(store, job)
            assert claimed.attempt == 1
            await store.write(settling(store, claimed, 0, 1, True, [0]))
            if again == "job":
                await store.write(ReprocessJob(job.id, "j", "retry", ACT))
                await changes.carry_out(store, FAMILIES, job.id)
            else:
                await store.write(ResolveIssues([(issue, record_id(job.id, 0))], "retry", ACT))

    with_store(tmp_path, body)


def test_a_review_ends_with_its_last_issue(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        for name, kinds, end in (("some", (BAD, OLD, BAD), "completed"), ("none", (BAD, BAD), "failed")):
            job = await a_job(store, *kinds, name=name)
            unit = settling(store, await claim(store, job), 0, len(kinds), True)
            await store.write(replace(unit, finish=Finish(JobState.REVIEW)))
            wanted = issues.Wanted(None, job_id=job.id)
            found, _ = await store.read_with(lambda tx: issues.listed(tx, wanted, 1 << 62, 9))  # noqa: B023
            for issue in found:
                assert (await job_of(store, name)).state == JobState.REVIEW
                await store.write(ResolveIssues([(issue.id, issue.record_id)], "discard", ACT))
            ended = await job_of(store, name)
            assert (ended.state, ended.completed_ms, ended.issues) == (end, NOW, 0)
            await true_counts(store, job)

    with_store(tmp_path, body)


def test_nothing_of_a_cancelled_job_is_brought_back(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        job = await a_job(store, BAD, PENDING)
        await store.write(CancelJob(job.id, "j", ACT))
        # Before the slices have come so far, its issue is open still.
        rid = record_id(job.id, 0)
        assert await store.write(ResolveIssues([(1, rid)], "retry", ACT)) == [Blocked("job_cancelled")]
        mark = await store.read_with(lambda tx: records.one(tx, rid))
        assert mark is not None
        edit = EditRecord(rid, mark.mark, "T-0", b"{}", {}, {}, ACT)
        assert await store.write(edit) == Blocked("job_cancelled")
        assert await store.write(ReprocessJob(job.id, "j", "redo", ACT)) == Blocked("job_cancelled")
        assert await store.write(ResolveIssues([(1, rid)], "discard", ACT)) == [Decided(job.id)]
        await changes.carry_out(store, FAMILIES, job.id)
        assert await states(store, job) == ["discarded", "discarded"]
        await true_counts(store, job)

    with_store(tmp_path, body)


def test_a_filter_that_few_pass_gives_a_short_page_that_goes_on(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        total = EXAMINED + 500
        job = await a_job(store, *[PENDING] * (total - 1), OLD)
        wanted = records.Wanted("superseded")
        first = await store.read_with(lambda tx: records.listed(tx, job.id, wanted, 0, 10))
        assert (first.rows, first.last) == ([], record_id(job.id, EXAMINED - 1))
        after = first.last or 0
        second = await store.read_with(lambda tx: records.listed(tx, job.id, wanted, after, 10))
        assert ([row[0] for row in second.rows], second.last) == ([record_id(job.id, total - 1)], None)

    with_store(tmp_path, body)


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("jobs.of_workspace", "jobs_by_workspace (workspace=? AND id>? AND id<?)"),
        ("jobs.of_kind", "jobs_listed (workspace=? AND family=? AND state=? AND id>? AND id<?)"),
        ("jobs.of_creator", "jobs_by_creator (workspace=? AND family=? AND created_by=? AND id>? AND id<?)"),
        ("jobs.everywhere", "INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
        ("jobs.of_workspace_oldest", "jobs_by_workspace (workspace=? AND id>? AND id<?)"),
        ("jobs.of_kind_oldest", "jobs_listed (workspace=? AND family=? AND state=? AND id>? AND id<?)"),
        (
            "jobs.of_creator_oldest",
            "jobs_by_creator (workspace=? AND family=? AND created_by=? AND id>? AND id<?)",
        ),
        ("jobs.everywhere_oldest", "INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
        ("jobs.named", "w VIRTUAL TABLE INDEX 192:M1><"),
        ("jobs.named_oldest", "w VIRTUAL TABLE INDEX"),
        ("jobs.of_id", "(public_id>? AND public_id<?)"),
        ("jobs.submitted", "INTEGER PRIMARY KEY (rowid>?)"),
        ("jobs.last", "SEARCH jobs"),
        ("jobs.changes", "INTEGER PRIMARY KEY (rowid>?)"),
        ("issues.of_workspace", "issues_by_workspace (workspace=? AND id<?)"),
        ("issues.open_of_workspace", "issues_open (workspace=? AND id<?)"),
        ("issues.of_one_job", "issues_by_job (job_id=? AND id<?)"),
        ("issues.everywhere", "INTEGER PRIMARY KEY (rowid<?)"),
        ("issues.of_records", "SEARCH l USING PRIMARY KEY (record_id=?)"),
        ("issues.records", "issue_records_by_issue (issue_id=?)"),
        ("issues.size", "COVERING INDEX issue_records_left (issue_id=?)"),
        ("issues.waiting", "issue_records_by_issue (issue_id=? AND record_id>?)"),
        ("issues.resolve", "SEARCH issue_records USING PRIMARY KEY (record_id=?)"),
        ("records.mark", "SEARCH l USING PRIMARY KEY (record_id=?)"),
        ("records.linked", "SEARCH l USING PRIMARY KEY (record_id>? AND record_id<?)"),
        ("records.of_issue", "issue_records_by_issue (issue_id=? AND record_id>? AND record_id<?)"),
        ("records.of_job", "INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
        ("records.waiting_of_job", "issues_waiting (record_id>? AND record_id<?)"),
        ("records.waiting_sizes", "issues_waiting (record_id>? AND record_id<?)"),
        ("records.waiting_payloads", "issues_waiting (record_id>? AND record_id<?)"),
        ("records.sizes", "INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
        ("deliveries.newest", "INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
        ("deliveries.parked", "PRIMARY KEY (lane=? AND seq<?)"),
        ("parked.page", "parked_states (lane=? AND state=? AND seq<?)"),
        ("parked.again", "parked_states (lane=? AND state=?)"),
        ("deliveries.of_record", "deliveries_by_record (record_id=?)"),
        ("deliveries.all_of_record", "deliveries_by_record (record_id=? AND rowid>? AND rowid<?)"),
    ],
)
def test_every_list_is_read_in_the_order_of_an_index(tmp_path: Path, query: str, wanted: str) -> None:
    async def nothing(_: Store) -> None: ...

    with_store(tmp_path, nothing)
    statement = load_queries({})[query]
    connection = connect_writer(tmp_path / DATABASE)
    try:
        plan = [
            row[3]
            for row in connection.execute(f"EXPLAIN QUERY PLAN {statement.sql}", [1] * len(statement.names))
        ]
    finally:
        connection.close()
    assert any(wanted in line for line in plan), plan
    assert not any("TEMP B-TREE" in line for line in plan), plan


def test_issues_of_before_belong_to_their_jobs_workspace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The migration gives every issue that was there its scope."""
    from ingestbox.store import migrations

    known = migrations.known()
    connection = connect_writer(tmp_path / DATABASE)
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "known", lambda: [each for each in known if each[0] < 6])
        migrations.migrate(connection, 1)
    connection.execute(
        "INSERT INTO jobs (id, public_id, family, workspace, created_by, source, name, state, total,"
        " processed, issues, submitted_ms, updated_ms)"
        " VALUES (7, 'p', 'feedback', 'w', 'c', 's', 'n', 'completed', 1, 1, 1, 1, 1)"
    )
    connection.execute(
        "INSERT INTO issues (job_id, record_id, code, message, created_ms) VALUES (7, ?, 'c', 'm', 1)",
        (record_id(7, 0),),
    )
    migrations.migrate(connection, 2)
    rows = connection.execute("SELECT workspace, family, resolution FROM issues").fetchall()
    connection.close()
    assert rows == [("w", "feedback", None)]
