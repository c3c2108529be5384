"""Taking back a decision about many rows: each that is still as that left it goes back to what it was.

The images of the rows are kept for a while, and forgotten with the operation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from ingestbox.model import RecordState
from ingestbox.store import ReadTx, Store, records
from ingestbox.store.audit import Act
from ingestbox.store.bulk import SLICE, SLICE_BYTES
from ingestbox.store.review import Blocked
from ingestbox.store.sight import Sight
from ingestbox.store.staged import RowEdit, edit_row, find_row
from ingestbox.store.unit import Tx

UNDO_DAYS = 30
"""How long an operation can be taken back: the images of its rows are people's data, and go in the end."""

UNDO = "rule.undo"
"""What the trail calls a row that goes back."""


@dataclass(frozen=True, slots=True)
class Operation:
    """Whose it is."""

    workspace: str
    actor: str


def operation_of(tx: ReadTx, operation: int) -> Operation | None:
    """The operation, while it can be taken back."""
    row = tx.one("bulk.one", {"id": operation})
    return None if row is None else Operation(*row)


@dataclass(frozen=True, slots=True)
class BeginUndo:
    """The line in the trail of an undo, once."""

    operation: int
    act: Act
    weight: int = 2

    def apply(self, tx: Tx) -> None:
        """Writes it, unless one is there."""
        if tx.run("bulk.begin_undo", {"id": self.operation, "now": self.act.now_ms}):
            self.act.note(tx, "audit.undo", "audit", self.operation)


@dataclass(frozen=True, slots=True)
class Undone:
    """What a slice of an undo came to: the record to go on after (None: at the end), the jobs of the rows
    that went back, and of the others how many for which reason."""

    last: int | None
    jobs: frozenset[int]
    kept: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class UndoRows:
    """The next rows of an operation go back to what they were, if they are still as it left them and their
    job waits for a person. That a check found something wrong with them since does not matter."""

    operation: int
    after: int
    act: Act
    sight: Sight | None = None
    weight: int = 10 * SLICE

    def apply(self, tx: Tx) -> Undone:
        """Looks at up to SLICE of them. Out of sight they stay: who decided may see less by now."""
        place = {"operation": self.operation, "after": self.after, "limit": SLICE}
        operation = str(self.operation)
        kept: Counter[str] = Counter()
        acts: dict[int, Act | None] = {}
        jobs: set[int] = set()
        last: int | None = None
        size = 0
        for rid, issue_id, key, payload, state, same in tx.all("bulk.to_undo", place):
            if last is not None and size + len(payload) > SLICE_BYTES:
                break
            size += len(payload)
            last = int(rid)
            job_id, _ = records.place(rid)
            if job_id not in acts:
                acts[job_id] = self._act(tx, job_id)
            act, found = acts[job_id], find_row(tx, rid)
            if act is None:
                kept["job_not_found"] += 1
                continue
            if isinstance(found, Blocked) or not same:
                kept[found.code if isinstance(found, Blocked) else "record_changed"] += 1
                continue
            edit = RowEdit(rid, None, records.text(key), payload, state, {}, {"operation": operation})
            edit_row(tx, edit, act, UNDO)
            tx.run("bulk.restored", {"operation": self.operation, "record_id": rid})
            waited = issue_id if state == RecordState.ISSUE else 0
            reopened = {"operation": self.operation, "record_id": rid, "issue_id": waited}
            tx.run("bulk.reopen_issues", reopened)
            jobs.add(job_id)
        return Undone(last, frozenset(jobs), kept)

    def _act(self, tx: Tx, job_id: int) -> Act | None:
        """For the trail of the job's workspace; None for a job out of sight."""
        row = tx.one("bulk.job", {"id": job_id})
        if row is None or (self.sight is not None and not self.sight.admits(*row)):
            return None
        return self.act.within(row[0])


@dataclass(frozen=True, slots=True)
class ForgetOperation:
    """A slice of forgetting the oldest operation from before a time; whether there may be more to forget."""

    before_ms: int
    weight: int = 500

    def apply(self, tx: Tx) -> bool:
        """Removes up to 250 images; the operation with the last of them."""
        row = tx.one("bulk.oldest", {"before": self.before_ms})
        if row is None:
            return False
        slice_ = {"operation": row[0], "limit": 250}
        if not (tx.run("bulk.forget_changes", slice_) or tx.run("bulk.forget_issues", slice_)):
            tx.run("bulk.forget", slice_)
        return True


async def undo(
    store: Store, operation: int, act: Act, sight: Sight | None = None
) -> tuple[int, Mapping[str, int], frozenset[int]]:
    """Takes an operation back as far as that goes, of the rows in sight (None: all): how many of them are as
    they were, how many are not and why, and the jobs of those that went back now. A repeat changes nothing
    more."""
    await store.write(BeginUndo(operation, act))
    kept: Counter[str] = Counter()
    jobs: set[int] = set()
    after: int | None = 0
    while after is not None:
        undone = await store.write(UndoRows(operation, after, act, sight))
        kept.update(undone.kept)
        jobs |= undone.jobs
        after = undone.last
    rows = await store.read("bulk.count_restored", {"operation": operation})
    return int(rows[0][0]), kept, frozenset(jobs)


async def forget_old(store: Store, days: int = UNDO_DAYS) -> None:
    """Forgets what was decided `days` ago or earlier: it cannot be taken back any more."""
    before = store.clock.now_ms() - days * 86_400_000
    while await store.write(ForgetOperation(before)):
        pass
