"""Staged jobs: checking rows against each other and against what exists, and settling their issues.

A row fails with a code and under a key; all that fail alike in a job are one issue. Each check of a job is a
*run* with a number: what did not fail in the newest run is right, whatever it was before, so that a run may
be cut short anywhere and begun again. While a worker holds the job nobody else changes its rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from ingestbox.family import Intake
from ingestbox.model import Job, JobState, checksum, index_of, record_id
from ingestbox.store.claim import LostClaimError, own
from ingestbox.store.intake import insert_rows
from ingestbox.store.readers import ReadTx
from ingestbox.store.unit import Tx, weight_of

SYSTEM = "system"
"""Who resolves an issue that came to nothing."""

RESOLVED = "All related staging records resolved during reprocessing"
"""What is said of it (contract: contacts, Resolving)."""

SLICE = 300
"""Rows or issues that one unit changes at most: it keeps the writer under 20 ms."""

AT_ONCE = 100
"""Failing rows that enter together with the others of their slice of a file; the rest of them follows."""

WINDOW = 20_000
"""Keys, rows or issues that are looked through in one read."""

MAX_ID = (1 << 63) - 1
"""No id is larger."""

ROW_WEIGHT = 4
"""What failing a row costs, in rows: its issue, the link, its state."""


@dataclass(frozen=True, slots=True)
class Staged:
    """A staged job, as its row says."""

    phase: str
    run: int
    open_issues: int
    issues_seen: int
    baseline: bool
    removed: int
    kept: int
    undone_ms: int | None


@dataclass(frozen=True, slots=True)
class Failing:
    """A row that fails: under `key` it is one issue with the others that have it."""

    record_id: int
    code: str
    key: str
    message: str
    field: str | None


@dataclass(frozen=True, slots=True)
class Copy:
    """A row that is given up by the box: its payload then says why."""

    record_id: int
    key: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class StagedRow:
    """A row as it is stored; `sound` is whether it matches its checksum."""

    id: int
    key: str
    state: str
    payload: bytes
    sound: bool


@dataclass(frozen=True, slots=True)
class Hold:
    """A worker's claim on a job, which every unit of its own renews. Without it nothing is changed."""

    job: Job
    owner: str
    lease_at: float
    now_ms: int

    def count(self, tx: Tx, *, processed: int = 0, issues: int = 0, discarded: int = 0) -> None:
        """Adds to the job's counts. Raises LostClaimError."""
        counts = {"processed": processed, "issues": issues, "discarded": discarded, "warnings": None}
        own(tx, self.job, self.owner, counts, self.lease_at, self.now_ms)


def of_job(tx: Tx | ReadTx, job_id: int) -> Staged | None:
    """The staged job, or None for one that is not."""
    row = tx.one("staging.of_job", {"job_id": job_id})
    if row is None:
        return None
    phase, run, open_issues, seen, baseline, removed, kept, undone_ms = row
    return Staged(phase, run, open_issues, seen, bool(baseline), removed, kept, undone_ms)


def key_of(key: str, rid: int) -> str:
    """What a row's issue is told apart by: its key, or the row itself (contract: contacts, Processing)."""
    return key or f"#{index_of(rid) + 1}"


def insert(tx: Tx, job_id: int, first: int, records: Sequence[Intake], now_ms: int) -> None:
    """Adds rows from index `first` on to a staged job: those that are right with their keys, the others with
    their issues; beyond AT_ONCE of these, they count as changed until their issues follow."""
    insert_rows(tx, job_id, first, records)
    base = record_id(job_id, first)
    right = [
        (job_id, record.key, base + offset) for offset, record in enumerate(records) if record.fault is None
    ]
    tx.many("staging.add_key", sorted(right))  # in order they take half the time
    failing = failing_in(job_id, first, records)
    fail(tx, job_id, 1, failing[:AT_ONCE], now_ms)
    tx.many("staged.edited", [(each.record_id,) for each in failing[AT_ONCE:]])


def failing_in(job_id: int, first: int, records: Sequence[Intake]) -> list[Failing]:
    """Those of the rows from index `first` on that fail by themselves."""
    base = record_id(job_id, first)
    return [
        Failing(
            base + offset,
            record.fault.code,
            key_of(record.key, base + offset),
            record.fault.message,
            record.fault.field,
        )
        for offset, record in enumerate(records)
        if record.fault is not None
    ]


