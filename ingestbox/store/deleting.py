"""Deleting a job with all that it brought in: its records' texts, the objects that are there because of it.

The decision is one small unit: the job is cancelled, from whatever state it was in, and what the family keeps
of it as a whole goes, so that nobody sees it any more. What follows goes slice by slice, and a row says how
far it is. A crash in between loses nothing: housekeeping goes on. The job stays in the ledger, with its
records as blanks; upstream is told of each object that went. Lines that tell of one and are not delivered yet
stay: the tombstone comes after them. Not for staged families, whose imports are undone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from ingestbox.family import Family
from ingestbox.model import checksum, index_of, records_of
from ingestbox.store import Store, files
from ingestbox.store.audit import Act
from ingestbox.store.removal import ROWS_AN_OBJECT, Scope, remove
from ingestbox.store.unit import Tx

OBJECTS = 150
"""Objects that one slice removes at most."""

SLICE_ROWS = 300
"""Records that one slice makes blanks of at most."""

SLICE_BYTES = 1_048_576
"""What is in these, or in the objects' rows, at most, one being taken at least. All of it keeps the writer
under 20 ms."""

AT_ONCE = 50
"""Jobs that one round of housekeeping looks after."""

BLANK = b'{"_note":"Deleted with its upload"}'
"""What is left of a record."""

SAID = "Deleted with its record."
"""What is left of an issue's message."""

RESOLUTION = "cancel"
"""How issues of records are resolved that are there no more."""


@dataclass(frozen=True, slots=True)
class BeginDelete:
    """Begins it. `reason` is what the job says from then on, as a sentence."""

    job_id: int
    public_id: str
    family: str
    reason: str
    act: Act
    weight: int = 10

    def apply(self, tx: Tx) -> bool:
        """Whether there was anything: one that is deleted, or is being deleted, stays what it is."""
        row = tx.one("jobs.state", {"id": self.job_id})
        if row is None or tx.run(f"{self.family}.forget_job", {"job_id": self.job_id}) != 1:
            return False
        now = self.act.now_ms
        tx.run("deleting.cancel", {"id": self.job_id, "error": self.reason, "now": now})
        tx.run("jobs.end_change", {"id": self.job_id})
        tx.run("deleting.begin", {"job_id": self.job_id, "actor": self.act.actor})
        files.give_up(tx, self.job_id, self.reason, now)
        tx.run("erasures.retire_file", {"job_id": self.job_id, "now": now})
        self.act.note(
            tx, "job.delete", "job", self.public_id, before={"state": row[0]}, after={"state": "cancelled"}
        )
        return True


@dataclass(frozen=True, slots=True)
class DeleteSlice:
    """The next slice of a deletion; True when nothing of it is left. `kinds` are `Family.deletes`."""

    job_id: int
    kinds: Sequence[str]
    now_ms: int
    weight: int = ROWS_AN_OBJECT * OBJECTS

    def apply(self, tx: Tx) -> bool:
        """Removes some objects, or, when none is left, makes blanks of some records."""
        row = tx.one("deleting.state", {"job_id": self.job_id})
        if row is None:
            return True
        position, actor, workspace, family, owner, public_id = row
        for kind in self.kinds:
            if self._remove(tx, Scope(workspace, family, kind, owner, public_id)):
                return False
        return self._blank(tx, position, actor)

    def _remove(self, tx: Tx, scope: Scope) -> bool:
        """Whether anything went."""
        asked = {"job_id": self.job_id, **records_of(self.job_id), "limit": OBJECTS}
        rows = tx.all(f"{scope.family}.of_job_{scope.kind}", asked)
        found: list[str] = [object_id for object_id, _ in rows[: _fitting([size for _, size in rows])]]
        gone = set(remove(tx, scope, found, self.now_ms))
        # Also what has no head that could tell of it.
        where = {"workspace": scope.workspace, "origin": ""}
        rest = [{**where, "object_id": object_id} for object_id in found if object_id not in gone]
        return bool(gone) or tx.many(f"{scope.family}.remove_{scope.kind}", rest) > 0

    def _blank(self, tx: Tx, position: int, actor: str) -> bool:
        span = records_of(self.job_id, position)
        rows = tx.all("records.sizes", {**span, "limit": SLICE_ROWS})
        count = _fitting([length for _, _, length in rows])
        if count:
            among = {"first": span["first"], "last": rows[count - 1][0]}
            given = {"resolution": RESOLUTION, "actor": actor, "now": self.now_ms}
            tx.run("issues.resolve_among", {**among, **given})
            tx.run("deleting.hush", {**among, "message": SAID})
            tx.run("deleting.forget_changes", among)
            tx.run("deleting.blank", {**among, "payload": BLANK, "crc": checksum(b"", BLANK)})
        if count < len(rows) or count == SLICE_ROWS:
            position = index_of(rows[count - 1][0]) + 1
            tx.run("deleting.move", {"job_id": self.job_id, "position": position})
            return False
        tx.run("deleting.end", {"job_id": self.job_id})
        tx.run("deleting.settle", {"id": self.job_id, "now": self.now_ms})
        return True


def _fitting(sizes: Sequence[int]) -> int:
    """How many of the first of them a slice takes: one at least, if there is one."""
    size = 0
    for count, length in enumerate(sizes):
        size += length
        if count and size > SLICE_BYTES:
            return count
    return len(sizes)


async def carry_out(
    write: Callable[[DeleteSlice], Awaitable[bool]],
    now_ms: Callable[[], int],
    job_id: int,
    kinds: Sequence[str],
) -> None:
    """Takes a deletion that has begun to its end."""
    while not await write(DeleteSlice(job_id, kinds, now_ms())):
        pass


async def go_on(store: Store, families: Mapping[str, Family], done: Callable[[int], None]) -> None:
    """Takes to their end the deletions that no request will finish; `done(job_id)` is called after each. One
    that a request is at right now is helped along."""
    for job_id, name in await store.read("deleting.under_way", {"limit": AT_ONCE}):
        if name in families:
            await carry_out(store.write, store.clock.now_ms, job_id, families[name].deletes)
            done(job_id)
