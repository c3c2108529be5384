"""Being the upstream: lines of other boxes, applied once each, and the chain that shows what never came."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from ingestbox.model import Columns
from ingestbox.store import relay
from ingestbox.store.chain import Link, follow
from ingestbox.store.engine import sqlite3
from ingestbox.store.unit import Tx
from ingestbox.store.work import PROJECTION_ROWS, searched_weight

UNIT_LINES = 100
UNIT_BYTES = 57_344
"""What one unit applies at most (one line at least): with full text and all that is counted it holds the
writer for some 15 ms."""

RELAYED_LINES = 80
RELAYED_BYTES = 57_344
"""The same where what was applied is passed on: a delivery more for each line."""

ROWS_A_LINE = PROJECTION_ROWS + 2
"""What a line costs beside its full text, in rows of the intake."""

REUSED = (
    "This box used the seq before, for something else: it was set back, as from a copy of its disk. It needs "
    "a new epoch; what the line tells goes up again once its record is processed again."
)
"""What a box is told whose line has a seq that came with other content."""

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
    is who it belongs to there, which is kept and grants nothing here. `origin` is the box that the object is
    of, with the epoch that its version belongs to, where that is another than the one that sends.
    """

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
    columns: Columns
    record: bytes
    result: bytes
    digest: str
    owner: str = ""
    lineage: bytes = b""
    origin: str = ""
    origin_epoch: str = ""


