"""Refused deliveries: seen with the upstream's words, sent again or given up by a person."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from ingestbox.store.audit import Act
from ingestbox.store.deliveries import Seen
from ingestbox.store.lanes import Page, Parked
from ingestbox.store.pages import merged, page
from ingestbox.store.readers import ReadTx
from ingestbox.store.sight import Sight
from ingestbox.store.unit import Tx

if TYPE_CHECKING:
    from ingestbox.store import Store

ParkedState = Literal["parked", "again", "discarded"]
Decided = Literal["again", "discarded"]

NOUN = "delivery"
"""What the audit trail calls one."""

MOST_DECIDED = 250
"""Lines that one unit decides: each with its line in the trail, some 15 ms."""

_WAITING: tuple[ParkedState, ...] = ("parked", "again")
"""Those that count as parked."""

_ACTIONS: dict[Decided, str] = {"again": "delivery.retry", "discarded": "delivery.discard"}


@dataclass(frozen=True, slots=True)
class Refused:
    """A line that a lane could not deliver. `code` and `message` are the upstream's at `refused_ms`;
    `decided_by` (at `decided_ms`, for `reason`) is who wants it sent again, or gave it up."""

    seq: int
    op: str
    workspace: str
    family: str
    kind: str
    object_id: str
    version: int
    record_id: int
    at_ms: int
    epoch: str
    state: ParkedState
    code: str
    message: str
    refused_ms: int
    decided_by: str | None
    decided_ms: int | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class DecideParked:
    """A person wants refused lines sent again, or gives them up; at most MOST_DECIDED of them."""

    lane: str
    seqs: Sequence[int]
    decision: Decided
    act: Act
    reason: str | None = None

    @property
    def weight(self) -> int:
        """Each line's row and index, and what the trail says of it."""
        return 1 + 4 * len(self.seqs)

    def apply(self, tx: Tx) -> int:
        """How many were not decided so before: only of these the trail tells, in their own workspaces."""
        changed = 0
        for seq in self.seqs:
            said = {
                "lane": self.lane,
                "seq": seq,
                "state": self.decision,
                "actor": self.act.actor,
                "now": self.act.now_ms,
                "reason": self.reason,
            }
            row = tx.one("parked.decide", said)
            if row is None:
                continue
            changed += 1
            after = {"lane": self.lane, **({"reason": self.reason} if self.reason else {})}
            act = self.act if row[0] is None else self.act.within(row[0])
            act.note(tx, _ACTIONS[self.decision], NOUN, seq, after=after)
        return changed


@dataclass(frozen=True, slots=True)
class SentAgain:
    """What the upstream said of refused lines that it was sent again: it took some, and refused others."""

    lane: str
    taken: Sequence[int]
    refused: Sequence[Parked]
    now_ms: int

    @property
    def weight(self) -> int:
        """The rows, their index, the lane's, and counting whose lines they are: that is a trigger's."""
        return 1 + 4 * len(self.taken) + 2 * len(self.refused)

    def apply(self, tx: Tx) -> None:
        """A line that is taken is counted as delivered, once."""
        if self.taken:
            seqs = msgspec.json.encode(list(self.taken)).decode()
            # First the lane: what counts the taken ones reads its time.
            tx.run("parked.take", {"lane": self.lane, "seqs": seqs, "now": self.now_ms})
            tx.run("parked.taken", {"lane": self.lane, "seqs": seqs})
        for each in self.refused:
            tx.run(
                "parked.refuse",
                {
                    "lane": self.lane,
                    "seq": each.seq,
                    "code": each.code,
                    "message": each.message,
                    "now": self.now_ms,
                },
            )


def listed(
    tx: ReadTx, lane: str, sight: Sight, state: ParkedState | None, below: int, limit: int
) -> tuple[list[Refused], int | None]:
    """A page of what is in sight, newest first, under the seq `below`, and the seq to go on under.

    Without a state those that count as parked: given up ones are left out. A page may be short.
    """
    seen = Seen(tx, sight)
    pages = [
        page(tx.each("parked.page", {"lane": lane, "state": each, "below": below}), limit, seen.has)
        for each in ((state,) if state else _WAITING)
    ]
    found = merged(pages, limit)
    return [Refused(*row) for row in found.rows], found.last


def one(tx: ReadTx, lane: str, seq: int, sight: Sight) -> Refused | None:
    """One of them, if it is in sight."""
    row = tx.one("parked.one", {"lane": lane, "seq": seq})
    return Refused(*row) if row is not None and Seen(tx, sight).has(row) else None


async def again(store: Store, lane: str, *, lines: int, size: int) -> tuple[Page, int] | None:
    """The first lines that wait to be sent again, as far as their seqs follow each other in one epoch, and
    when that was decided last. At most `lines`, and `size` bytes (one line at least)."""

    def read(tx: ReadTx) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = []
        total = 0
        found = tx.each("parked.again", {"lane": lane})
        try:
            for row in found:
                total += len(row[2]) + 1
                follows = not rows or (row[0] == rows[-1][0] + 1 and row[1] == rows[-1][1])
                if not follows or len(rows) == lines or (rows and total > size):
                    break
                rows.append(row)
        finally:
            found.close()
        return rows

    rows = await store.read_with(read)
    if not rows:
        return None
    batch = Page(
        epoch=rows[0][1],
        seqs=tuple([row[0] for row in rows]),
        lines=tuple([row[2] for row in rows]),
        parked=frozenset(),
        damaged=frozenset([row[0] for row in rows if zlib.crc32(row[2]) != row[3]]),
        more=False,
    )
    return batch, max(row[4] for row in rows)
