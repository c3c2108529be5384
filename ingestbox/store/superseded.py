"""Refused lines that nobody has to decide about any more: the lane delivered a newer version of the object,
so that an upstream would ignore the older one. The box itself gives them up, with that as the reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from ingestbox.model import DEFAULT_WORKSPACE
from ingestbox.store import Store
from ingestbox.store.audit import Act
from ingestbox.store.parked import MOST_DECIDED, DecideParked
from ingestbox.store.readers import ReadTx

SYSTEM = "system"
"""Who decides about them."""

RESOLUTION = "superseded"
REASON = "A newer version was delivered"

SLICE = 500
"""Refused lines that one read looks at: some 15 ms."""

SLICES = 10
"""Such reads in one round, so that a million refused lines keep nobody from anything."""


@dataclass(frozen=True, slots=True)
class _Looked:
    """Lines of a lane that are moot, and the seq to go on after: 0 at the end."""

    seqs: Sequence[int]
    after: int


class Superseded:
    """Goes round all refused lines, some at a time."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._after: dict[str, int] = {}

    async def close(self) -> int:
        """Gives up those that are moot among the next lines of each lane; how many."""
        closed = 0
        for lane, _, _ in await self._store.read("lanes.names"):
            for _ in range(SLICES):
                after = self._after.get(lane, 0)
                found = await self._store.read_with(partial(_look, lane=lane, after=after))
                self._after[lane] = found.after
                for start in range(0, len(found.seqs), MOST_DECIDED):
                    closed += await self._give_up(lane, found.seqs[start : start + MOST_DECIDED])
                if not found.after:
                    break
        return closed

    async def _give_up(self, lane: str, seqs: Sequence[int]) -> int:
        by = Act(SYSTEM, DEFAULT_WORKSPACE, None, self._store.clock.now_ms())
        unit = DecideParked(lane, seqs, "discarded", by, REASON, RESOLUTION, frozenset({"parked"}))
        return await self._store.write(unit)


def _look(tx: ReadTx, lane: str, after: int) -> _Looked:
    rows = tx.all("parked.moot", {"lane": lane, "after": after, "limit": SLICE})
    return _Looked([row[0] for row in rows if row[1]], rows[-1][0] if len(rows) == SLICE else 0)
