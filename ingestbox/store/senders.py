"""The boxes that send here: how far each is, what is missing of it, what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingestbox.store.readers import ReadTx

if TYPE_CHECKING:
    from ingestbox.store import Store

MOST_BOXES = 1_000
"""Boxes (an epoch counts for one) that a list has: those that sent last."""

MOST_CHAINS = 20
"""Lanes of a box that are looked at: those that sent last."""

MOST_GAPS = 100
"""Gaps that are listed of a box, the first ones."""

LEFT_BEHIND_MS = 7 * 86_400_000
"""A lane that sends nothing for a week while its box goes on sending was renamed or taken out there: what is
missing of it does not come any more, and is no alarm."""

REUSED_MS = 86_400_000
"""How long a reused seq is an alarm after the last one: a day."""


@dataclass(frozen=True, slots=True)
class ChainStatus:
    """A lane of a box: the last seq of it that came, and when its last batch did. `left_behind`: the box goes
    on without it."""

    lane: str
    tip: int
    last_ms: int
    left_behind: bool


@dataclass(frozen=True, slots=True)
class Gap:
    """What never came of a lane: the seqs between two; `since_ms` is when that was noticed, or when a part of
    it came."""

    lane: str
    after: int
    first: int
    since_ms: int
    left_behind: bool


@dataclass(frozen=True, slots=True)
class SenderStatus:
    """One epoch of a box that sends here. `lag_ms` is how old its newest line was when it arrived."""

    box: str
    epoch: str
    last_seq: int
    last_seen_ms: int
    lag_ms: int | None
    reused: int
    reused_ms: int | None
    chains: tuple[ChainStatus, ...]
    gaps: tuple[Gap, ...]

    def gap_ms(self, now_ms: int) -> int | None:
        """How long the oldest gap has stood as it is, of lanes that are not left behind."""
        ages = [now_ms - gap.since_ms for gap in self.gaps if not gap.left_behind]
        return max(ages, default=None)

    def reuses(self, now_ms: int) -> bool:
        """Whether it used seqs again within the last day. A clock that was set back makes it longer."""
        return self.reused_ms is not None and now_ms - self.reused_ms < REUSED_MS


@dataclass(frozen=True, slots=True)
class HeardOf:
    """A box that does not send here itself: `through` is the one that passed on what it made, last."""

    box: str
    epoch: str
    through: str
    last_ms: int


async def senders(store: Store, most: int = MOST_BOXES) -> list[SenderStatus]:
    """The boxes that sent last, by box and then in order of first appearance."""
    return await store.read_with(lambda tx: _senders(tx, most))


async def heard_of(store: Store) -> list[HeardOf]:
    """Boxes that only others tell of, the last ones first."""
    return [HeardOf(*row) for row in await store.read("sync.heard", {"limit": MOST_BOXES})]


def _senders(tx: ReadTx, most: int) -> list[SenderStatus]:
    rows = tx.all("sync.boxes", {"limit": most})
    newest: dict[str, int] = {}
    for _, box, _, seen, *_ in rows:
        newest[box] = max(seen, newest.get(box, seen))
    found = []
    for source, box, epoch, seen, lag, reused, reused_ms, last_seq in rows:
        chains = tuple(
            ChainStatus(lane, tip, last, newest[box] - last >= LEFT_BEHIND_MS)
            for lane, tip, last in tx.all("sync.chains", {"source": source, "limit": MOST_CHAINS})
        )
        live = {chain.lane for chain in chains if not chain.left_behind}
        gaps = tuple(
            Gap(lane, after, first, since, lane not in live)
            for lane, after, first, since in tx.all("sync.gaps_of", {"source": source, "limit": MOST_GAPS})
        )
        found.append(SenderStatus(box, epoch, last_seq, seen, lag, reused, reused_ms, chains, gaps))
    return found
