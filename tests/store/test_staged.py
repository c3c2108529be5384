"""What people decide about staged rows and issues, in the store: counts, blocks, plans of the queries."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from ingestbox.model import JobState, record_id
from ingestbox.store import DATABASE, Store, load_queries, records
from ingestbox.store.changes import CancelJob, ChangeSlice, look
from ingestbox.store.engine import connect_writer
from ingestbox.store.review import Blocked
from ingestbox.store.staged import EDITS, EditIssue, EditRows, GoOn, IssueChange, RowEdit, State
from ingestbox.store.unit import Tx
from ingestbox.store.writer import GROUP_WEIGHT
from tests.pipeline.staged import ACT, Desk, at_desk, line
from tests.store.support import with_store

BAD = line(1, email="no address")


def edit(job_id: int, index: int, state: State, mark: str | None = None, email: str = "") -> RowEdit:
    key = email or f"e{index}@x.org"
    row = {"email": key, "first_name": "A", "last_name": "B", "company": "C"}
    return RowEdit(
        record_id(job_id, index), mark, key, json.dumps(row).encode(), state, {"was": 1}, {"is": 2}
    )


async def mark_of(desk: Desk, job_id: int, index: int) -> str:
    found = await desk.store.read_with(lambda tx: records.one(tx, record_id(job_id, index)))
    assert found is not None
    return found.mark


async def written(desk: Desk, *edits: RowEdit) -> list[str | None]:
    outcomes = await desk.store.write(EditRows(edits, ACT))
    return [None if outcome is None else outcome.code for outcome in outcomes]


def test_each_edit_has_an_outcome_of_its_own(tmp_path: Path) -> None:
    async def body(desk: Desk) -> None:
        job_id, _ = await desk.imported([BAD, line(2), line(3)])
        done, _ = await desk.imported([line(9)])
        stale, fresh = "00000000-issue-1", await mark_of(desk, job_id, 1)
        outcomes = await written(
            desk,
            edit(job_id, 0, "pending", stale),
            edit(job_id, 1, "discarded", fresh),
            edit(done, 0, "discarded"),
            edit(job_id, 2, "issue"),
            edit(job_id, 77, "issue"),
            edit(job_id + 50, 0, "issue"),
        )
        assert outcomes == [
            "record_changed",
            None,
            "job_not_waiting",
            None,
            "job_not_waiting",
            "job_not_waiting",
        ]
        assert await desk.states(job_id) == ["issue", "discarded", "issue"]
        assert await desk.states(done) == ["done"]
        assert len(await desk.rows("SELECT 1 FROM audit WHERE action = 'staging.edit'")) == 2
        await desk.check_counts(job_id)

    at_desk(tmp_path, body)


STATES: Sequence[State] = ("pending", "issue", "discarded")


def test_every_move_between_states_keeps_the_counts(tmp_path: Path) -> None:
    async def body(desk: Desk) -> None:
        job_id, _ = await desk.imported([BAD, line(2)])
        for before in STATES:
            for after in STATES:
                for index in (0, 1):
                    assert await written(desk, edit(job_id, index, before)) == [None]
                    assert await written(desk, edit(job_id, index, after)) == [None]
                    await desk.check_counts(job_id)
        keys = await desk.rows("SELECT COUNT(*) FROM staged_keys")
        assert keys == [(0,)]  # neither row was checked since
        assert await desk.rows("SELECT COUNT(*) FROM staged_edits") == [(2,)]

    at_desk(tmp_path, body)


def test_a_repeat_is_no_change(tmp_path: Path) -> None:
    async def body(desk: Desk) -> None:
        job_id, _ = await desk.imported([BAD])
        for _ in range(3):
            assert await written(desk, edit(job_id, 0, "pending")) == [None]
        assert len(await desk.rows("SELECT 1 FROM audit")) == 1

    at_desk(tmp_path, body)


def test_a_row_that_is_done_stays_done_although_its_job_waits(tmp_path: Path) -> None:
    async def body(desk: Desk) -> None:
        job_id, _ = await desk.imported([line(1), line(2)])
        await _move(desk, job_id, JobState.REVIEW)
        assert await written(desk, edit(job_id, 0, "discarded")) == ["record_not_waiting"]
        assert await desk.states(job_id) == ["done", "done"]

    at_desk(tmp_path, body)


async def _move(desk: Desk, job_id: int, state: JobState) -> None:
    """A job as it comes to be only when something else goes wrong."""
    sql = "UPDATE jobs SET state = ? WHERE id = ?"

    class Move:
        weight = 1

        def apply(self, tx: Tx) -> None:
            tx._connection.execute(sql, (state.value, job_id))

    await desk.store.write(Move())


@pytest.mark.parametrize("state", list(JobState))
def test_rows_and_issues_change_in_two_states_of_their_job(tmp_path: Path, state: JobState) -> None:
    async def body(desk: Desk) -> None:
        job_id, _ = await desk.imported([BAD])
        await _move(desk, job_id, state)
        waits = state in (JobState.REVIEW, JobState.FAILED)
        assert await written(desk, edit(job_id, 0, "pending")) == [None if waits else "job_not_waiting"]
        staging = desk.family.staging
        assert staging is not None
        outcome = await desk.store.write(EditIssue(1, staging, IssueChange(resolved=True), ACT))
        assert outcome == (None if waits else Blocked("job_not_waiting"))

    at_desk(tmp_path, body)


@pytest.mark.parametrize(
    ("state", "phase", "code", "after"),
    [
        (JobState.REVIEW, "waiting", None, "queued"),
        (JobState.FAILED, "waiting", None, "queued"),
        (JobState.QUEUED, "loading", None, "queued"),
        (JobState.QUEUED, "turn", "job_active", "queued"),
        (JobState.QUEUED, "consolidating", "job_active", "queued"),
        (JobState.RUNNING, "checking", "job_active", "running"),
        (JobState.COMPLETED, "done", "job_ended", "completed"),
        (JobState.CANCELLED, "cancelled", "job_cancelled", "cancelled"),
        (JobState.RECEIVING, "loading", "job_not_found", "receiving"),
    ],
)
def test_which_jobs_go_on(tmp_path: Path, state: JobState, phase: str, code: str | None, after: str) -> None:
    async def body(desk: Desk) -> None:
        job_id, _ = await desk.imported([BAD])
        await _move(desk, job_id, state)
        await _phase(desk, job_id, phase)
        outcome = await desk.store.write(GoOn(job_id, "j1", ACT))
        assert outcome == (None if code is None else Blocked(code))
        assert await desk.rows("SELECT state FROM jobs") == [(after,)]
        lines = await desk.rows("SELECT 1 FROM audit")
        assert len(lines) == (1 if code is None and state is not JobState.QUEUED else 0)

    at_desk(tmp_path, body)


async def _phase(desk: Desk, job_id: int, phase: str) -> None:
    class Move:
        weight = 1

        def apply(self, tx: Tx) -> None:
            sql = "UPDATE staged_jobs SET phase = ? WHERE job_id = ?"
            tx._connection.execute(sql, (phase, job_id))

    await desk.store.write(Move())


@pytest.mark.parametrize(
    ("state", "phase", "code"),
    [
        (JobState.REVIEW, "waiting", None),
        (JobState.FAILED, "waiting", None),
        (JobState.QUEUED, "loading", None),
        (JobState.QUEUED, "waiting", None),
        (JobState.QUEUED, "turn", "job_active"),
        (JobState.QUEUED, "consolidating", "job_active"),
        (JobState.RUNNING, "checking", "job_active"),
        (JobState.COMPLETED, "done", "job_ended"),
        (JobState.CANCELLED, "cancelled", None),
    ],
)
def test_which_staged_jobs_are_cancelled(
    tmp_path: Path, state: JobState, phase: str, code: str | None
) -> None:
    async def body(desk: Desk) -> None:
        job_id, _ = await desk.imported([BAD])
        await _move(desk, job_id, state)
        await _phase(desk, job_id, phase)
        outcome = await desk.store.write(CancelJob(job_id, "j1", ACT, staged=True))
        assert outcome == (None if code is None else Blocked(code))
        after = "cancelled" if code is None else state.value
        assert await desk.rows("SELECT state FROM jobs") == [(after,)]

    at_desk(tmp_path, body)


def test_a_job_that_a_worker_holds_is_not_cancelled(tmp_path: Path) -> None:
    async def body(desk: Desk) -> None:
        job_id = await desk.accept([BAD])

        class Hold:
            weight = 1

            def apply(self, tx: Tx) -> None:
                tx._connection.execute("UPDATE jobs SET owner = 'w'")

        await desk.store.write(Hold())
        assert await desk.store.write(CancelJob(job_id, "j1", ACT, staged=True)) == Blocked("job_active")

    at_desk(tmp_path, body)


def test_several_rows_that_could_update_one_object_are_for_a_person(tmp_path: Path) -> None:
    async def body(desk: Desk) -> None:
        await desk.imported([line(1)])
        job_id, _ = await desk.imported([line(1, first_name="A"), line(2)])
        ((issue_id,),) = await desk.rows("SELECT id FROM issues")
        staging = desk.family.staging
        assert staging is not None

        class Link:
            weight = 1

            def apply(self, tx: Tx) -> None:
                sql = "INSERT INTO issue_records (record_id, issue_id, run)"
                tx._connection.execute(
                    f"{sql} SELECT ?, ?, MAX(run) FROM issue_records", (record_id(job_id, 1), issue_id)
                )

        await desk.store.write(Link())
        unit = EditIssue(issue_id, staging, IssueChange(resolved=True, updates=True), ACT)
        assert await desk.store.write(unit) == Blocked("rows_undecided")
        assert await desk.rows("SELECT resolved_ms FROM issues") == [(None,)]
        await written(desk, edit(job_id, 1, "discarded"))
        assert await desk.store.write(unit) is None
        await desk.check_counts(job_id)

    at_desk(tmp_path, body)


def test_giving_up_the_rows_of_one_large_issue_takes_time_by_their_number(tmp_path: Path) -> None:
    """Each looks for a row that is left, and must not look at all that are gone."""

    async def body(desk: Desk) -> None:
        rows = 4_000
        job_id, _ = await desk.imported([line(n, email="a@x.org") for n in range(rows)])
        assert len(await desk.issues(job_id)) == 1
        spent: list[float] = []
        for start in range(0, rows, EDITS):
            unit = EditRows([edit(job_id, n, "discarded") for n in range(start, start + EDITS)], ACT)
            spent.append(await _seconds(desk.store, unit))
        assert [each[2] for each in await desk.issues(job_id)] == [False]
        await desk.check_counts(job_id)
        half = len(spent) // 2
        assert sum(spent[half:]) < 3 * sum(spent[:half])

    at_desk(tmp_path, body)


async def _seconds(store: Store, unit: EditRows) -> float:
    """What a unit takes of the writer's own time."""

    class Timed:
        weight = unit.weight

        def apply(self, tx: Tx) -> float:
            before = time.thread_time()
            assert set(unit.apply(tx)) == {None}
            return time.thread_time() - before

    return await store.write(Timed())


