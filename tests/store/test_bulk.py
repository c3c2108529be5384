"""Decisions about many rows, in the store: what is bounded, what races, what is forgotten."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from ingestbox.model import record_id
from ingestbox.rules import Rule, SetMember
from ingestbox.store import bulk, bulkundo, planning, records
from ingestbox.store.bulk import BeginOperation, ChangeRows, Done, Ending, Planned
from ingestbox.store.ruling import Ruling, Verdict
from ingestbox.store.staged import EditRows, RowEdit, State
from ingestbox.store.writer import GROUP_WEIGHT
from tests.pipeline.staged import ACT, Desk, at_desk, line

DAY_MS = 86_400_000
KEEP = Rule(keep="most_complete")
DISCARD = Rule(discard="all")


def copies(count: int, first: int = 0) -> list[str]:
    """Rows with one address, of which none is the same as another."""
    return [line(number, email="a@x.org") for number in range(first, first + count)]


class Hand:
    """Applies rules as a person does; `before(planned)` is called before a slice is written."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.operation = 0
        self.slices: list[ChangeRows] = []

    async def begin(self) -> int:
        unit = BeginOperation(ACT, "issue.bulk", "rule", "test", {}, ACT.actor)
        self.operation = await self.desk.store.write(unit)
        return self.operation

    async def write(self, workspace: str, rows: Sequence[Planned], endings: Sequence[Ending]) -> Done:
        unit = ChangeRows(self.operation, rows, endings, ACT.within(workspace), ACT.actor)
        self.slices.append(unit)
        await self.meanwhile(rows)
        return await self.desk.store.write(unit)

    async def meanwhile(self, rows: Sequence[Planned]) -> None:
        """What others do between planning and writing."""

    async def apply(self, rule: Rule, most: int = 1_000_000, shown: int = 0) -> dict[int, Verdict]:
        await self.begin()
        families = {"contacts": self.desk.family}
        issues = [row[0] for row in await self.desk.rows("SELECT id FROM issues ORDER BY id")]
        return await Ruling(self.desk.store, families, rule, write=self.write).apply(issues, most, shown)


def test_a_call_changes_so_many_rows_and_the_next_ones_go_on(tmp_path: Path) -> None:
    async def body(desk: Desk) -> None:
        job_id, _ = await desk.imported([*copies(10), line(20, email="b"), line(21, email="c")])
        hand, left = Hand(desk), 10
        # Wrong addresses are found in the first check of a row, copies after that.
        verdicts = await hand.apply(DISCARD, most=1)
        assert [each.code for each in verdicts.values()] == [None]
        assert (await desk.states(job_id)).count("discarded") == 1
        verdicts = await hand.apply(DISCARD, most=5)
        assert [(each.code, each.discarded) for each in verdicts.values()] == [
            ("issue_resolved", 0),
            (None, 1),
            ("in_part", 4),
        ]
        while left > 6:
            left -= 4
            (last,) = list((await hand.apply(DISCARD, most=4)).values())[2:]
            assert last.discarded == 4
        (last,) = list((await hand.apply(DISCARD, most=4)).values())[2:]
        assert (last.code, last.discarded, last.resolved) == (None, 2, True)
        assert set(await desk.states(job_id)) == {"discarded"}
        await desk.check_counts(job_id)

    at_desk(tmp_path, body)


def test_the_best_of_many_is_kept_whatever_part_a_call_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "READ_ROWS", 3)

    async def body(desk: Desk) -> None:
        job_id, _ = await desk.imported(copies(10))
        await desk.edit(job_id, 7, "issue", town="Ulm")
        hand, calls = Hand(desk), 0
        while "issue" in await desk.states(job_id):
            await hand.apply(KEEP, most=4)
            calls += 1
        assert calls == 3
        states = await desk.states(job_id)
        assert (states[7], states.count("discarded")) == ("pending", 9)
        assert [open_ for _, _, open_, _ in await desk.issues(job_id)] == [False]
        assert (await desk.go_on(job_id)).state == "completed"
        assert await desk.contacts() == ["a@x.org"]

    at_desk(tmp_path, body)