def fail(tx: Tx, job_id: int, run: int, failing: Sequence[Failing], now_ms: int) -> int:
    """Puts rows into their issues, which are open from now on; how many of them did not wait before."""
    issues: dict[tuple[str, str], int] = {}
    links = []
    for each in failing:
        name = (each.code, each.key)
        if name not in issues:
            row = tx.one(
                "staging.issue",
                {
                    "job_id": job_id,
                    "record_id": each.record_id,
                    "code": each.code,
                    "message": each.message,
                    "field": each.field,
                    "key": each.key,
                    "now": now_ms,
                },
            )
            assert row is not None  # RETURNING gives the row, whether it is new or not
            issues[name] = row[0]
        links.append((each.record_id, issues[name], run))
    tx.many("staging.link", links)
    return tx.many("staging.fail", [(each.record_id,) for each in failing])


@dataclass(frozen=True, slots=True)
class BeginCheck:
    """A new run; returns its number. Raises LostClaimError."""

    hold: Hold
    weight: int = 2

    def apply(self, tx: Tx) -> int:
        """Counts the run."""
        self.hold.count(tx)
        row = tx.one("staging.begin_check", {"job_id": self.hold.job.id})
        if row is None:
            raise LostClaimError(self.hold.job.public_id)
        return int(row[0])


@dataclass(frozen=True, slots=True)
class SettleRows:
    """What a check found of some rows: which fail, which are right by themselves (with their keys), which are
    given up as copies.

    `checked` were looked at because somebody changed them; that is settled now. Raises LostClaimError.
    """

    hold: Hold
    run: int
    failing: Sequence[Failing] = ()
    keys: Sequence[tuple[int, str]] = ()
    copies: Sequence[Copy] = ()
    checked: Sequence[int] = ()

    @property
    def weight(self) -> int:
        """Issue, link and state of each that fails, a row for the others, and the copies' payloads."""
        rows = ROW_WEIGHT * len(self.failing) + 2 * len(self.keys)
        rows += 3 * len(self.copies) + len(self.checked)
        return rows + weight_of(sum([len(copy.payload) for copy in self.copies])) + 1

    def apply(self, tx: Tx) -> None:
        """Writes it; a repeat finds it done."""
        job_id = self.hold.job.id
        waiting = fail(tx, job_id, self.run, self.failing, self.hold.now_ms)
        tx.many("staging.add_key", [(job_id, key, rid) for rid, key in self.keys])
        freed = tx.many("staging.release", [(rid,) for rid, _ in self.keys])
        tx.many("staging.end_edit", [(rid,) for rid in self.checked])
        pending = issues = 0
        for copy in self.copies:
            row = tx.one("staging.state", {"id": copy.record_id})
            crc = checksum(copy.key.encode(), copy.payload)
            given_up = tx.run("staging.discard", {"id": copy.record_id, "payload": copy.payload, "crc": crc})
            if given_up and row is not None:
                pending += row[0] == "pending"
                issues += row[0] == "issue"
            tx.run("staging.remove_key", {"job_id": job_id, "key": copy.key, "record_id": copy.record_id})
        self.hold.count(
            tx,
            processed=waiting - freed + pending,
            issues=waiting - freed - issues,
            discarded=pending + issues,
        )


@dataclass(frozen=True, slots=True)
class ReleaseRows:
    """Rows that waited and are right now, SLICE of them at most. Raises LostClaimError."""

    hold: Hold
    rows: Sequence[int]

    @property
    def weight(self) -> int:
        """Their states."""
        return 2 * len(self.rows) + 1

    def apply(self, tx: Tx) -> None:
        """Makes them pending."""
        freed = tx.many("staging.release", [(rid,) for rid in self.rows])
        self.hold.count(tx, processed=-freed, issues=-freed)


@dataclass(frozen=True, slots=True)
class ResolveSettled:
    """Resolves issues that nothing failed under in the newest run, SLICE of them at most. Raises
    LostClaimError."""

    hold: Hold
    issues: Sequence[int]

    @property
    def weight(self) -> int:
        """Their rows, and that of the job, which counts them."""
        return 2 * len(self.issues) + 1

    def apply(self, tx: Tx) -> None:
        """Closes those of them that are open."""
        self.hold.count(tx)
        for issue_id in self.issues:
            resolve(tx, issue_id, "reprocess", SYSTEM, RESOLVED, self.hold.now_ms)


