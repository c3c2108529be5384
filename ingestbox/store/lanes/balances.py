"""Whether the sums of the lanes are right: what is pending is counted, line by line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingestbox.store.lanes.counting import Counted, count, parked_of
from ingestbox.store.lanes.status import Row
from ingestbox.store.readers import ReadTx

if TYPE_CHECKING:
    from ingestbox.store import Store

TRIES = 3
"""Counts before a lane's sums are said to be wrong."""


@dataclass(frozen=True, slots=True)
class Balance:
    """The invariant of one lane, with `pending` truly counted."""

    lane: str
    enqueued: int
    delivered: int
    pending: int
    parked: int
    discarded: int

    @property
    def holds(self) -> bool:
        """Whether enqueued = delivered + pending + parked + discarded."""
        return self.enqueued == self.delivered + self.pending + self.parked + self.discarded


async def balances(store: Store, lane: str | None = None) -> list[Balance]:
    """Checks every lane, or one, by counting what is pending, a page at a time.

    Counters, cursors, what is parked and the end of the count come from one read; deliveries between are
    never changed, so that the count is exact while the box works. They leave the store only when they are old
    and every lane is past them, which could happen meanwhile: so what does not hold is counted again.
    """
    found = []
    for name in [row[0] for row in await store.read("lanes.names") if lane in (None, row[0])]:
        for _ in range(TRIES):
            balance = await _balance(store, name)
            if balance is None or balance.holds:
                break
        if balance is not None:
            found.append(balance)
    return found


async def _balance(store: Store, lane: str) -> Balance | None:
    def read(tx: ReadTx) -> tuple[Row, int] | None:
        for row in (Row(*each) for each in tx.all("lanes.overview")):
            if row.name == lane:
                end = Counted(0, 0, row.newest or 0, row.fresh_first, row.fresh_last)
                return row, parked_of(tx, lane, row.takes, row.cursor, end)[0]
        return None

    found = await store.read_at_once(read)
    if found is None:
        return None
    row, parked = found
    counted = await count(store, row.takes, row.nothing, row.newest or 0)
    pending = counted.lines - parked
    return Balance(lane, row.enqueued, row.delivered, pending, row.parked, row.discarded)
