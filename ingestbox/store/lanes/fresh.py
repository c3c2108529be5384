"""Working from both ends: after an outage a lane may send some of what comes in ahead of its turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ingestbox.store.lanepage import Parked
from ingestbox.store.lanes.cursor import count_delivered
from ingestbox.store.parked import park
from ingestbox.store.unit import Tx


@dataclass(frozen=True, slots=True)
class MarkFresh:
    """What is made from now on is the fresh end, unless there is one already, or no more than `behind` seqs
    are still to be sent."""

    lane: str
    behind: int = 0
    weight: int = 1

    def apply(self, tx: Tx) -> int | None:
        """Its first seq; what went ahead last is the one before it, as nothing did yet. None: it stays as it
        was."""
        row = tx.one("lanes.mark_fresh", {"name": self.lane, "behind": self.behind})
        return None if row is None else int(row[0])


@dataclass(frozen=True, slots=True)
class AdvanceFresh:
    """A batch of the fresh end was taken by the upstream: as `Advance`, but what moves is `fresh_last`."""

    lane: str
    after: int
    last: int
    through: int
    lines: int
    size: int
    parked: Sequence[Parked]
    now_ms: int

    @property
    def weight(self) -> int:
        """The lane's row, the parked ones, and counting whose lines they are."""
        return 1 + 4 * len(self.parked) + (self.lines >> 2)

    def apply(self, tx: Tx) -> bool:
        """Whether the fresh end was still at `after`; otherwise nothing is changed."""
        delivered = self.lines - len(self.parked)
        moved = tx.run(
            "lanes.advance_fresh",
            {
                "name": self.lane,
                "after": self.after,
                "through": max(self.last, self.through),
                "delivered": delivered,
                "size": self.size,
                "now": self.now_ms,
            },
        )
        if moved != 1:
            return False
        park(tx, self.lane, self.parked, self.now_ms)
        count_delivered(tx, self.lane, self.after, self.last, delivered, self.now_ms)
        return True
