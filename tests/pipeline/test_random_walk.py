"""Random files, decisions of people and crashes, each step compared with what it should have come to."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ingestbox.config import Work
from ingestbox.families.contacts.rule import STAGING
from ingestbox.families.contacts.staging import ChangeRow
from ingestbox.model import JobState, index_of, record_id
from ingestbox.pipeline import checking, comparing, filling
from ingestbox.store import staging, undoing
from ingestbox.store.changes import CancelJob
from ingestbox.store.claim import FreeExpired
from ingestbox.store.review import Blocked
from ingestbox.store.staged import EditIssue, GoOn, IssueChange
from ingestbox.store.undoing import BeginUndo
from tests.pipeline.staged import ACT, Desk, at_desk
from tests.pipeline.walk import EXISTING, Contact, Import, Row, shown

MAILS = [
    "a@example.com", "A@Example.com", "b@example.com", "c@example.com", "d@example.com",
    "stra\u00dfe@example.com", "STRASSE@example.com", "e\u0301@example.com", "\u00c9@example.com",
    "f@example.com", "f@", "none", "", " ",
]  # fmt: skip
COMPANIES = ["R", "R", "R ", "S", "T", ""]
OWNERS = ["anna", "ben"]


class Killed(BaseException):
    """The process ends here."""


def _mortal(whole: Callable[..., Any], left: int, early: bool) -> Callable[..., Any]:
    """The process ends with the write after so many: `early`, before it is on disk, or before it is known."""

    async def write(unit: Any, **options: Any) -> Any:
        nonlocal left
        left -= 1
        if left < 0 and early:
            raise Killed
        answer = await whole(unit, **options)
        if left < 0:
            raise Killed
        return answer

    return write


class Walk:
    """One walk: a desk, what it should be like, and dice."""

    def __init__(self, desk: Desk, seed: int) -> None:
        self.desk, self.dice = desk, random.Random(seed)
        self.imports: list[Import] = []
        self.contacts: dict[tuple[str, str], Contact] = {}
        self.said: list[str] = []

    def cells(self) -> dict[str, str]:
        """A row's."""
        dice = self.dice
        mail = dice.choice(MAILS) if dice.random() < 0.5 else f"x{dice.randint(0, 20)}@example.com"
        company = dice.choice(COMPANIES) if dice.random() < 0.5 else "R"
        return {"email": mail, "first_name": dice.choice("PPPPQ"), "last_name": "L", "company": company}

    async def step(self) -> None:
        """Something happens."""
        waiting = [each for each in self.imports if each.state == "review"]
        done = [each for each in self.imports if each.state == "completed" and not each.undone]
        choices: list[tuple[float, Callable[..., Any], list[Import]]] = [
            (1, self.bring, []),
            (6, self.change, waiting),
            (3, self.decide, waiting),
            (3, self.go_on, waiting),
            (0.7, self.undo, done),
            (0.2, self.cancel, waiting),
        ]
        fit = [each for each in choices if each[2] or each[1] == self.bring]
        weights = [each[0] for each in fit]
        _, act, of = self.dice.choices(fit, weights)[0]
        await (act(self.dice.choice(of)) if of else act())
        await self.compare()

    async def bring(self) -> None:
        """A file comes."""
        rows = [Row(self.cells()) for _ in range(self.dice.randint(0, 9))]
        lines = [",".join(row.cells.values()) for row in rows]
        lines += [f"n{len(self.imports)}@example.com,P,L,R"]  # no file is the same as another
        rows.append(
            Row(dict(zip(("email", "first_name", "last_name", "company"), lines[-1].split(","), strict=True)))
        )
        owner, baseline = self.dice.choice(OWNERS), self.dice.random() < 0.2
        job_id = await self.desk.accept(lines, owner=owner, baseline=baseline)
        assert job_id
        self.said.append(f"{job_id} of {owner} {baseline=}: {lines}")
        new = Import(job_id, owner, rows, baseline)
        self.imports.append(new)
        await self.work(new)

    async def work(self, each: Import) -> None:
        """A worker takes it as far as it goes, and is killed on its way now and then."""
        desk, whole = self.desk, self.desk.store.write
        for _ in range(4):
            left = self.dice.randint(0, 20) if self.dice.random() < 0.6 else 1_000
            desk.store.write = _mortal(whole, left, self.dice.random() < 0.5)  # type: ignore[method-assign]
            try:
                await desk.work(each.id)
                break
            except Killed:
                self.said.append("killed")
            finally:
                desk.store.write = whole  # type: ignore[method-assign]
            await whole(FreeExpired(float("inf"), frozenset()))
        await desk.work(each.id)
        each.check(self.contacts)

    async def change(self, each: Import) -> None:
        """A person changes a row."""
        free = [index for index, row in enumerate(each.rows) if row.state != "done"]
        if not free:
            return
        wrong = [index for index in free if each.rows[index].state == "issue"]
        index = self.dice.choice(wrong if wrong and self.dice.random() < 0.8 else free)
        cells = {
            name: cell
            for name, cell in self.cells().items()
            if name != "last_name" and self.dice.random() < 0.4
        }
        state: Any = self.dice.choice(["pending", "pending", "issue", "discarded", "discarded", None])
        self.said.append(f"{each.id}: row {index} {cells} {state}")
        unit = ChangeRow(record_id(each.id, index), cells, state, None, ACT)
        assert not isinstance(await self.desk.store.write(unit), Blocked)
        each.change(index, cells, state)

    async def decide(self, each: Import) -> None:
        """A person decides about an issue."""
        if not each.issues:
            return
        exist = [name for name, issue in each.issues.items() if name[0] == EXISTING and issue.open]
        name = self.dice.choice(exist if exist and self.dice.random() < 0.7 else list(each.issues))
        issue, row = each.issues[name], self.dice.random()
        ((issue_id,),) = await self.desk.rows(
            f"SELECT id FROM issues WHERE job_id = {each.id} AND code = '{name[0]}' AND key = '{name[1]}'"
        )
        updates = name[0] == EXISTING and row < 0.7
        resolved = True if updates else row < 0.85
        self.said.append(f"{each.id}: issue {name} {resolved=} {updates=}")
        unit = EditIssue(issue_id, STAGING, IssueChange(resolved, updates=updates), ACT)
        outcome = await self.desk.store.write(unit)
        left = each.left(issue)
        if updates:
            taken = self.contacts.get((each.owner, each.rows[left[0]].key)) if len(left) == 1 else None
            if taken is None or each.rows[left[0]].state == "done":
                assert isinstance(outcome, Blocked)
                return
            each.rows[left[0]].update = taken.name
            each.rows[left[0]].state = "pending"
            issue.open, issue.resolution = False, "update_existing"
        elif resolved:
            issue.resolve("manual")
        else:
            if issue.resolution == "update_existing":
                for index in left:
                    if each.rows[index].update and each.rows[index].state != "done":
                        each.rows[index].update = None
                        each.rows[index].state = "issue"
            issue.reopen()
        assert outcome is None

    async def go_on(self, each: Import) -> None:
        """A person has it go on."""
        self.said.append(f"{each.id}: goes on")
        assert await self.desk.store.write(GoOn(each.id, f"j{each.id}", ACT)) is None
        await self.work(each)

    async def undo(self, each: Import) -> None:
        """A person takes it back."""
        self.said.append(f"{each.id}: undone")
        assert await self.desk.store.write(BeginUndo(each.id, f"j{each.id}", ACT)) is None
        undone = await undoing.carry_out(self.desk.store.write, lambda: 1, each.id, "contact")
        assert undone.removed == each.undo(self.contacts)

    async def cancel(self, each: Import) -> None:
        """A person calls it off."""
        self.said.append(f"{each.id}: cancelled")
        unit = CancelJob(each.id, f"j{each.id}", ACT, staged=True)
        assert await self.desk.store.write(unit) is None
        self.imports.remove(each)

    async def compare(self) -> None:
        """All is as it should be."""
        desk, told = self.desk, "\n".join(self.said)
        for each in self.imports:
            job = await desk.job(each.id)
            states = await desk.states(each.id)
            assert states == [row.state for row in each.rows], f"{each.id}\n{told}"
            assert job.state == JobState(each.state), f"{each.id}\n{told}"
            found = await desk.issues(each.id)
            names = {(code, key): (open_, rows) for code, key, open_, rows in found}
            assert len(names) == len(found)
            assert names == {name: (issue.open, sorted(issue.runs)) for name, issue in each.issues.items()}, (
                f"{each.id}\n{told}"
            )
            await desk.check_counts(each.id)
            assert (await desk.staged(each.id)).issues_seen == len(each.issues)
        rows = await desk.rows(
            "SELECT owner, email_key, CAST(object_id AS INTEGER), record_id,"
            " email, first_name, last_name, company FROM contacts"
        )

        def place(rid: int) -> tuple[int, int]:
            return rid >> 24, index_of(rid)

        assert sorted((row[0], row[1], place(row[2]), place(row[3]), *row[4:]) for row in rows) == shown(
            self.contacts
        ), told
        for sql in _TRUE:
            assert await desk.rows(sql) == [], f"{sql}\n{told}"


