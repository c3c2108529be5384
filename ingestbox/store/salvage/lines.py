"""Lanes of a salvaged store: their sums are set right for lines that are lost."""

from __future__ import annotations

from dataclasses import dataclass

from ingestbox.store import Store, lanes
from ingestbox.store.unit import Tx


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Takes lines that are lost out of what a lane ever had."""

    lane: str
    lines: int
    weight: int = 1

    def apply(self, tx: Tx) -> None:
        """Does it."""
        tx.run("lanes.give_up", {"name": self.lane, "n": self.lines})


async def balance(store: Store) -> dict[str, int]:
    """Sets the sums of all lanes right; by how many lines each was wrong that was."""
    wrong = {}
    for each in await lanes.balances(store):
        lost = each.enqueued - each.delivered - each.pending - each.parked - each.discarded
        if lost:
            wrong[each.lane] = lost
            await store.write(GiveUp(each.lane, lost))
    return wrong
