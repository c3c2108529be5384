"""Being the upstream: lines of other boxes, applied once each, and the chain that shows what never came."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingestbox.store.engine import sqlite3
from ingestbox.store.unit import Tx
from ingestbox.store.work import PROJECTION_ROWS, searched_weight

if TYPE_CHECKING:
    from ingestbox.store import Store

UNIT_LINES = 120
UNIT_BYTES = 98_304
"""What one unit applies at most (one line at least): with full text and all that is counted it holds the
writer for about 20 ms."""

ROWS_A_LINE = PROJECTION_ROWS + 2
"""What a line costs beside its full text, in rows of the intake."""

MOST_MISSING = 100
"""Gaps that one answer lists; the sender fills them in order and is told of the next ones then."""

_REFUSED_BY_SQL = (
    sqlite3.IntegrityError,
    sqlite3.DataError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
    OverflowError,
)
"""What a line's own values can make a statement raise. The statement alone is undone then; what the store
itself raises (full, I/O) is not among them and undoes the unit."""


@dataclass(frozen=True, slots=True)
class SyncLine:
    """A checked line. `mark` is 64 bits of the hash of what it says; `columns` are the projection's. `owner`
    is who it belongs to there, which is kept and grants nothing here."""

    seq: int
    mark: int
    op: str
    version: int
    workspace: str
    family: str
    kind: str
    object_id: str
    job_id: str
    at_ms: int
    columns: Mapping[str, str | int | float | None]
    record: bytes
    result: bytes
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Rejection:
    """A line that was not applied, and why."""

    seq: int
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Link:
    """One batch in a lane's chain: it covers the seqs after `after` up to `last`, beginning at `first`."""

    lane: str
    after: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Hole:
    """What never came: the seqs after `after` up to `until`, noticed by the batch that began at `first`."""

    after: int
    until: int
    first: int


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of a unit's lines. `reused` is the box's count of reused seqs, if it grew just now."""

    accepted: int
    duplicate: int
    rejected: tuple[Rejection, ...]
    reused: int | None
    missing: tuple[tuple[int, int], ...]


def cover(tip: int, holes: Sequence[Hole], link: Link) -> tuple[int, list[Hole]]:
    """The chain after one more batch: its new tip, and the holes that are left (disjoint, ascending).

    A batch that starts beyond the tip leaves a hole; one that was sent again shrinks or splits holes.
    """
    left: list[Hole] = []
    for hole in holes:
        if link.last <= hole.after or link.after >= hole.until:
            left.append(hole)
            continue
        if hole.after < link.after:
            left.append(Hole(hole.after, link.after, link.first))
        if link.last < hole.until:
            left.append(Hole(link.last, hole.until, hole.first))
    if link.after > tip:
        left.append(Hole(tip, link.after, link.first))
    return max(tip, link.last), left


@dataclass(frozen=True, slots=True)
class ApplyLines:
    """Applies lines of one box and epoch, in order. The last unit of a batch also carries its link.

    An object's versions are ordered by epoch, in the order of the epochs' first appearance here, and then by
    number: after a restore a box counts on from an older number, and what it says then is the newer word.
    """

    box: str
    epoch: str
    lines: Sequence[SyncLine]
    arrived_ms: int
    link: Link | None = None

    @property
    def weight(self) -> int:
        """Its lines with their full text, and the rows of the box and the chain."""
        searched = searched_weight(len(line.record) for line in self.lines)
        return ROWS_A_LINE * len(self.lines) + searched + 4

    def apply(self, tx: Tx) -> Applied:
        """Repeats are counted and change nothing."""
        seen = tx.one("sync.see", {"box": self.box, "epoch": self.epoch, "now": self.arrived_ms})
        assert seen is not None  # RETURNING gives the row
        source = int(seen[0])
        done = _Applying(tx, self.box, source)
        for line in self.lines:
            done.take(line)
        done.store()
        if done.newest_ms is not None:
            tx.run("sync.arrived", {"source": source, "newest": done.newest_ms, "now": self.arrived_ms})
        reused = None
        if done.reused:
            row = tx.one("sync.reuse", {"source": source, "n": done.reused})
            assert row is not None  # the box's row was made above
            reused = int(row[0])
        missing = () if self.link is None else _follow(tx, source, self.link)
        return Applied(done.accepted, done.duplicate, tuple(done.rejected), reused, missing)


class _Applying:
    """The state of one unit while it goes through its lines."""

    def __init__(self, tx: Tx, box: str, source: int) -> None:
        self._tx = tx
        self._box = box
        self._source = source
        self._marks: list[tuple[int, int, int]] = []
        self._heads: dict[tuple[str, str, str, str], tuple[int, int, int]] = {}
        self.accepted = 0
        self.duplicate = 0
        self.reused = 0
        self.newest_ms: int | None = None
        self.rejected: list[Rejection] = []

    def take(self, line: SyncLine) -> None:
        """Applies one line, or counts why it is not applied."""
        known = self._tx.one("sync.mark_of", (self._source, line.seq))
        if known is not None:
            if known[0] == line.mark:
                self.duplicate += 1
            else:
                self.reused += 1
                self._reject(line, "seq_reused", "This seq came before with other content.")
            return
        query = f"{line.family}.{'put' if line.op == 'put' else 'remove'}_{line.kind}"
        if not self._tx.has(query):
            self._reject(line, "op_unsupported", "This kind of object does not know this op.")
            return
        key = (line.workspace, line.family, line.kind, line.object_id)
        if (self._source, line.version) > self._head(key):
            try:
                self._tx.run(query, _params(self._box, line))
            except _REFUSED_BY_SQL:
                self._reject(line, "record_invalid", "The record does not fit the store.")
                return
            self._heads[key] = (self._source, line.version, int(line.op == "delete"))
        self._marks.append((self._source, line.seq, line.mark))
        self.accepted += 1
        self.newest_ms = line.at_ms if self.newest_ms is None else max(self.newest_ms, line.at_ms)

    def store(self) -> None:
        """Writes what was gathered: new heads of objects, and the marks of the lines."""
        self._tx.many(
            "sync.put_object",
            [
                (self._box, *key, version, rank, deleted)
                for key, (rank, version, deleted) in self._heads.items()
            ],
        )
        self._tx.many("sync.mark", self._marks)

    def _head(self, key: tuple[str, str, str, str]) -> tuple[int, int]:
        if (head := self._heads.get(key)) is not None:
            return head[:2]
        row = self._tx.one("sync.version", (self._box, *key))
        return (0, 0) if row is None else (int(row[0]), int(row[1]))

    def _reject(self, line: SyncLine, code: str, message: str) -> None:
        self.rejected.append(Rejection(line.seq, code, message))


def _params(box: str, line: SyncLine) -> dict[str, object]:
    """What a projection query takes. The record travels with it: `records` holds this box's own alone."""
    return {
        **line.columns,
        "workspace": line.workspace,
        "origin": box,
        "owner": line.owner,
        "object_id": line.object_id,
        "version": line.version,
        "record_id": 0,
        "job_id": line.job_id,
        "job": 0,
        "at_ms": line.at_ms,
        "result": line.result,
        "record": line.record,
        "crc": zlib.crc32(line.result + line.record),
    }


