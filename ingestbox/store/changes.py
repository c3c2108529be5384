"""Changes of whole jobs: cancelling one, and having it processed again.

The decision is one small unit; what follows for the records goes slice by slice, and a row says how far it
is. A crash in between loses nothing: housekeeping goes on from that row, and whoever repeats the call does
too. While the row is there, nobody works on the job.

Processing all again makes a new version of each object whose newest intake is still a record of this job, and
delivers it again, whether its result changed or not; an object that a later intake gave stays as it is
(objects.put). Records that were superseded or discarded stay so, and so do those that the family would not
let in as they are: an issue that a correction alone can resolve stays open.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from ingestbox.errors import IngestError
from ingestbox.family import Family
from ingestbox.model import JobState, RecordState, checksum, index_of, records_of
from ingestbox.store import ReadTx, Store, files, jobs
from ingestbox.store.audit import Act
from ingestbox.store.removal import OBJECTS, remove_given_up, removes_given_up
from ingestbox.store.review import ENDED, Blocked, resolve
from ingestbox.store.unit import Tx

Which = Literal["retry", "redo"]
"""Records to process again: those that wait on an issue, or these and all that are done."""

CANCELLED = "The job was cancelled."

SLICE_ROWS = 500
SLICE_BYTES = 1_048_576
"""What one slice looks at and rewrites at most (one record at least): it keeps the writer under 20 ms."""

AT_ONCE = 50
"""Jobs that one round of housekeeping looks after."""

_TOUCHED = {
    "discard": frozenset({RecordState.PENDING.value, RecordState.ISSUE.value}),
    "retry": frozenset({RecordState.ISSUE.value}),
    "redo": frozenset({RecordState.ISSUE.value, RecordState.DONE.value}),
}


@dataclass(frozen=True, slots=True)
class CancelJob:
    """Ends a job that is not at its end; what of it is unfinished is discarded after that.

    A `staged` one, whose rows wait for each other, may have failed; but nobody may be working on it, nor may
    any of its objects be made.
    """

    job_id: int
    public_id: str
    act: Act
    staged: bool = False
    weight: int = 4

    def apply(self, tx: Tx) -> Blocked | None:
        """Cancels it; one that is cancelled already stays so.

        Blocked: job_not_found, job_ended, job_active, partly_made.
        """
        row = tx.one("jobs.state", {"id": self.job_id})
        if row is None:
            return Blocked("job_not_found")
        if row[0] == JobState.CANCELLED:
            return None
        if self.staged and row[0] == JobState.REVIEW and tx.one("jobs.made", {"id": self.job_id}) != (0,):
            return Blocked("partly_made")
        query = "jobs.cancel_staged" if self.staged else "jobs.cancel"
        if tx.run(query, {"id": self.job_id, "error": CANCELLED, "now": self.act.now_ms}) != 1:
            return Blocked("job_ended" if row[0] in ENDED else "job_active")
        tx.run("jobs.begin_change", {"id": self.job_id, "action": "discard", "actor": self.act.actor})
        self.act.note(
            tx, "job.cancel", "job", self.public_id, before={"state": row[0]}, after={"state": "cancelled"}
        )
        return None


@dataclass(frozen=True, slots=True)
class ReprocessJob:
    """Queues an ended job, or one that waits for a person, and begins to make its records pending."""

    job_id: int
    public_id: str
    which: Which
    act: Act
    weight: int = 4

    def apply(self, tx: Tx) -> Blocked | None:
        """Begins it; the same change under way, or nothing to do, is no error.

        Blocked: job_not_found, job_cancelled, job_active.
        """
        row = tx.one("jobs.state", {"id": self.job_id})
        if row is None:
            return Blocked("job_not_found")
        state, issues = row
        if state == JobState.CANCELLED:
            return Blocked("job_cancelled")
        if state not in ENDED and state != JobState.REVIEW:
            going = tx.one("jobs.change", {"id": self.job_id})
            return None if going is not None and going[0] == self.which else Blocked("job_active")
        if self.which == "retry" and not issues:
            return None
        tx.run("jobs.requeue", {"id": self.job_id, "now": self.act.now_ms})
        tx.run("jobs.begin_change", {"id": self.job_id, "action": self.which, "actor": self.act.actor})
        self.act.note(
            tx,
            "job.reprocess",
            "job",
            self.public_id,
            before={"state": state, "issues": issues},
            after={"state": "queued", "records": "all" if self.which == "redo" else "issues"},
        )
        return None


@dataclass(frozen=True, slots=True)
class Looked:
    """What was seen before a slice of a change (`action`; None: there was none), of the records from index
    `position` on: those that cannot be processed as they are (`unfit`), and the id from which on nothing was
    looked at, because it was much (None: all that a slice takes was)."""

    action: str | None
    position: int
    unfit: frozenset[int] = frozenset()
    beyond: int | None = None


@dataclass(frozen=True, slots=True)
class ChangeSlice:
    """The next slice of a change under way; True when nothing of it is left."""

    job_id: int
    looked: Looked
    now_ms: int
    weight: int = 2 * SLICE_ROWS

    def apply(self, tx: Tx) -> bool:
        """Changes some records, and moves the row that says how far it is."""
        row = tx.one("jobs.change", {"id": self.job_id})
        if row is None:
            return True
        action, position, actor = row
        if (action, position) != (self.looked.action, self.looked.position):
            return False  # somebody else is at it too, and was first; or it is another change by now
        span = records_of(self.job_id, position)
        span["beyond"] = self.looked.beyond or span["beyond"]
        most = SLICE_ROWS
        if action == "discard" and removes_given_up(tx, self.job_id):
            most = OBJECTS
        rows = tx.all(
            "records.waiting_sizes" if action == "retry" else "records.sizes", {**span, "limit": most}
        )
        kept = [row for row in rows if row[0] not in self.looked.unfit]
        chosen, whole = _choose(kept, _TOUCHED[action])
        if whole and rows:
            position = index_of(rows[-1][0]) + 1
        elif chosen:
            position = index_of(chosen[-1][0]) + 1
        if action == "discard" and rows:
            last = rows[-1][0] if whole else chosen[-1][0]
            given = {"first": span["first"], "last": last, "resolution": "cancel", "actor": actor}
            tx.run("issues.resolve_among", {**given, "now": self.now_ms})
        if chosen:
            if action == "discard":
                self._discard(tx, chosen)
            else:
                self._reopen(tx, chosen, actor)
        if whole and len(rows) < most and self.looked.beyond is None:
            tx.run("jobs.end_change", {"id": self.job_id})
            if action == "discard":
                unread = files.give_up(tx, self.job_id, CANCELLED, self.now_ms)
                tx.run(
                    "jobs.discard", {"id": self.job_id, "pending": unread, "issues": 0, "now": self.now_ms}
                )
            if action == "redo":
                tx.run("jobs.count_anew", {"id": self.job_id})
            return True
        tx.run("jobs.move_change", {"id": self.job_id, "position": position})
        return False

    def _discard(self, tx: Tx, chosen: list[tuple[int, str]]) -> None:
        waiting = len(self._settle(tx, chosen, RecordState.DISCARDED))
        counts = {"pending": len(chosen) - waiting, "issues": waiting, "now": self.now_ms}
        tx.run("jobs.discard", {"id": self.job_id, **counts})
        remove_given_up(tx, self.job_id, [rid for rid, _ in chosen], self.now_ms)

    def _reopen(self, tx: Tx, chosen: list[tuple[int, str]], actor: str) -> None:
        waiting = self._settle(tx, chosen, RecordState.PENDING)
        for rid in waiting:
            resolve(tx, rid, "retry", actor, self.now_ms)
        counts = {"records": len(chosen), "issues": len(waiting), "now": self.now_ms}
        tx.run("jobs.reopen", {"id": self.job_id, "index": index_of(chosen[0][0]), **counts})

    def _settle(self, tx: Tx, chosen: list[tuple[int, str]], state: RecordState) -> list[int]:
        """Moves the records to a state; those of them that waited."""
        tx.many("records.settle", [(state.value, rid) for rid, _ in chosen])
        return [rid for rid, before in chosen if before == RecordState.ISSUE]


def _choose(rows: list[tuple[int, str, int]], touched: frozenset[str]) -> tuple[list[tuple[int, str]], bool]:
    """The records to change, and whether all of the rows were looked at."""
    chosen: list[tuple[int, str]] = []
    size = 0
    for rid, state, length in rows:
        if state in touched:
            if chosen and size + length > SLICE_BYTES:
                return chosen, False
            size += length
            chosen.append((rid, state))
    return chosen, True


def hindrance(family: Family | None, key: bytes, payload: bytes, crc: int) -> str | None:
    """The code of why a stored record cannot be processed as it is; None if it is sound, and let in."""
    if checksum(key, payload) != crc:
        return "damaged"
    try:
        return "validation_failed" if family is None or family.check(payload).faults else None
    except IngestError:
        return "validation_failed"


def look(tx: ReadTx, job_id: int, families: Mapping[str, Family]) -> Looked:
    """Looks at the waiting records of the next slice."""
    change = tx.one("jobs.change", {"id": job_id})
    if change is None:
        return Looked(None, 0)
    action, position, _ = change
    if action == "discard":
        return Looked(action, position)
    job = jobs.by_id(tx, job_id, None)
    family = None if job is None else families.get(job.family)
    unfit: set[int] = set()
    size = 0
    rows = tx.each("records.waiting_payloads", {**records_of(job_id, position), "limit": SLICE_ROWS})
    for rid, key, payload, crc in rows:
        if size > SLICE_BYTES:
            return Looked(action, position, frozenset(unfit), rid)
        size += len(payload)
        if hindrance(family, key, payload, crc) is not None:
            unfit.add(rid)
    return Looked(action, position, frozenset(unfit))


async def carry_out(store: Store, families: Mapping[str, Family], job_id: int) -> None:
    """Takes the change of a job to its end, slice by slice."""
    while True:
        # Checking takes longer than writing, and the writer is everybody's: it is done outside.
        looked = await store.read_with(lambda tx: look(tx, job_id, families))
        if await store.write(ChangeSlice(job_id, looked, store.clock.now_ms())):
            return


async def go_on(store: Store, families: Mapping[str, Family], done: Callable[[int], None]) -> None:
    """Takes to their end the changes that no request will finish; `done(job_id)` is called after each.

    One that a request is at right now is helped along: each slice begins where the last one ended.
    """
    for (job_id,) in await store.read("jobs.changes", {"limit": AT_ONCE}):
        await carry_out(store, families, job_id)
        done(job_id)
