"""Taking a completed import back: the objects that it made are removed, unless somebody changed them since.

The decision is one small unit, and hides all of them at once; they are removed slice by slice, and a row says
how far that is. A crash in between loses nothing: housekeeping goes on, and so does whoever repeats the call.
No other import of the owner makes or updates objects meanwhile.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from ingestbox.family import Family
from ingestbox.model import JobState, index_of, records_of
from ingestbox.store import Store
from ingestbox.store.audit import Act
from ingestbox.store.removal import ROWS_AN_OBJECT, Scope, remove
from ingestbox.store.review import Blocked
from ingestbox.store.unit import Tx

SLICE = 200
"""Rows of a job that one unit looks at: it keeps the writer under 20 ms."""

AT_ONCE = 50
"""Jobs that one round of housekeeping looks after."""


@dataclass(frozen=True, slots=True)
class BeginUndo:
    """Begins it; one that is under way, or over, stays what it is."""

    job_id: int
    public_id: str
    act: Act
    weight: int = 4

    def apply(self, tx: Tx) -> Blocked | None:
        """Hides what the job made. Blocked: job_not_found, job_not_completed, turn_taken."""
        row, job = tx.one("undoing.state", {"job_id": self.job_id}), tx.one("jobs.state", {"id": self.job_id})
        if row is None or job is None:
            return Blocked("job_not_found")
        phase = row[0]
        if phase in ("undoing", "undone"):
            return None
        if phase != "done" or job[0] != JobState.COMPLETED:
            return Blocked("job_not_completed")
        if tx.run("undoing.begin", {"job_id": self.job_id}) != 1:
            return Blocked("turn_taken")
        self.act.note(
            tx, "job.undo", "job", self.public_id, before={"phase": "done"}, after={"phase": "undoing"}
        )
        return None


@dataclass(frozen=True, slots=True)
class Undone:
    """How many objects were removed, and how many that the job made or updated are kept."""

    removed: int
    kept: int


@dataclass(frozen=True, slots=True)
class UndoSlice:
    """The next rows of a job that is being undone; the counts once none is left. `kind` is the kind of object
    that its rows became."""

    job_id: int
    kind: str
    now_ms: int
    weight: int = ROWS_AN_OBJECT * SLICE

    def apply(self, tx: Tx) -> Undone | None:
        """Removes what of them is still as this job made it, and moves the row that says how far it is."""
        row = tx.one("undoing.state", {"job_id": self.job_id})
        if row is None:
            return Undone(0, 0)
        phase, position, removed, kept, workspace, family, owner, public_id = row
        if phase != "undoing":
            return Undone(removed, kept)
        scope = Scope(workspace, family, self.kind, owner, public_id)
        place = {"workspace": workspace, "family": family, "kind": self.kind}
        rows = tx.all("undoing.rows", {**place, **records_of(self.job_id, position), "limit": SLICE})
        chosen = [str(rid) for rid, done, own, deleted in rows if done and own and not deleted]
        gone = len(remove(tx, scope, chosen, self.now_ms))
        stay = sum(1 for _, done, own, deleted in rows if done and not own and not deleted)
        if rows:
            moved = {"position": index_of(rows[-1][0]) + 1, "removed": gone, "kept": stay}
            tx.run("undoing.move", {"job_id": self.job_id, **moved})
        if len(rows) == SLICE:
            return None
        tx.run("undoing.finish", {"job_id": self.job_id, "now": self.now_ms})
        tx.run("undoing.touch", {"id": self.job_id, "now": self.now_ms})
        return Undone(removed + gone, kept + stay)


async def carry_out(
    write: Callable[[UndoSlice], Awaitable[Undone | None]], now_ms: Callable[[], int], job_id: int, kind: str
) -> Undone:
    """Takes an undo that has begun to its end."""
    while True:
        undone = await write(UndoSlice(job_id, kind, now_ms()))
        if undone is not None:
            return undone


async def go_on(store: Store, families: Mapping[str, Family], done: Callable[[int], None]) -> None:
    """Takes to their end the undos that no request will finish; `done(job_id)` is called after each, and for
    the jobs that waited for it."""
    for job_id, name in await store.read("undoing.under_way", {"limit": AT_ONCE}):
        family = families.get(name)
        if family is None or family.staging is None:
            continue
        await carry_out(store.write, store.clock.now_ms, job_id, family.staging.kind)
        done(job_id)
        for (waiting,) in await store.read("undoing.waiting", {"job_id": job_id}):
            done(waiting)