def _follow(tx: Tx, source: int, link: Link) -> tuple[tuple[int, int], ...]:
    """Adds a batch to its chain; returns what the sender is asked for again."""
    row = tx.one("sync.tip", {"source": source, "lane": link.lane})
    before = [Hole(*each) for each in tx.all("sync.gaps", {"source": source, "lane": link.lane})]
    tip, holes = cover(0 if row is None else int(row[0]), before, link)
    tx.run("sync.set_tip", {"source": source, "lane": link.lane, "tip": tip})
    for hole in before:
        if hole not in holes:
            tx.run("sync.clear_gap", {"source": source, "lane": link.lane, "after": hole.after})
    for hole in holes:
        if hole not in before:
            tx.run(
                "sync.add_gap",
                {
                    "source": source,
                    "lane": link.lane,
                    "after": hole.after,
                    "until": hole.until,
                    "first": hole.first,
                },
            )
    return tuple((hole.after, hole.first) for hole in holes[:MOST_MISSING])


def slices(lines: Sequence[SyncLine]) -> list[Sequence[SyncLine]]:
    """The lines in runs of UNIT_LINES and UNIT_BYTES; no lines are one empty run, which carries the link."""
    found: list[Sequence[SyncLine]] = []
    start = size = 0
    for position, line in enumerate(lines):
        length = len(line.record) + len(line.result)
        if position > start and (position - start >= UNIT_LINES or size + length > UNIT_BYTES):
            found.append(lines[start:position])
            start, size = position, 0
        size += length
    found.append(lines[start:])
    return found


@dataclass(frozen=True, slots=True)
class SenderStatus:
    """One epoch of a box that sends here. `lag_ms` is how old its newest line was when it arrived."""

    box: str
    epoch: str
    last_seq: int
    last_seen_ms: int
    lag_ms: int | None
    reused: int
    gaps: tuple[tuple[int, int], ...]


async def senders(store: Store) -> list[SenderStatus]:
    """Every box and epoch, by box and then in order of first appearance."""
    gaps: dict[int, list[tuple[int, int]]] = {}
    for source, after, first in await store.read("sync.all_gaps"):
        gaps.setdefault(source, []).append((after, first))
    return [
        SenderStatus(box, epoch, last_seq, seen, lag, reused, tuple(gaps.get(source, ())))
        for source, box, epoch, seen, lag, reused, last_seq in await store.read("sync.boxes")
    ]