def test_a_full_unit_fits_into_a_transaction() -> None:
    unit = EditRows([edit(1, n, "pending") for n in range(EDITS)], ACT)
    assert unit.weight <= GROUP_WEIGHT


def test_a_cancel_closes_issues_of_any_of_their_rows(tmp_path: Path) -> None:
    async def body(desk: Desk) -> None:
        job_id, _ = await desk.imported([line(n, email="a@x.org", company=str(n)) for n in range(700)])
        await written(desk, *(edit(job_id, n, "discarded") for n in range(100)))
        assert await desk.store.write(CancelJob(job_id, "j1", ACT, staged=True)) is None
        slices = 0
        while True:
            looked = await desk.store.read_with(lambda tx: look(tx, job_id, {}))
            slices += 1
            if await desk.store.write(ChangeSlice(job_id, looked, 5)):
                break
            await desk.check_counts(job_id)
        assert slices > 1
        assert [each[2] for each in await desk.issues(job_id)] == [False]
        assert set(await desk.states(job_id)) == {"discarded"}
        await desk.check_counts(job_id)

    at_desk(tmp_path, body)


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("staged.give_up_issues", "COVERING INDEX issue_records_left (issue_id=? AND given_up=? AND run>?)"),
        ("staged.give_up_issues", "SEARCH l USING PRIMARY KEY (record_id=?)"),
        ("staged.reopen_issues", "SEARCH issue_records USING PRIMARY KEY (record_id=?)"),
        ("staged.rows_left", "COVERING INDEX issue_records_left (issue_id=? AND given_up=? AND run=?)"),
        ("issues.resolve_among", "SEARCH issue_records USING PRIMARY KEY (record_id>? AND record_id<?)"),
        ("undoing.rows", "SEARCH r USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
        ("undoing.rows", "SEARCH o USING PRIMARY KEY"),
        ("undoing.begin", "INDEX staged_turn (workspace=? AND family=? AND owner=?)"),
        ("undoing.under_way", "INDEX staged_hiding"),
        ("undoing.waiting", "INDEX staged_waiting_turn (workspace=? AND family=? AND owner=?)"),
        ("staging.take_turn", "INDEX staged_turn (workspace=? AND family=? AND owner=?)"),
        ("removal.remove", "SEARCH objects USING PRIMARY KEY"),
    ],
)
def test_what_is_asked_for_each_row_is_found_by_an_index(tmp_path: Path, query: str, wanted: str) -> None:
    async def nothing(_: Store) -> None: ...

    with_store(tmp_path, nothing)
    statement = load_queries({})[query]
    connection = connect_writer(tmp_path / DATABASE)
    try:
        sql = f"EXPLAIN QUERY PLAN {statement.sql}"
        plan = [row[3] for row in connection.execute(sql, [1] * len(statement.names))]
    finally:
        connection.close()
    assert any(wanted in line for line in plan), plan
    assert not any("TEMP B-TREE" in line for line in plan), plan


@pytest.mark.parametrize("query", ["staged.rows_left", "bulk.issue"])
def test_what_an_issue_is_about_is_found_at_once_however_many_rows_it_holds(
    tmp_path: Path, query: str
) -> None:
    async def body(desk: Desk) -> None:
        job_id, _ = await desk.imported([line(0, company="")])
        assert job_id == 1

    at_desk(tmp_path, body)
    statement = load_queries({})[query]
    connection = connect_writer(tmp_path / DATABASE)
    steps: list[int] = []
    try:
        first = record_id(1, 1)
        links = [(rid, 1, rid % 3 + 1, rid % 2) for rid in range(first, first + 50_000)]
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO issue_records VALUES (?, ?, ?, ?)", links)
        connection.execute("COMMIT")
        connection.set_progress_handler(lambda: steps.append(1), 100)
        given = {"issue_id": 1, "id": 1, "limit": 2}
        found = connection.execute(statement.sql, [given[name] for name in statement.names]).fetchall()
    finally:
        connection.close()
    if query == "bulk.issue":
        assert found[0][-1] == 3
    else:
        assert [row[0] % 6 for row in found] == [2, 2]  # of the newest run, and not given up
    assert len(steps) < 10
