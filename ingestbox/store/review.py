"""What a person decides about records that wait on an issue: correct, try again, accept what is held, give
up.

Each unit is whole: record, issues, job and audit trail change together, so that a crash leaves one state or
the other, and of two people who decide at once one is first and the other hears of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from ingestbox.model import JobState, RecordState, checksum
from ingestbox.store import parked, records
from ingestbox.store.audit import Act
from ingestbox.store.removal import ROWS_AN_OBJECT, remove_given_up
from ingestbox.store.unit import Tx, weight_of

Action = Literal["discard", "retry", "accept"]

SHOWN_CHARACTERS = 200
"""What the audit trail keeps of a comment."""

ENDED = frozenset({JobState.COMPLETED, JobState.FAILED})
"""States that a job leaves only when somebody asks for it; a cancelled one stays what it is."""


@dataclass(frozen=True, slots=True)
class Blocked:
    """Nothing was changed, for this reason: a code of the catalogue, with a `detail` if its own sentence is
    not enough."""

    code: str
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Decided:
    """It is done; `job_id` is to be rung for if records are pending again."""

    job_id: int


@dataclass(frozen=True, slots=True)
class EditRecord:
    """Replaces the content of a record that waits, or whose delivery was refused, and has it processed again.

    `mark` is the one that was read: a record that changed since is left alone. `before` and `after` are what
    the audit trail keeps, `comment` what its issues do. `counted` is what the record's result added to the
    job's tallies, which its new one will. `same` is what it is known by then (`family.Family.same`), if its
    `family` says so.
    """

    record_id: int
    mark: str
    key: str
    payload: bytes
    before: Mapping[str, object]
    after: Mapping[str, object]
    act: Act
    comment: str | None = None
    counted: Mapping[str, int] = field(default_factory=dict)
    family: str = ""
    same: bytes | None = None

    @property
    def weight(self) -> int:
        """A few rows, and the payload."""
        return 20 + weight_of(len(self.payload))

    def apply(self, tx: Tx) -> Decided | Blocked:
        """Writes it. The refused lines of the record are given up as replaced: its new version is a delivery
        of its own.

        Blocked: record_not_waiting, record_changed, duplicate_content, job_cancelled; of one that is done
        also job_active and superseded.
        """
        row = tx.one("records.mark", {"id": self.record_id})
        if row is None or row[0] not in (RecordState.ISSUE, RecordState.DONE):
            return Blocked("record_not_waiting")
        if records.mark(*row) != self.mark:
            return Blocked("record_changed")
        own = {"id": self.record_id, "same": self.same}
        if self.same is not None and (other := tx.one(f"{self.family}.has_same", own)) is not None:
            return Blocked("duplicate_content", f"The same text is there already, as {other[0]}.")
        done = row[0] == RecordState.DONE
        if done and (blocked := self._blocked(tx)) is not None:
            return blocked
        if not _reopen(tx, self.record_id, "edit", self.act, self.comment, waiting=not done):
            return Blocked("job_cancelled")
        parked.replace(tx, self.record_id, self.act, self.comment)
        tx.run("issues.void", {"record_id": self.record_id})
        crc = checksum(self.key.encode(), self.payload)
        tx.run(
            "records.rewrite", {"id": self.record_id, "key": self.key, "payload": self.payload, "crc": crc}
        )
        if self.same is not None:
            tx.run(f"{self.family}.put_same", own)
        self.act.note(tx, "record.edit", "record", self.record_id, before=self.before, after=self.after)
        return Decided(records.place(self.record_id)[0])

    def _blocked(self, tx: Tx) -> Blocked | None:
        """Why a record that is done cannot be corrected. What its old result was counted as is taken off."""
        found = correctable(tx, self.record_id)
        if isinstance(found, Blocked) or not self.counted:
            return found if isinstance(found, Blocked) else None
        job_id, _ = records.place(self.record_id)
        row = tx.one("jobs.tallies", {"id": job_id})
        if row is None or row[0] == JobState.RUNNING:
            return Blocked("job_active")  # its worker counts on from what it knows
        if row[0] == JobState.CANCELLED:
            return Blocked("job_cancelled")  # nothing is undone of what is written here
        tallies = msgspec.json.decode(row[1], type=dict[str, int])
        for name, number in self.counted.items():
            tallies[name] = max(tallies.get(name, 0) - number, 0)
        tx.run("jobs.count_again", {"id": job_id, "tallies": msgspec.json.encode(tallies).decode()})
        return None


@dataclass(frozen=True, slots=True)
class Correctable:
    """What a record that is done became, which a correction makes a new version of."""

    kind: str
    object_id: str


def correctable(tx: Tx, rid: int) -> Correctable | Blocked:
    """What a correction of a record that is done would change. Blocked: record_not_waiting unless a delivery
    of it is refused; superseded when its object is another record's by now, or gone."""
    if not tx.all("parked.of_record", {"record_id": rid}):
        return Blocked("record_not_waiting")
    row = tx.one("deliveries.of_record", {"record_id": rid})
    if row is None or not row[4]:
        return Blocked("superseded")
    return Correctable(row[1], row[2])


