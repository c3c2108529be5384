"""Removing objects of this box: their rows go, a tombstone stays, and upstream is told."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from ingestbox.clock import iso
from ingestbox.model import delivery_digest
from ingestbox.store.audit import Act
from ingestbox.store.enqueued import count_enqueued
from ingestbox.store.unit import Tx

ROWS_AN_OBJECT = 5
"""What removing one costs, in rows: its head and what is counted, its row with the indexes, the delivery."""

OBJECTS = 200
"""Objects that one unit removes at most, so that it keeps the writer under 20 ms."""

NOTHING = delivery_digest(b"", b"")
"""The hash of a line without record and result."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Which objects: of a workspace, family and kind. `owner` and the public `job_id` are for their lines."""

    workspace: str
    family: str
    kind: str
    owner: str | None = None
    job_id: str | None = None


@dataclass(frozen=True, slots=True)
class RemoveObjects:
    """Removes objects by their ids, at most OBJECTS of them; how many were there. What is gone stays so.

    With an `act` the audit trail has a line for each: `<kind>.remove`.
    """

    scope: Scope
    object_ids: Sequence[str]
    now_ms: int
    act: Act | None = None

    @property
    def weight(self) -> int:
        """Some rows for each."""
        return (ROWS_AN_OBJECT + (self.act is not None)) * len(self.object_ids)

    def apply(self, tx: Tx) -> int:
        """Removes them."""
        gone = remove(tx, self.scope, self.object_ids, self.now_ms)
        if self.act is not None:
            for object_id in gone:
                self.act.note(tx, f"{self.scope.kind}.remove", self.scope.kind, object_id)
        return len(gone)


def remove(tx: Tx, scope: Scope, object_ids: Sequence[str], now_ms: int) -> list[str]:
    """The same as a part of another unit; the ids of those that were there.

    The family's queries have `remove_<kind>` (workspace, origin, object_id).
    """
    place = (scope.workspace, scope.family, scope.kind)
    removed: list[tuple[str, int, int]] = []
    for object_id in object_ids:
        row = tx.one("removal.remove", (*place, object_id))
        if row is not None:
            removed.append((object_id, int(row[0]), int(row[1])))
    if removed:
        where = {"workspace": scope.workspace, "origin": ""}
        query = f"{scope.family}.remove_{scope.kind}"
        tx.many(query, [{**where, "object_id": object_id} for object_id, _, _ in removed])
        _deliver(tx, scope, removed, now_ms)
    return [object_id for object_id, _, _ in removed]


def remove_given_up(tx: Tx, job_id: int, record_ids: Sequence[int], now_ms: int) -> None:
    """Removes, as a part of another unit, what became before of records that are given up: one may have been
    done once, and be pending again.

    In families that have the query `given_up` (ids), where each object is of one record alone. Of others it
    stays, for another intake may have given it too.
    """
    row = tx.one("erasures.job", {"id": job_id})
    if row is None or not tx.has(f"{row[2]}.given_up"):
        return
    public_id, family, workspace, owner = row[1:5]
    found: dict[str, list[str]] = {}
    for kind, object_id in tx.all(f"{family}.given_up", {"ids": msgspec.json.encode(record_ids).decode()}):
        found.setdefault(kind, []).append(object_id)
    for kind, object_ids in found.items():
        remove(tx, Scope(workspace, family, kind, owner, public_id), object_ids, now_ms)


def removes_given_up(tx: Tx, job_id: int) -> bool:
    """Whether objects of the job's records go with these."""
    row = tx.one("erasures.job", {"id": job_id})
    return row is not None and tx.has(f"{row[2]}.given_up")


def _deliver(tx: Tx, scope: Scope, removed: Sequence[tuple[str, int, int]], now_ms: int) -> None:
    """A `delete` for each (id, version, intake). Its line has neither record nor result."""
    identity, first = tx.one("box.identity"), tx.one("box.take_seqs", {"n": len(removed)})
    assert identity is not None  # the box's row is made with the store
    assert first is not None
    box, epoch = identity
    encode = msgspec.json.encode
    head = b'{"box":%s,"epoch":%s,"seq":' % (encode(box), encode(epoch))
    place = b',"workspace":%s,"family":%s,"kind":%s,"id":' % (
        encode(scope.workspace),
        encode(scope.family),
        encode(scope.kind),
    )
    tail = b',"owner":%s,"job_id":%s,"at":%s,"hash":%s}' % (
        encode(scope.owner),
        encode(scope.job_id),
        encode(iso(now_ms)),
        encode(NOTHING),
    )
    rows: list[tuple[object, ...]] = []
    sizes: list[int] = []
    for seq, (object_id, version, intake) in enumerate(removed, start=int(first[0])):
        line = b"".join(
            (head, b'%d,"op":"delete","version":%d' % (seq, version), place, encode(object_id), tail)
        )
        sizes.append(len(line))
        rows.append(
            (
                seq,
                epoch,
                "delete",
                scope.workspace,
                scope.family,
                scope.kind,
                object_id,
                version,
                intake,
                now_ms,
                line,
                zlib.crc32(line),
            )
        )
    tx.many("deliveries.insert", rows)
    sort = (scope.workspace, scope.family, scope.kind, "delete", False)
    count_enqueued(tx, [(*sort, size) for size in sizes])
