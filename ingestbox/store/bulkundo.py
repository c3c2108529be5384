"""Taking back a decision about many rows: each that is still as that left it goes back to what it was.

The images of the rows are kept for a while, and forgotten with the operation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from ingestbox.store import ReadTx, Store, records
from ingestbox.store.audit import Act
from ingestbox.store.bulk import SLICE, SLICE_BYTES
from ingestbox.store.review import Blocked
from ingestbox.store.staged import EditRows, RowEdit
from ingestbox.store.writer import Tx

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
    job waits for a person."""

    operation: int
    after: int
    act: Act
    weight: int = 10 * SLICE

    def apply(self, tx: Tx) -> Undone:
        """Looks at up to SLICE of them."""
        place = {"operation": self.operation, "after": self.after, "limit": SLICE}
        operation = str(self.operation)
        edits: list[RowEdit] = []
        size = 0
        for rid, key, payload, state, mark in tx.all("bulk.to_undo", place):
            if edits and size + len(payload) > SLICE_BYTES:
                break
            size += len(payload)
            edits.append(RowEdit(rid, mark, records.text(key), payload, state, {}, {"operation": operation}))
        if not edits:
            return Undone(None, frozenset(), {})
        kept: Counter[str] = Counter()
        jobs: set[int] = set()
        for edit, outcome in zip(edits, EditRows(edits, self.act, UNDO).apply(tx), strict=True):
            if isinstance(outcome, Blocked):
                kept[outcome.code] += 1
                continue
            row = {"operation": self.operation, "record_id": edit.record_id}
            tx.run("bulk.restored", row)
            tx.run("bulk.reopen_issues", row)
            jobs.add(records.place(edit.record_id)[0])
        return Undone(edits[-1].record_id, frozenset(jobs), kept)


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


async def undo(store: Store, operation: int, act: Act) -> tuple[int, Mapping[str, int], frozenset[int]]:
    """Takes an operation back as far as that goes: how many rows of it are as they were, how many are not and
    why, and the jobs of those that went back now. A repeat changes nothing more."""
    await store.write(BeginUndo(operation, act))
    kept: Counter[str] = Counter()
    jobs: set[int] = set()
    after: int | None = 0
    while after is not None:
        undone = await store.write(UndoRows(operation, after, act))
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