@dataclass(frozen=True, slots=True)
class ResolveIssues:
    """Decides about issues, given with their records as (issue id, record id); one outcome each, in order.
    `comment` is what they keep of it."""

    issues: Sequence[tuple[int, int]]
    action: Action
    act: Act
    comment: str | None = None

    @property
    def weight(self) -> int:
        """Five rows an issue: its own, that again for a comment, the record's, the job's and the trail's; and
        what became of the record before, which goes with it."""
        return (5 + ROWS_AN_OBJECT * (self.action == "discard")) * len(self.issues)

    def apply(self, tx: Tx) -> list[Decided | Blocked]:
        """Writes what can be. Blocked: issue_resolved, issue_not_held, job_cancelled."""
        return [self._decide(tx, issue, rid) for issue, rid in self.issues]

    def _decide(self, tx: Tx, issue: int, rid: int) -> Decided | Blocked:
        row = tx.one("records.mark", {"id": rid})
        if row is None or row[0] != RecordState.ISSUE or row[2] != issue:
            return Blocked("issue_resolved")
        if self.action == "accept" and tx.one("issues.held", {"id": issue}) != (1,):
            return Blocked("issue_not_held")
        if self.action != "discard":
            if not _reopen(tx, rid, self.action, self.act, self.comment):
                return Blocked("job_cancelled")
            tx.run("records.settle", {"state": RecordState.PENDING.value, "id": rid})
            if self.action == "accept":
                tx.run("issues.accept", {"id": issue})
        else:
            tx.run("records.settle", {"state": RecordState.DISCARDED.value, "id": rid})
            resolve(tx, rid, "discard", self.act.actor, self.act.now_ms, self.comment)
            job = {"id": records.place(rid)[0], "pending": 0, "issues": 1, "now": self.act.now_ms}
            tx.run("jobs.discard", job)
            remove_given_up(tx, job["id"], [rid], self.act.now_ms)
        after = {"record": str(rid), "action": self.action}
        if self.comment is not None:
            after["comment"] = self.comment[:SHOWN_CHARACTERS]
        self.act.note(tx, f"issue.{self.action}", "issue", issue, after=after)
        return Decided(records.place(rid)[0])


def resolve(tx: Tx, rid: int, resolution: str, actor: str, now_ms: int, comment: str | None = None) -> None:
    """Closes the open issues of a record, with a comment if there is one."""
    if comment is not None:
        tx.run("issues.comment", {"record_id": rid, "comment": comment})
    tx.run("issues.resolve", {"record_id": rid, "resolution": resolution, "actor": actor, "now": now_ms})


def _reopen(
    tx: Tx, rid: int, resolution: str, act: Act, comment: str | None, *, waiting: bool = True
) -> bool:
    """Counts a waiting record (or one that is done) as pending and queues its job; False for a job that was
    cancelled."""
    job_id, index = records.place(rid)
    counts = {"id": job_id, "index": index, "records": 1, "issues": int(waiting), "now": act.now_ms}
    if tx.run("jobs.reopen", counts) != 1:
        return False
    resolve(tx, rid, resolution, act.actor, act.now_ms, comment)
    return True