@dataclass(frozen=True, slots=True)
class Rejection:
    """A line that was not applied, and why."""

    seq: int
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of a unit's lines. `reused` is the box's count of reused seqs, if it grew just now;
    `relayed` is how many of the lines go on upstream."""

    accepted: int
    duplicate: int
    rejected: tuple[Rejection, ...]
    reused: int | None
    missing: tuple[tuple[int, int], ...]
    relayed: int = 0


@dataclass(frozen=True, slots=True)
class ApplyLines:
    """Applies lines of one box and epoch, in order, and passes on what it applied, if a lane takes that. The
    last unit of a batch also carries its link.

    An object's versions are ordered by epoch, in the order of the epochs' first appearance here, and then by
    number: after a restore a box counts on from an older number, and what it says then is the newer word. An
    object is of the box that made it, whoever brings it; one of this very box comes back in a circle of
    boxes, and is accepted without being applied. `relays` tells the weight that lines are passed on.
    """

    box: str
    epoch: str
    lines: Sequence[SyncLine]
    arrived_ms: int
    link: Link | None = None
    relays: bool = False

    @property
    def weight(self) -> int:
        """Its lines with their full text, and the rows of the box and the chain."""
        searched = searched_weight(len(line.record) for line in self.lines)
        own = ROWS_A_LINE * len(self.lines) + searched + 4
        return own + (relay.weight_of_lines(self.lines) if self.relays else 0)

    def apply(self, tx: Tx) -> Applied:
        """Repeats are counted and change nothing."""
        seen = tx.one("sync.see", {"box": self.box, "epoch": self.epoch, "now": self.arrived_ms})
        assert seen is not None  # RETURNING gives the row
        source = int(seen[0])
        done = _Applying(tx, _Source(source, self.box, self.epoch), self.arrived_ms)
        for line in self.lines:
            done.take(line)
        relayed = done.store()
        if done.newest_ms is not None:
            tx.run("sync.arrived", {"source": source, "newest": done.newest_ms, "now": self.arrived_ms})
        reused = None
        if done.reused:
            row = tx.one("sync.reuse", {"source": source, "n": done.reused, "now": self.arrived_ms})
            assert row is not None  # the box's row was made above
            reused = int(row[0])
        missing = () if self.link is None else follow(tx, source, self.link, self.arrived_ms)
        return Applied(done.accepted, done.duplicate, tuple(done.rejected), reused, missing, relayed)


@dataclass(frozen=True, slots=True)
class _Source:
    """An epoch of a box: `rank` is its row, which orders epochs by their first appearance."""

    rank: int
    box: str
    epoch: str


class _Applying:
    """The state of one unit while it goes through its lines."""

    def __init__(self, tx: Tx, sender: _Source, now_ms: int) -> None:
        self._tx = tx
        self._now_ms = now_ms
        self._sender = sender
        self._relay = relay.Relay(tx, now_ms)
        identity = tx.one("box.identity")
        assert identity is not None  # the box's row is made with the store
        self._own: str = identity[0]
        self._origins: dict[tuple[str, str], _Source] = {}
        self._marks: list[tuple[int, int, int]] = []
        self._heads: dict[tuple[str, str, str, str, str], tuple[int, int, int]] = {}
        self.accepted = 0
        self.duplicate = 0
        self.reused = 0
        self.newest_ms: int | None = None
        self.rejected: list[Rejection] = []

    def take(self, line: SyncLine) -> None:
        """Applies one line, or counts why it is not applied."""
        known = self._tx.one("sync.mark_of", (self._sender.rank, line.seq))
        if known is not None:
            if known[0] == line.mark:
                self.duplicate += 1
            else:
                self.reused += 1
                self._reject(line, "seq_reused", REUSED)
            return
        if line.origin == self._own:
            self._accept(line)
            return
        query = f"{line.family}.{'put' if line.op == 'put' else 'remove'}_{line.kind}"
        if not self._tx.has(query):
            self._reject(line, "op_unsupported", "This kind of object does not know this op.")
            return
        of = self._origin(line)
        key = (of.box, line.workspace, line.family, line.kind, line.object_id)
        if (of.rank, line.version) > self._head(key):
            try:
                self._tx.run(query, _params(of.box, line))
            except _REFUSED_BY_SQL:
                self._reject(line, "record_invalid", "The record does not fit the store.")
                return
            self._heads[key] = (of.rank, line.version, int(line.op == "delete"))
            self._relay.add(of.box, of.epoch, line)
        self._accept(line)
        self.newest_ms = line.at_ms if self.newest_ms is None else max(self.newest_ms, line.at_ms)

    def store(self) -> int:
        """Writes what was gathered: new heads of objects, the marks of the lines, and what goes on upstream;
        how many lines that are."""
        self._tx.many(
            "sync.put_object",
            [(*key, version, rank, deleted) for key, (rank, version, deleted) in self._heads.items()],
        )
        self._tx.many("sync.mark", self._marks)
        return self._relay.store()

    def _accept(self, line: SyncLine) -> None:
        self._marks.append((self._sender.rank, line.seq, line.mark))
        self.accepted += 1

    def _origin(self, line: SyncLine) -> _Source:
        """Whose object it is; a box that only others tell of is heard of from then on."""
        if not line.origin:
            return self._sender
        name = (line.origin, line.origin_epoch)
        if (known := self._origins.get(name)) is None:
            heard = {"box": name[0], "epoch": name[1], "through": self._sender.rank, "now": self._now_ms}
            row = self._tx.one("sync.hear", heard)
            assert row is not None  # RETURNING gives the row
            known = self._origins[name] = _Source(int(row[0]), *name)
        return known

    def _head(self, key: tuple[str, str, str, str, str]) -> tuple[int, int]:
        if (head := self._heads.get(key)) is not None:
            return head[:2]
        row = self._tx.one("sync.version", key)
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
        "lineage": line.lineage or None,
    }


def slices(lines: Sequence[SyncLine], relays: bool = False) -> list[Sequence[SyncLine]]:
    """The lines in runs of UNIT_LINES and UNIT_BYTES (with `relays` of RELAYED_…); no lines are one empty
    run, which carries the link."""
    most, size_most = (RELAYED_LINES, RELAYED_BYTES) if relays else (UNIT_LINES, UNIT_BYTES)
    found: list[Sequence[SyncLine]] = []
    start = size = 0
    for position, line in enumerate(lines):
        length = len(line.record) + len(line.result) + (len(line.lineage) if relays else 0)
        if position > start and (position - start >= most or size + length > size_most):
            found.append(lines[start:position])
            start, size = position, 0
        size += length
    found.append(lines[start:])
    return found
