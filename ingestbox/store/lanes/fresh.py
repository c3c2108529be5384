"""Working from both ends: after an outage a lane may send some of what comes in ahead of its turn."""

from __future__ import annotations

from dataclasses import dataclass

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