_TRUE = (
    # Rows that wait have no other key than their own, and what is given up has none.
    """
    SELECT k.record_id FROM staged_keys AS k JOIN records AS r ON r.id = k.record_id
    WHERE r.state <> 'done' AND (r.key <> k.key OR r.state = 'discarded')
    """,
    # What nobody changed and is right has its key.
    """
    SELECT r.id FROM records AS r WHERE r.state = 'pending'
      AND NOT EXISTS (SELECT 1 FROM staged_keys AS k WHERE k.record_id = r.id)
      AND NOT EXISTS (SELECT 1 FROM staged_edits AS e WHERE e.record_id = r.id)
    """,
    # What is given up is known by its links.
    """
    SELECT l.record_id FROM issue_records AS l JOIN records AS r ON r.id = l.record_id
    WHERE l.given_up <> (r.state = 'discarded')
    """,
    # No import is left in between, and what is completed has no open issue.
    """
    SELECT job_id FROM staged_jobs AS s JOIN jobs AS j ON j.id = s.job_id
    WHERE s.phase NOT IN ('done', 'undone', 'waiting', 'cancelled')
       OR (j.state = 'completed' AND s.open_issues > 0)
    """,
    # Contacts and objects are the same things, and upstream is told of each version.
    """
    SELECT object_id FROM objects AS o WHERE o.deleted = EXISTS (
        SELECT 1 FROM contacts AS c
        WHERE c.object_id = o.object_id AND c.version = o.version AND c.record_id = o.intake
    )
    """,
    """
    SELECT o.object_id FROM objects AS o
    WHERE o.version <> (SELECT COUNT(*) FROM deliveries AS d WHERE d.object_id = o.object_id)
    """,
)

SMALL = {"SLICE": 2, "WINDOW": 3, "AT_ONCE": 1}
"""So that a file of a few rows takes many units and reads."""


@pytest.mark.parametrize(
    "seed", [*range(8), *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(8, 108))]
)
def test_a_random_walk_is_what_it_should_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    for module in (checking, comparing, filling, staging):
        for name, size in SMALL.items():
            monkeypatch.setattr(module, name, size, raising=False)

    async def body(desk: Desk) -> None:
        walk = Walk(desk, seed)
        for _ in range(60):
            await walk.step()

    at_desk(tmp_path, body, Work(chunk_records=1))
