"""Forgetting a lane that is configured no more, with what it could not deliver."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ingestbox.errors import IngestError
from ingestbox.store.audit import Act
from ingestbox.store.parked import forget
from ingestbox.store.unit import Tx

if TYPE_CHECKING:
    from ingestbox.store import Store

SLICE = 150
"""Parked lines that one unit forgets, each with its issue: some 10 ms."""


@dataclass(frozen=True, slots=True)
class RemoveLane:
    """Forgets a slice of what a lane has parked, and the lane itself with the last one; `told` is for the
    trail: why, and what is given up."""

    lane: str
    act: Act
    told: Mapping[str, object] = field(default_factory=dict)
    weight: int = 5 * SLICE

    def apply(self, tx: Tx) -> bool:
        """Whether it is gone. Raises IngestError: `not_found`; `lane_configured` for one that is not off."""
        rows = tx.all("lanes.counts", {"name": self.lane})
        if not rows:
            raise IngestError("not_found", f"There is no lane {self.lane}.")
        state, url, enqueued, delivered = rows[0]
        if state != "off":
            raise IngestError("lane_configured")
        seqs = [row[0] for row in tx.all("lanes.some_parked", {"lane": self.lane, "limit": SLICE})]
        if seqs:
            forget(tx, self.lane, seqs, self.act.now_ms)
            tx.many("lanes.unpark", [{"lane": self.lane, "seq": seq} for seq in seqs])
            tx.run("lanes.give_up", {"name": self.lane, "n": len(seqs)})
        if len(seqs) == SLICE:
            return False
        tx.run("lanes.forget", {"name": self.lane})
        before = {"url": url, "enqueued": enqueued, "delivered": delivered}
        self.act.note(tx, "lane.remove", "lane", self.lane, before=before, after=self.told or None)
        return True


async def remove_lane(store: Store, lane: str, act: Act, told: Mapping[str, object] | None = None) -> None:
    """Forgets a lane that is off. One that was cut short goes on with the next call. Raises as the unit."""
    while not await store.write(RemoveLane(lane, act, told or {})):
        pass
