"""What people decide while a staged job waits: its rows, its issues, and that it is to go on.

Rows and issues change while their job is in review or failed, and at no other time: then no worker is at it.
A row that somebody changed is looked at again when the job goes on; until then its issues stay open, except
those all of whose rows are given up.

Each unit is whole (record, issues, counts and audit trail change together), and a repeat changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from ingestbox.family import Staging
from ingestbox.model import MAX_RECORDS_PER_JOB, JobState, RecordState, checksum, index_of
from ingestbox.store import records
from ingestbox.store.audit import Act
from ingestbox.store.review import Blocked
from ingestbox.store.unit import Tx, weight_of

State = Literal["pending", "issue", "discarded"]
"""What a person can make of a row: wait to be taken, be wrong, be given up."""

WAITING = frozenset({JobState.REVIEW, JobState.FAILED})
"""States of a job in which people change its rows and issues."""

ROWS_AN_EDIT = 12
"""What changing a row costs, in rows: its own, its key and its issues, the job's counts, the trail's line."""

EDITS = 100
"""Rows that one unit changes at most, so that it keeps the writer under 20 ms; fewer of large ones."""

SHOWN_CHARACTERS = 200
"""What the audit trail keeps of each text: it is never altered again, so it is no place for whole ones."""

UPDATE = "_update"
"""The member of a row that names the object it is to update."""

UPDATE_EXISTING = "update_existing"


@dataclass(frozen=True, slots=True)
class RowEdit:
    """One row as it is to be. With a `mark` (`records.mark`) it is left alone if it is another one by now.
    `before` and `after` are what the audit trail keeps."""

    record_id: int
    mark: str | None
    key: str
    payload: bytes
    state: State
    before: Mapping[str, object]
    after: Mapping[str, object]


def with_state(
    before: Mapping[str, object], after: Mapping[str, object], was: str, state: str
) -> tuple[dict[str, object], dict[str, object]]:
    """The sides of a row's change with its state. A column of that name which changed is said instead: what
    was in it is kept nowhere else."""
    if "state" in before or "state" in after:
        return dict(before), dict(after)
    return {**before, "state": was}, {**after, "state": state}


@dataclass(frozen=True, slots=True)
class EditRows:
    """Changes rows of staged jobs, at most EDITS of them; an outcome for each, in order: None, or what stood
    in the way (job_not_waiting, record_changed, record_not_waiting)."""

    edits: Sequence[RowEdit]
    act: Act
    action: str = "staging.edit"

    @property
    def weight(self) -> int:
        """Some rows for each, and the payloads."""
        size = sum([len(edit.payload) for edit in self.edits])
        return ROWS_AN_EDIT * len(self.edits) + weight_of(size)

    def apply(self, tx: Tx) -> list[Blocked | None]:
        """Writes what can be, with a line of the audit trail for each row that it changes."""
        return [edit_row(tx, edit, self.act, self.action) for edit in self.edits]


@dataclass(frozen=True, slots=True)
class Found:
    """A row as it is, inside a unit."""

    state: str
    mark: str
    key: str
    payload: bytes
    crc: int
    sound: bool
    job_id: int


def find_row(tx: Tx, rid: int) -> Found | Blocked:
    """The row, if it may be changed now. Blocked: job_not_waiting, record_not_waiting."""
    job_id, _ = records.place(rid)
    row, job = tx.one("records.one", {"id": rid}), tx.one("staged.job", {"id": job_id})
    if row is None or job is None or job[0] not in WAITING:
        return Blocked("job_not_waiting")
    _, key, state, payload, crc, issue = row
    if state in (RecordState.DONE, RecordState.SUPERSEDED):
        return Blocked("record_not_waiting")
    mark = records.mark(state, crc, issue)
    return Found(state, mark, records.text(key), payload, crc, checksum(key, payload) == crc, job_id)


def edit_row(tx: Tx, edit: RowEdit, act: Act, action: str = "staging.edit") -> Blocked | None:
    """One of EditRows, as a part of another unit."""
    found = find_row(tx, edit.record_id)
    if isinstance(found, Blocked):
        return found
    if edit.mark is not None and edit.mark != found.mark:
        return Blocked("record_changed")
    crc = checksum(edit.key.encode(), edit.payload)
    if (edit.state, edit.key, edit.payload, crc) == (found.state, found.key, found.payload, found.crc):
        return None
    rid = edit.record_id
    tx.run(
        "staged.rewrite",
        {"id": rid, "key": edit.key, "payload": edit.payload, "crc": crc, "state": edit.state},
    )
    tx.run("staging.remove_key", {"job_id": found.job_id, "key": found.key, "record_id": rid})
    tx.run("staged.edited", {"record_id": rid})
    _count(tx, found, edit, act.now_ms)
    if edit.state == "discarded" and found.state != "discarded":
        tx.run("staged.give_up_issues", {"record_id": rid, "actor": act.actor, "now": act.now_ms})
    if edit.state != "discarded" and found.state == "discarded":
        tx.run("staged.reopen_issues", {"record_id": rid})
    act.note(tx, action, "record", rid, before=edit.before, after=edit.after)
    return None


def _count(tx: Tx, found: Found, edit: RowEdit, now_ms: int) -> None:
    def change(state: str) -> int:
        return (edit.state == state) - (found.state == state)

    tx.run(
        "staged.count",
        {
            "id": found.job_id,
            "processed": -change("pending"),
            "issues": change("issue"),
            "discarded": change("discarded"),
            "cursor": index_of(edit.record_id) if edit.state == "pending" else MAX_RECORDS_PER_JOB,
            "now": now_ms,
        },
    )


def issue_mark(issue_id: int, revision: int, resolved_ms: int | None) -> str:
    """Names what is decided about an issue; another one after every change."""
    return f"{issue_id}-{revision}-{resolved_ms or 0}"


@dataclass(frozen=True, slots=True)
class IssueChange:
    """What a person says of an issue; None leaves it as it is.

    `resolved` True closes it, at this moment and by `resolved_by` (by whoever says so, unless that is given);
    False opens it, by nobody. `updates`: the issue's row is to update the object that exists, and that is its
    resolution; taken back when the issue is opened again.
    """

    resolved: bool | None = None
    message: str | None = None
    resolved_by: str | None = None
    comment: str | None = None
    updates: bool = False


@dataclass(frozen=True, slots=True)
class EditIssue:
    """Changes an issue of a staged job. With `marks` (`issue_mark`) it has to be one of these."""

    issue_id: int
    staging: Staging
    change: IssueChange
    act: Act
    marks: Collection[str] | None = None
    action: str = "issue.edit"
    weight: int = 2 * ROWS_AN_EDIT

    def apply(self, tx: Tx) -> Blocked | None:
        """Writes it, if it changes anything.

        Blocked: not_found, job_not_waiting, record_changed, and for `updates` issue_not_existing,
        rows_undecided, nothing_to_update.
        """
        row = tx.one("staged.issue", {"id": self.issue_id})
        if row is None:
            return Blocked("not_found")
        issue = _Issue(*row)
        if issue.job_state not in WAITING:
            return Blocked("job_not_waiting")
        mark = issue_mark(self.issue_id, issue.revision, issue.resolved_ms)
        if self.marks is not None and mark not in self.marks:
            return Blocked("record_changed")
        wanted = self._wanted(issue)
        if self.change.updates and (blocked := self._update(tx, issue)):
            return blocked
        if self.change.resolved is False and issue.resolution == UPDATE_EXISTING:
            self._take_back(tx)
        before = {name: getattr(issue, name) for name in wanted}
        if wanted == before:
            return None
        tx.run("staged.edit_issue", {"id": self.issue_id, **wanted})
        changed = [name for name in wanted if wanted[name] != before[name]]
        self.act.note(
            tx,
            self.action,
            "issue",
            self.issue_id,
            before={name: _short(before[name]) for name in changed},
            after={name: _short(wanted[name]) for name in changed},
        )
        return None

    def _wanted(self, issue: _Issue) -> dict[str, Any]:
        change = self.change
        wanted: dict[str, Any] = {
            "message": issue.message if change.message is None else change.message,
            "comment": issue.comment if change.comment is None else change.comment or None,
            "resolved_ms": issue.resolved_ms,
            "resolved_by": issue.resolved_by,
            "resolution": issue.resolution,
        }
        if change.resolved is False:
            return {**wanted, "resolved_ms": None, "resolved_by": None, "resolution": None}
        if change.resolved and issue.resolved_ms is None:
            wanted["resolved_ms"] = self.act.now_ms
            wanted["resolved_by"] = self.act.actor
            wanted["resolution"] = "manual"
        if change.updates:
            wanted["resolution"] = UPDATE_EXISTING
        if change.resolved_by and wanted["resolved_ms"] is not None:
            wanted["resolved_by"] = change.resolved_by
        return wanted

    def _update(self, tx: Tx, issue: _Issue) -> Blocked | None:
        """The one row that is left is right, and says which object it updates."""
        if issue.code != self.staging.existing[0]:
            return Blocked("issue_not_existing")
        rows = tx.all("staged.rows_left", {"issue_id": self.issue_id, "limit": 2})
        if len(rows) > 1:
            return Blocked("rows_undecided")
        if not rows:
            return Blocked("nothing_to_update", "All rows of this issue are discarded.")
        rid = int(rows[0][0])
        found = find_row(tx, rid)
        if isinstance(found, Blocked):
            return found
        if not found.sound:
            return Blocked("damaged")
        taken = tx.all(
            f"{issue.family}.taken_{self.staging.kind}",
            {
                "workspace": issue.workspace,
                "owner": issue.owner,
                "keys": msgspec.json.encode([found.key]).decode(),
            },
        )
        if not taken:
            return Blocked("nothing_to_update")
        return self._decide(tx, rid, found, str(taken[0][1]), "pending")

    def _take_back(self, tx: Tx) -> None:
        for (rid,) in tx.all("staged.rows_left", {"issue_id": self.issue_id, "limit": 2}):
            found = find_row(tx, rid)
            if isinstance(found, Found) and found.sound and UPDATE in msgspec.json.decode(found.payload):
                self._decide(tx, rid, found, None, "issue")

    def _decide(self, tx: Tx, rid: int, found: Found, update: str | None, state: State) -> Blocked | None:
        row: dict[str, Any] = msgspec.json.decode(found.payload)
        before = row.pop(UPDATE, None)
        if update is not None:
            row[UPDATE] = update
        edit = RowEdit(
            record_id=rid,
            mark=None,
            key=found.key,
            payload=msgspec.json.encode(row),
            state=state,
            before={"update": before, "state": found.state},
            after={"update": update, "state": state},
        )
        return edit_row(tx, edit, self.act)


def _short(value: Any) -> Any:
    if isinstance(value, str) and len(value) > SHOWN_CHARACTERS:
        return value[:SHOWN_CHARACTERS] + "…"
    return value


@dataclass(frozen=True, slots=True)
class _Issue:
    """A row of `staged.issue`."""

    job_id: int
    workspace: str
    family: str
    code: str
    message: str
    resolved_ms: int | None
    resolution: str | None
    resolved_by: str | None
    comment: str | None
    revision: int
    job_state: str
    owner: str


@dataclass(frozen=True, slots=True)
class GoOn:
    """Queues a staged job that waits: its rows are checked again, and become objects if all is right."""

    job_id: int
    public_id: str
    act: Act
    weight: int = 3

    def apply(self, tx: Tx) -> Blocked | None:
        """Queues it; one that is queued already stays so.

        Blocked: job_not_found, job_cancelled, job_active, job_ended.
        """
        row = tx.one("staged.job", {"id": self.job_id})
        if row is None or row[0] == JobState.RECEIVING:
            return Blocked("job_not_found")
        state, issues, phase = row
        if state == JobState.QUEUED:
            return Blocked("job_active") if phase in ("turn", "consolidating") else None
        if state not in WAITING:
            return Blocked(_NOT_NOW[state])
        tx.run("jobs.requeue", {"id": self.job_id, "now": self.act.now_ms})
        before, after = {"state": state, "issues": issues}, {"state": "queued"}
        self.act.note(tx, "job.reprocess", "job", self.public_id, before=before, after=after)
        return None


_NOT_NOW = {
    JobState.CANCELLED: "job_cancelled",
    JobState.RUNNING: "job_active",
    JobState.COMPLETED: "job_ended",
}