def resolve(tx: Tx, issue_id: int, resolution: str, actor: str, comment: str | None, now_ms: int) -> None:
    """Closes one issue, if it is open."""
    tx.run(
        "staging.resolve",
        {"id": issue_id, "resolution": resolution, "actor": actor, "comment": comment, "now": now_ms},
    )


@dataclass(frozen=True, slots=True)
class TakeTurn:
    """Asks to be the only job of its owner that makes objects; whether it is. Raises LostClaimError."""

    hold: Hold
    weight: int = 3

    def apply(self, tx: Tx) -> bool:
        """Takes the turn, or waits for it."""
        self.hold.count(tx)
        job = {"job_id": self.hold.job.id}
        before = of_job(tx, self.hold.job.id)
        if tx.run("staging.take_turn", job) != 1:
            tx.run("staging.wait_for_turn", job)
            return False
        if before is not None and before.phase != "consolidating":
            tx.run("staging.from_the_start", job)
        return True


@dataclass(frozen=True, slots=True)
class GiveTurnBack:
    """The job does not make objects after all. Raises LostClaimError."""

    hold: Hold
    weight: int = 2

    def apply(self, tx: Tx) -> None:
        """Lets others go first."""
        self.hold.count(tx)
        tx.run("staging.give_turn_back", {"job_id": self.hold.job.id})


@dataclass(frozen=True, slots=True)
class Leave:
    """Ends a worker's claim: the job waits for a person, or fails with an error. Raises LostClaimError."""

    hold: Hold
    state: JobState
    error: str | None = None
    weight: int = 2

    def apply(self, tx: Tx) -> None:
        """Moves the job; its phase follows (see the triggers)."""
        given = {
            "id": self.hold.job.id,
            "owner": self.hold.owner,
            "attempt": self.hold.job.attempt,
            "state": self.state.value,
            "error": self.error,
            "now": self.hold.now_ms,
        }
        if tx.run("staging.leave", given) != 1:
            raise LostClaimError(self.hold.job.public_id)


@dataclass(frozen=True, slots=True)
class DropKeys:
    """One slice of forgetting the keys of a job that is at its end; whether there may be more."""

    job_id: int
    weight: int = 1_000

    def apply(self, tx: Tx) -> bool:
        """Removes up to 2,000."""
        return tx.run("staging.drop_keys", {"job_id": self.job_id, "limit": 2_000}) == 2_000


def row_of(row: tuple[Any, ...]) -> StagedRow:
    """A row of `staging.rows` or `staging.having_key`."""
    rid, key, state, payload, crc = row
    return StagedRow(rid, key.decode("utf-8", "replace"), state, payload, checksum(key, payload) == crc)


def rows(tx: ReadTx, ids: Sequence[int]) -> list[StagedRow]:
    """These rows, in the order of their ids."""
    found = tx.all("staging.rows", {"ids": msgspec.json.encode(ids).decode()})
    return [row_of(row) for row in found]


def right_again(tx: ReadTx, job_id: int, run: int, start: int) -> list[int]:
    """Of the WINDOW rows from index `start` on, those that wait on an issue although they are right."""
    span = {"first": record_id(job_id, start), "beyond": record_id(job_id, start + WINDOW), "run": run}
    return [row[0] for row in tx.all("staging.right_again", span)]


def settled_issues(tx: ReadTx, job_id: int, run: int, after: int) -> tuple[list[int], int | None]:
    """Of the WINDOW issues of a job after the id `after`, the open ones that came to nothing in this run; and
    the id to go on after, or None at the end."""
    place = {"job_id": job_id, "after": after, "size": WINDOW}
    last = tx.one("staging.issue_window", place)
    upto = None if last is None else int(last[0])
    rows = tx.all("staging.settled_issues", {**place, "run": run, "upto": MAX_ID if upto is None else upto})
    return [row[0] for row in rows], upto


def failing_among(tx: ReadTx, ids: Sequence[int], run: int) -> set[int]:
    """Which of these records failed in this run."""
    given = {"ids": msgspec.json.encode(ids).decode(), "run": run}
    return {row[0] for row in tx.all("staging.failing", given)}
