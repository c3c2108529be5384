"""Staged jobs whose rows become objects: rows that fail on the way, crashes, turns."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ingestbox.config import Work
from ingestbox.model import JobState, record_id
from ingestbox.pipeline import checking, comparing
from ingestbox.store import staging, undoing
from ingestbox.store.changes import CancelJob
from ingestbox.store.claim import FreeExpired
from ingestbox.store.files import LoadSlice
from ingestbox.store.review import Blocked
from ingestbox.store.staged import GoOn
from ingestbox.store.staging import AT_ONCE, SLICE, GiveTurnBack, Leave, ReleaseRows, SettleRows, TakeTurn
from ingestbox.store.undoing import BeginUndo
from ingestbox.store.work import SettleChunk
from tests.pipeline.staged import ACT, Desk, Run, at_desk, line

FUNCTIONS = "staged_functions"


@pytest.fixture(autouse=True)
def _children_find_their_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))


class Killed(BaseException):
    """The process ends here."""


def killed_after(desk: Desk, unit: type, times: int) -> Callable[[], None]:
    """The process ends once so many units of a kind are on disk; gives what puts that right."""
    whole: Any = desk.store.write
    left = times

    async def mortal(each: Any, **options: Any) -> Any:
        nonlocal left
        answer = await whole(each, **options)
        left -= isinstance(each, unit)
        if not left and isinstance(each, unit):
            raise Killed
        return answer

    def restart() -> None:
        desk.store.write = whole  # type: ignore[method-assign]

    write: Any = mortal
    desk.store.write = write  # type: ignore[method-assign]
    return restart


async def work_killed_after(desk: Desk, job_id: int, unit: type, times: int) -> None:
    """Works on a job until the process ends, and starts again."""
    restart = killed_after(desk, unit, times)
    try:
        with pytest.raises(Killed):
            await desk.runner.work(job_id)
    finally:
        restart()
    await desk.store.write(FreeExpired(float("inf"), frozenset()))


def poison(desk: Desk) -> None:
    """From now on rows of one company fail when they are to become contacts."""
    families = desk.runner._families
    family = msgspec.structs.replace(desk.family, process=f"{FUNCTIONS}:poisoned")
    families["contacts"] = family  # type: ignore[index]


def test_a_row_that_fails_on_the_way_waits_and_the_others_are_done(tmp_path: Path) -> None:
    async def body(desk: Desk) -> None:
        poison(desk)
        job_id, job = await desk.imported([line(0), line(1, company="POISON"), line(2)])
        assert (job.state, job.issues) == (JobState.REVIEW, 1)
        assert await desk.states(job_id) == ["done", "issue", "done"]
        name = ("processing_failed", "p1@example.com")
        assert await desk.issues(job_id) == [(*name, True, [1])]
        await desk.check_counts(job_id)

        # Of what is there already nobody could take the contacts back.
        cancel = CancelJob(job_id, f"j{job_id}", ACT, staged=True)
        assert await desk.store.write(cancel) == Blocked("partly_made")

        # It fails again: that is the same issue, and its newest run is the job's.
        job = await desk.go_on(job_id)
        assert job.state == JobState.REVIEW
        assert await desk.issues(job_id) == [(*name, True, [1])]
        run = (await desk.staged(job_id)).run
        assert await desk.rows("SELECT run FROM issue_records") == [(run,)]
        await desk.check_counts(job_id)

        await desk.edit(job_id, 1, company="R")
        job = await desk.go_on(job_id)
        assert job.state == JobState.COMPLETED
        assert await desk.issues(job_id) == [(*name, False, [1])]
        assert len(await desk.contacts()) == 3
        await desk.check_counts(job_id)

    at_desk(tmp_path, body)


@pytest.mark.parametrize("chunks", [1, 2, 3])
def test_after_a_crash_a_row_that_failed_on_the_way_is_not_lost(tmp_path: Path, chunks: int) -> None:
    async def body(desk: Desk) -> None:
        poison(desk)
        lines = [line(0, company="POISON"), *(line(n) for n in range(1, 12)), line(12, email="x@")]
        job_id, _ = await desk.imported(lines)
        await desk.edit(job_id, 12, email="x@example.com")
        assert await desk.store.write(GoOn(job_id, f"j{job_id}", ACT)) is None
        await work_killed_after(desk, job_id, SettleChunk, chunks)
        job = await desk.work(job_id)
        if job.state == JobState.REVIEW:
            await desk.edit(job_id, 0, company="R")
            job = await desk.go_on(job_id)
        assert job.state == JobState.COMPLETED
        assert await desk.states(job_id) == ["done"] * 13
        assert len(await desk.contacts()) == 13
        await desk.check_counts(job_id)

    at_desk(tmp_path, body, Work(chunk_records=1))


def test_a_damaged_row_is_one_issue_wherever_it_is_found(tmp_path: Path) -> None:
    async def body(desk: Desk) -> None:
        job_id, _ = await desk.imported([line(0), line(1), line(2, email="x@")])
        rid = record_id(job_id, 1)
        await desk.edit(job_id, 2, email="x@example.com")
        await desk.spoil(rid)
        for _ in range(2):
            job = await desk.go_on(job_id)
            assert job.state == JobState.REVIEW
            assert await desk.states(job_id) == ["done", "issue", "done"]
            assert ("damaged", "#2", True, [1]) in await desk.issues(job_id)
            assert len(await desk.issues(job_id)) == 2
            await desk.check_counts(job_id)

    at_desk(tmp_path, body)


def test_a_row_that_is_to_update_what_is_gone_becomes_a_contact_of_its_own(tmp_path: Path) -> None:
    async def body(desk: Desk) -> None:
        first, _ = await desk.imported([line(0)])
        second, _ = await desk.imported([line(0, company="New")])
        await desk.edit(second, 0, _update=str(record_id(first, 0)))
        assert await desk.store.write(BeginUndo(first, f"j{first}", ACT)) is None
        await undoing.carry_out(desk.store.write, lambda: 1, first, "contact")
        assert await desk.contacts() == []

        job = await desk.go_on(second)
        assert job.state == JobState.COMPLETED
        own = str(record_id(second, 0))
        assert await desk.rows("SELECT object_id, company FROM contacts") == [(own, "New")]
        assert await desk.rows("SELECT object_id FROM objects WHERE deleted = 0") == [(own,)]

        assert await desk.store.write(BeginUndo(second, f"j{second}", ACT)) is None
        undone = await undoing.carry_out(desk.store.write, lambda: 1, second, "contact")
        assert (undone.removed, undone.kept) == (1, 0)
        assert await desk.contacts() == []

    at_desk(tmp_path, body)


def test_a_row_never_updates_what_belongs_to_somebody_else(tmp_path: Path) -> None:
    async def body(desk: Desk) -> None:
        first, _ = await desk.imported([line(0)], owner="ben")
        second, _ = await desk.imported([line(1, email="x@")])
        await desk.edit(second, 0, email="p1@example.com", _update=str(record_id(first, 0)))
        assert (await desk.go_on(second)).state == JobState.COMPLETED
        assert await desk.contacts("ben") == ["p0@example.com"]
        assert await desk.contacts() == ["p1@example.com"]

    at_desk(tmp_path, body)


def test_a_child_that_is_killed_once_says_nothing_about_a_row(tmp_path: Path) -> None:
    async def body(desk: Desk) -> None:
        assert desk.family.staging is not None
        rule = msgspec.structs.replace(desk.family.staging, check=f"{FUNCTIONS}:unlucky")
        families = desk.runner._families
        families["contacts"] = msgspec.structs.replace(desk.family, staging=rule)  # type: ignore[index]
        mark = tmp_path / "mark"
        mark.touch()
        job_id, _ = await desk.imported([line(0, email="x@")])
        await desk.edit(job_id, 0, email="x@example.com", company=f"MARK:{mark}:")
        job = await desk.go_on(job_id)
        assert not mark.exists()
        assert job.state == JobState.COMPLETED
        assert [issue[0] for issue in await desk.issues(job_id)] == ["invalid_email"]

    at_desk(tmp_path, body)


def test_rows_of_a_file_that_all_fail_enter_in_units_of_their_own(tmp_path: Path) -> None:
    """The issues of a thousand rows would keep the writer for 50 ms."""

    async def body(desk: Desk) -> None:
        most = 0
        whole = desk.store.write

        async def write(unit: Any, **options: Any) -> Any:
            nonlocal most
            before = await desk.rows("SELECT COUNT(*) FROM issues")
            answer = await whole(unit, **options)
            most = max(most, (await desk.rows("SELECT COUNT(*) FROM issues"))[0][0] - before[0][0])
            return answer

        desk.store.write = write  # type: ignore[method-assign]
        job_id, job = await desk.imported([line(n, company="") for n in range(1_100)])
        assert job.state == JobState.REVIEW
        assert len(await desk.issues(job_id)) == 1_100
        assert most == SLICE
        assert await desk.rows("SELECT COUNT(*) FROM staged_edits") == [(0,)]
        assert (await desk.staged(job_id)).run == 1
        await desk.check_counts(job_id)

    at_desk(tmp_path, body)


@pytest.mark.parametrize("slices", [1, 2])
def test_rows_that_all_fail_are_known_after_a_crash(tmp_path: Path, slices: int) -> None:
    async def body(desk: Desk) -> None:
        lines = [*(line(n, company="") for n in range(1_200)), line(1_200)]
        job_id = await desk.accept(lines)
        await work_killed_after(desk, job_id, LoadSlice, slices)
        job = await desk.work(job_id)
        assert (job.state, job.issues) == (JobState.REVIEW, 1_200)
        assert len(await desk.issues(job_id)) == 1_200
        await desk.check_counts(job_id)

    at_desk(tmp_path, body)


@pytest.mark.parametrize(
    ("unit", "times"), [(TakeTurn, 1), (GiveTurnBack, 1), (Leave, 1), (SettleRows, 1), (ReleaseRows, 1)]
)
def test_who_waits_for_a_turn_gets_it_whatever_becomes_of_the_other(
    tmp_path: Path, unit: type, times: int
) -> None:
    """The first one has the turn, finds that its row exists by now, and gives the turn back."""

    async def body(desk: Desk) -> None:
        await desk.imported([line(0)])
        first = await desk.accept([line(0), line(1)])
        second = await desk.accept([line(2)])
        await work_killed_after(desk, first, TakeTurn, 1)
        assert (await desk.staged(first)).phase == "consolidating"

        await desk.runner.work(second)
        assert (await desk.staged(second)).phase == "turn"
        if unit is not TakeTurn and unit is not ReleaseRows:
            await work_killed_after(desk, first, unit, times)
        await desk.work(first)
        assert (await desk.job(first)).state == JobState.REVIEW
        if unit is not Leave and unit is not GiveTurnBack:  # else the sweep rings
            assert (await desk.job(second)).state == JobState.COMPLETED
        assert (await desk.work(second)).state == JobState.COMPLETED
        assert await desk.contacts() == ["p0@example.com", "p2@example.com"]

    at_desk(tmp_path, body)


@pytest.mark.parametrize(("unit", "times", "known"), [(LoadSlice, 1, AT_ONCE), (SettleRows, 3, 1_000)])
def test_what_was_read_of_a_file_that_breaks_can_go_on(
    tmp_path: Path, unit: type, times: int, known: int
) -> None:
    """A slice that was cut off in the middle of its issues is whole again after that."""

    async def body(desk: Desk) -> None:
        lines = [*(line(n, company="") for n in range(1_000)), *(line(n) for n in range(1_000, 2_500))]
        job_id = await desk.accept(lines)
        await work_killed_after(desk, job_id, unit, times)
        ((name,),) = await desk.rows(f"SELECT rows_file FROM files WHERE job_id = {job_id}")
        desk.shelf.path(name).write_bytes(b"x" * 10)
        job = await desk.work(job_id)
        assert job.state == JobState.FAILED
        assert (job.processed, job.issues, job.discarded) == (2_500, 1_000, 1_500)
        assert (await desk.staged(job_id)).phase == "waiting"
        assert len(await desk.issues(job_id)) == known

        job = await desk.go_on(job_id)
        assert (job.state, job.processed, job.issues) == (JobState.REVIEW, 2_500, 1_000)
        assert len(await desk.issues(job_id)) == 1_000
        for index in range(1_000):
            await desk.edit(job_id, index, "discarded" if index else "pending", company="R")
        job = await desk.go_on(job_id)
        assert (job.state, job.issues, job.discarded) == (JobState.COMPLETED, 0, 2_499)
        assert await desk.contacts() == ["p0@example.com"]
        assert (await desk.staged(job_id)).open_issues == 0

    at_desk(tmp_path, body)


@pytest.mark.parametrize("baseline", [False, True])
def test_a_job_of_which_nothing_is_left_is_over(tmp_path: Path, baseline: bool) -> None:
    async def body(desk: Desk) -> None:
        await desk.imported([line(0), line(1)])
        job_id, job = await desk.imported([line(0, company="S"), line(1, company="S")], baseline=baseline)
        if not baseline:
            assert job.state == JobState.REVIEW
            for index in range(2):
                await desk.edit(job_id, index, "discarded")
            assert (await desk.staged(job_id)).open_issues == 0
            job = await desk.go_on(job_id)
        assert (job.state, job.discarded, job.processed) == (JobState.COMPLETED, 2, 2)
        assert (await desk.staged(job_id)).phase == "done"
        await desk.check_counts(job_id)

    at_desk(tmp_path, body)


def test_an_import_is_not_taken_back_while_another_one_makes_contacts_nor_the_other_way_round(
    tmp_path: Path,
) -> None:
    async def body(desk: Desk) -> None:
        old, _ = await desk.imported([line(0)])
        job_id = await desk.accept([line(1), line(2)])
        await work_killed_after(desk, job_id, TakeTurn, 1)
        begin = BeginUndo(old, f"j{old}", ACT)
        refused = await desk.store.write(begin)
        assert refused is not None
        assert refused.code == "turn_taken"
        assert (await desk.work(job_id)).state == JobState.COMPLETED

        other = await desk.accept([line(0, company="S"), line(3)])
        assert await desk.store.write(begin) is None
        assert (await desk.work(other)).state == JobState.QUEUED
        assert (await desk.staged(other)).phase == "turn"
        await undoing.carry_out(desk.store.write, lambda: 1, old, "contact")
        assert (await desk.work(other)).state == JobState.COMPLETED
        assert await desk.contacts() == [f"p{n}@example.com" for n in range(4)]

    at_desk(tmp_path, body)


@pytest.mark.parametrize("seed", range(4))
def test_of_many_imports_at_once_none_is_left_behind(tmp_path: Path, seed: int) -> None:
    """Their rows overlap, several workers are at them, and the process ends a few times."""
    dice = random.Random(seed)

    async def killed(desk: Desk, due: Sequence[int]) -> None:
        restart = killed_after(desk, object, dice.randint(1, 60))
        try:
            await asyncio.gather(*(desk.runner.work(each) for each in due), return_exceptions=True)
        finally:
            restart()
        await desk.store.write(FreeExpired(float("inf"), frozenset()))

    async def body(desk: Desk) -> None:
        made = [
            await desk.accept([line(dice.randint(0, 60), company=dice.choice("RS")) for _ in range(20)])
            for _ in range(6)
        ]
        for _ in range(3):
            await killed(desk, made)
        while due := await desk.runner.due(100):
            await asyncio.gather(*(desk.work(each) for each in due))
        for job_id in made:
            assert (await desk.job(job_id)).state in (JobState.COMPLETED, JobState.REVIEW)
            assert (await desk.staged(job_id)).phase in ("done", "waiting")
            await desk.check_counts(job_id)
        contacts = await desk.contacts()
        assert len(contacts) == len(set(contacts))
        states = [state for job_id in made for state in await desk.states(job_id)]
        assert states.count("done") == len(contacts)

    at_desk(tmp_path, body, Work(chunk_records=3))


def test_an_address_that_is_taken_at_the_last_moment_comes_back(tmp_path: Path) -> None:
    """Nobody should be able to; whoever can all the same is not written over."""

    async def body(desk: Desk) -> None:
        await desk.imported([line(7)], owner="ben")
        job_id = await desk.accept([line(0), line(1), line(2)])
        whole: Any = desk.store.write
        given: list[bool] = []

        async def write(unit: Any, **options: Any) -> Any:
            if isinstance(unit, SettleChunk) and not given:
                given.append(True)
                await whole(Run("UPDATE contacts SET owner = 'anna', email_key = 'p1@example.com'"))
            return await whole(unit, **options)

        desk.store.write = write  # type: ignore[method-assign]
        job = await desk.work(job_id)
        assert (job.state, job.issues, job.processed) == (JobState.REVIEW, 1, 3)
        assert await desk.states(job_id) == ["done", "issue", "done"]
        assert await desk.issues(job_id) == [("existing_email", "p1@example.com", True, [1])]
        assert await desk.rows("SELECT first_name FROM contacts WHERE email_key = 'p1@example.com'") == [
            ("P7",)
        ]
        await desk.check_counts(job_id)

    at_desk(tmp_path, body)


def test_what_is_right_again_is_found_window_by_window(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staging, "WINDOW", 3)
    for module in (checking, comparing):
        monkeypatch.setattr(module, "WINDOW", 3)

    async def body(desk: Desk) -> None:
        pairs = [line(n // 2, company=f"C{n % 2}") for n in range(20)]
        job_id, job = await desk.imported([*pairs, line(20, email="x@")])
        assert job.issues == 21
        for index in range(0, 20, 2):
            await desk.edit(job_id, index, "discarded")
        job = await desk.go_on(job_id)
        assert (job.state, job.issues, job.discarded) == (JobState.REVIEW, 1, 10)
        assert (await desk.staged(job_id)).open_issues == 1
        assert await desk.states(job_id) == ["discarded", "pending"] * 10 + ["issue"]
        await desk.check_counts(job_id)

    at_desk(tmp_path, body)


def test_an_import_with_a_row_that_is_left_is_not_over(tmp_path: Path) -> None:
    """Nothing passes over one; if something did, a person has it go on."""

    async def body(desk: Desk) -> None:
        job_id = await desk.accept([line(n) for n in range(9)])
        await work_killed_after(desk, job_id, SettleChunk, 2)
        await desk.store.write(Run(f"UPDATE records SET state = 'pending' WHERE id = {record_id(job_id, 0)}"))
        await desk.store.write(Run(f"UPDATE jobs SET processed = processed - 1 WHERE id = {job_id}"))
        assert (await desk.work(job_id)).state == JobState.REVIEW
        assert (await desk.go_on(job_id)).state == JobState.COMPLETED
        assert len(await desk.contacts()) == 9
        await desk.check_counts(job_id)

    at_desk(tmp_path, body, Work(chunk_records=1))