def test_a_row_that_somebody_edits_meanwhile_is_left_alone(tmp_path: Path) -> None:
    async def body(desk: Desk) -> None:
        job_id, _ = await desk.imported(copies(4))

        class Raced(Hand):
            async def meanwhile(self, rows: Sequence[Planned]) -> None:
                await desk.edit(job_id, 2, "pending", email="other@x.org")

        (verdict,) = (await Raced(desk).apply(DISCARD)).values()
        assert (verdict.code, verdict.discarded, verdict.resolved) == ("record_changed", 3, False)
        assert await desk.states(job_id) == ["discarded", "discarded", "pending", "discarded"]
        assert [open_ for _, _, open_, _ in await desk.issues(job_id)] == [True]
        await desk.check_counts(job_id)
        assert (await desk.go_on(job_id)).state == "completed"
        assert await desk.contacts() == ["other@x.org"]

    at_desk(tmp_path, body)


def test_copies_are_not_given_up_for_a_row_that_is_given_up(tmp_path: Path) -> None:
    """Otherwise none would be left."""

    async def body(desk: Desk) -> None:
        job_id, _ = await desk.imported(copies(4))

        class Raced(Hand):
            async def meanwhile(self, rows: Sequence[Planned]) -> None:
                await desk.edit(job_id, 0, "discarded")

        (verdict,) = (await Raced(desk).apply(KEEP)).values()
        assert (verdict.code, verdict.discarded, verdict.resolved) == ("record_changed", 0, False)
        assert await desk.states(job_id) == ["discarded", "issue", "issue", "issue"]
        (verdict,) = (await Hand(desk).apply(KEEP)).values()
        assert (verdict.code, verdict.discarded, verdict.resolved) == (None, 2, True)
        assert await desk.states(job_id) == ["discarded", "pending", "discarded", "discarded"]

    at_desk(tmp_path, body)


def test_a_job_that_was_checked_meanwhile_and_waits_again_is_no_other_one(tmp_path: Path) -> None:
    async def body(desk: Desk) -> None:
        job_id, _ = await desk.imported(copies(3))

        class Raced(Hand):
            async def meanwhile(self, rows: Sequence[Planned]) -> None:
                await desk.go_on(job_id)

        # The job has been checked again and waits again: its rows are as they were.
        first = Raced(desk)
        (verdict,) = (await first.apply(KEEP)).values()
        assert (verdict.code, verdict.resolved) == (None, True)
        assert (await desk.go_on(job_id)).state == "completed"
        hand = Hand(desk)
        assert [each.code for each in (await hand.apply(KEEP)).values()] == ["issue_resolved"]
        assert not hand.slices
        restored, kept, _ = await bulkundo.undo(desk.store, first.operation, ACT)
        assert (restored, kept) == (0, {"job_not_waiting": 3})

    at_desk(tmp_path, body)


def test_a_damaged_row_is_left_alone(tmp_path: Path) -> None:
    async def body(desk: Desk) -> None:
        job_id, _ = await desk.imported(copies(3))
        rid = record_id(job_id, 1)
        await desk.store.write(Damage(rid))
        for rule in (KEEP, DISCARD):
            (verdict,) = (await Hand(desk).apply(rule)).values()
            assert (verdict.code, verdict.resolved) == ("damaged", False)
        assert (await desk.states(job_id))[1] == "issue"

    at_desk(tmp_path, body)


class Damage(msgspec.Struct, frozen=True):
    """A bit of a row is another one."""

    rid: int
    weight: int = 1

    def apply(self, tx: object) -> None:
        tx._connection.execute(f"UPDATE records SET crc = crc + 1 WHERE id = {self.rid}")  # type: ignore[attr-defined]


def test_a_slice_is_no_more_than_the_writer_takes_at_once() -> None:
    edit = RowEdit(1, "m", "k", b"x" * (bulk.SLICE_BYTES // bulk.SLICE), "discarded", {}, {})
    rows = [Planned(1, edit) for _ in range(bulk.SLICE)]
    endings = [Ending(1, True)] * bulk.SLICE
    assert ChangeRows(1, rows, endings, ACT, "x").weight <= GROUP_WEIGHT
    assert bulkundo.UndoRows(1, 0, ACT).weight <= GROUP_WEIGHT


def test_large_rows_go_in_smaller_slices(tmp_path: Path) -> None:
    async def body(desk: Desk) -> None:
        await desk.imported([line(n, email="a@x.org", company="x" * 60_000 + str(n)) for n in range(12)])
        hand = Hand(desk)
        await hand.apply(DISCARD)
        assert [len(unit.rows) for unit in hand.slices] == [4, 4, 4]
        restored, kept, _ = await bulkundo.undo(desk.store, hand.operation, ACT)
        assert (restored, kept) == (12, Counter())

    at_desk(tmp_path, body)


def test_what_is_old_is_forgotten_and_nothing_else(tmp_path: Path) -> None:
    async def body(desk: Desk) -> None:
        job_id, _ = await desk.imported(copies(300))
        old, new = Hand(desk), Hand(desk)
        await old.apply(DISCARD, most=290)
        await new.apply(DISCARD)
        now = desk.store.clock.now_ms()
        age = f"UPDATE bulk_operations SET at_ms = {now} - {{}} * {DAY_MS} WHERE id = {{}}"
        await desk.store.write(Run(age.format(31, old.operation)))
        await desk.store.write(Run(age.format(29, new.operation)))
        await bulkundo.forget_old(desk.store)
        assert await desk.rows("SELECT id FROM bulk_operations") == [(new.operation,)]
        assert await desk.rows("SELECT DISTINCT operation FROM bulk_changes") == [(new.operation,)]
        assert await desk.rows("SELECT DISTINCT operation FROM bulk_issues") == [(new.operation,)]
        assert (await bulkundo.undo(desk.store, old.operation, ACT))[:2] == (0, {})
        assert (await bulkundo.undo(desk.store, new.operation, ACT))[:2] == (10, {})
        assert (await desk.states(job_id)).count("issue") == 10
        await desk.check_counts(job_id)

    at_desk(tmp_path, body)


class Run(msgspec.Struct, frozen=True):
    """Any statement."""

    sql: str
    weight: int = 1

    def apply(self, tx: object) -> None:
        tx._connection.execute(self.sql)  # type: ignore[attr-defined]


def test_an_undo_opens_the_issue_again_and_is_told_by_who_did_it(tmp_path: Path) -> None:
    async def body(desk: Desk) -> None:
        job_id, _ = await desk.imported(copies(3))
        hand = Hand(desk)
        await hand.apply(KEEP)
        await bulkundo.undo(desk.store, hand.operation, replace(ACT, actor="bea"))
        assert await desk.states(job_id) == ["issue"] * 3
        assert [open_ for _, _, open_, _ in await desk.issues(job_id)] == [True]
        await desk.check_counts(job_id)
        lines = await desk.rows("SELECT actor, COUNT(*) FROM audit WHERE action = 'rule.undo' GROUP BY 1")
        assert lines == [("bea", 3)]

    at_desk(tmp_path, body)


def test_a_row_that_fails_for_another_reason_by_now_is_none_of_the_issues_rows(tmp_path: Path) -> None:
    async def body(desk: Desk) -> None:
        job_id, _ = await desk.imported(copies(3))
        await desk.edit(job_id, 0, email="no address")
        await desk.go_on(job_id)
        assert await desk.issues(job_id) == [
            ("duplicate_email", "a@x.org", True, [0, 1, 2]),
            ("invalid_email", "no address", True, [0]),
        ]
        hand = Hand(desk)
        await hand.begin()
        rule = Ruling(desk.store, {"contacts": desk.family}, DISCARD, write=hand.write)
        (verdict,) = (await rule.apply([1], 100)).values()
        assert (verdict.discarded, verdict.resolved) == (2, True)
        assert await desk.states(job_id) == ["issue", "discarded", "discarded"]

    at_desk(tmp_path, body)


def test_a_copy_that_is_kept_may_fail_by_the_next_check(tmp_path: Path) -> None:
    """Its address is there already: the first reason that a row fails for is the only one told."""

    async def body(desk: Desk) -> None:
        await desk.imported([line(0, email="a@x.org")])
        job_id, _ = await desk.imported(copies(3, first=1))
        hand = Hand(desk)
        await hand.apply(KEEP)
        assert await desk.states(job_id) == ["pending", "discarded", "discarded"]
        assert (await desk.go_on(job_id)).state == "review"
        assert await desk.states(job_id) == ["issue", "discarded", "discarded"]
        found = await desk.issues(job_id)
        assert [(code, open_) for code, _, open_, _ in found] == [
            ("duplicate_email", False),
            ("existing_email", True),
        ]
        restored, kept, _ = await bulkundo.undo(desk.store, hand.operation, ACT)
        assert (restored, kept) == (3, {})
        assert await desk.states(job_id) == ["issue"] * 3
        assert [open_ for _, _, open_, _ in await desk.issues(job_id)] == [True, True]
        await desk.check_counts(job_id)

    at_desk(tmp_path, body)


def test_what_a_check_makes_of_rows_is_taken_back_with_the_decision(tmp_path: Path) -> None:
    """A rule gives rows one address: only the check after it finds that they are copies now."""

    async def body(desk: Desk) -> None:
        job_id, _ = await desk.imported(
            [line(0, email="wrong"), line(1, email="bad", company=""), line(2), line(3, email="bad")]
        )
        before = await desk.rows("SELECT key, state, payload FROM records ORDER BY id")
        hand = Hand(desk)
        await hand.apply(Rule(set=SetMember("email", "p2@example.com", only_blank=False)))
        assert (await desk.go_on(job_id)).state == "review"
        assert await desk.states(job_id) == ["issue"] * 4
        restored, kept, _ = await bulkundo.undo(desk.store, hand.operation, ACT)
        assert (restored, kept) == (3, {})
        now = await desk.rows("SELECT key, state, payload FROM records ORDER BY id")
        assert (now[:2], now[3]) == (before[:2], before[3])
        # Nobody is told of fewer issues than there are: those that the rows had are open again.
        own = [open_ for code, _, open_, _ in await desk.issues(job_id) if code == "invalid_email"]
        assert own == [True] * len(own)
        await desk.check_counts(job_id)
        assert (await desk.go_on(job_id)).state == "review"
        assert await desk.rows("SELECT key, state, payload FROM records ORDER BY id") == before
        await desk.check_counts(job_id)

    at_desk(tmp_path, body)


def test_an_issue_that_a_check_resolved_is_open_again_with_its_row(tmp_path: Path) -> None:
    """A rule makes two rows the same: the check after it keeps one of them, and nothing is wrong any more."""

    async def body(desk: Desk) -> None:
        job_id, _ = await desk.imported([*copies(2), line(2, company="")])
        hand = Hand(desk)
        await hand.begin()
        rule = Rule(set=SetMember("first_name", "Z", only_blank=False))
        ruling = Ruling(desk.store, {"contacts": desk.family}, rule, write=hand.write)
        found = await desk.rows("SELECT id FROM issues WHERE code = 'duplicate_email'")
        await ruling.apply([row[0] for row in found], 100)
        assert (await desk.go_on(job_id)).state == "review"
        assert await desk.states(job_id) == ["pending", "discarded", "issue"]
        assert {code: open_ for code, _, open_, _ in await desk.issues(job_id)}["duplicate_email"] is False
        restored, kept, _ = await bulkundo.undo(desk.store, hand.operation, ACT)
        assert (restored, kept) == (1, {"record_changed": 1})
        assert await desk.states(job_id) == ["issue", "discarded", "issue"]
        assert {code: open_ for code, _, open_, _ in await desk.issues(job_id)}["duplicate_email"] is True
        await desk.check_counts(job_id)

    at_desk(tmp_path, body)


@pytest.mark.parametrize("state", ["discarded", "pending"])
def test_what_a_person_decides_since_stays(tmp_path: Path, state: State) -> None:
    async def body(desk: Desk) -> None:
        job_id, _ = await desk.imported([line(0, company=""), line(1, company="")])
        rule = DISCARD if state == "pending" else Rule(set=SetMember("company", "C"))
        hand = Hand(desk)
        await hand.apply(rule)
        rid = record_id(job_id, 0)
        now = await desk.store.read_with(lambda tx: records.one(tx, rid))
        assert now is not None
        decided = RowEdit(rid, None, now.key, now.payload, state, {}, {})  # its content stays what it was
        assert await desk.store.write(EditRows([decided], ACT)) == [None]
        restored, kept, _ = await bulkundo.undo(desk.store, hand.operation, ACT)
        assert (restored, kept) == (1, {"record_changed": 1})
        assert await desk.states(job_id) == [state, "issue"]
        await desk.check_counts(job_id)

    at_desk(tmp_path, body)
