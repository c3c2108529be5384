"""How the lanes are, at a cost that does not grow with what they hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ingestbox.store.lanes.counting import Counted, parked_of, span
from ingestbox.store.lanes.rows import ON_HOLD
from ingestbox.store.readers import ReadTx
from ingestbox.store.takes import Takes

if TYPE_CHECKING:
    from ingestbox.store import Store

LOOK = 1_000
"""Deliveries that are looked at for one lane: under a millisecond."""


@dataclass(frozen=True, slots=True)
class LaneStatus:
    """A lane as `status` shows it; its lag is `pending`, their bytes, and `oldest_ms`, when the oldest of
    them was made. Among more than a thousand deliveries of which none is the lane's, it is when the first
    after these was made: the oldest pending one is not older.

    `pending_bytes` are of the lines as they were made or last reworded, to within what was parked since the
    lane had nothing pending last.
    `held_ms` is when a person put it on hold (`held_by`, for `held_reason`): it is `paused` until it is let
    go. `replay_until` is the last seq of those that are sent again, while there are any.
    `imbalance` is by how much the counters are wrong at least; anything but 0 is a defect.
    """

    name: str
    url: str
    state: str
    reason: str | None
    since_ms: int
    next_try_ms: int | None
    enqueued: int
    delivered: int
    pending: int
    pending_bytes: int
    parked: int
    discarded: int
    delivered_ms: int | None
    oldest_ms: int | None
    held_by: str | None
    held_ms: int | None
    held_reason: str | None
    families: tuple[str, ...]
    kinds: tuple[str, ...]
    workspaces: tuple[str, ...]
    ops: tuple[str, ...]
    relay: bool
    replay_until: int | None
    imbalance: int


async def overview(store: Store) -> list[LaneStatus]:
    """Every lane, by name, as of one moment."""
    return await store.read_at_once(_read)


def _read(tx: ReadTx) -> list[LaneStatus]:
    return [_status(tx, Row(*row)) for row in tx.all("lanes.overview")]


@dataclass(frozen=True, slots=True)
class Row:
    """A lane's row with its counts, as `lanes.overview` gives it."""

    name: str
    url: str
    state: str
    reason: str | None
    since_ms: int
    next_try_ms: int | None
    cursor: int
    enqueued: int
    delivered: int
    delivered_ms: int | None
    enqueued_bytes: int
    decided_bytes: int
    held_by: str | None
    held_ms: int | None
    held_reason: str | None
    replay_until: int
    fresh_first: int | None
    fresh_last: int | None
    families: str | None
    kinds: str | None
    workspaces: str | None
    ops: str | None
    relay: int
    parked: int
    discarded: int
    newest: int | None

    @property
    def takes(self) -> Takes:
        """What the lane takes."""
        return Takes.of_row(self.families, self.kinds, self.workspaces, self.ops, self.relay)

    @property
    def pending(self) -> int:
        """By the counters."""
        return self.enqueued - self.delivered - self.parked - self.discarded

    @property
    def nothing(self) -> Counted:
        """Where a count of what is pending begins."""
        return Counted(0, 0, self.cursor, self.fresh_first, self.fresh_last)


def _status(tx: ReadTx, row: Row) -> LaneStatus:
    state, reason, since = row.state, row.reason, row.since_ms
    if state != "off" and row.held_ms is not None:  # its runner says so a moment later
        state, reason, since = "paused", ON_HOLD, row.held_ms
    elif reason == ON_HOLD:
        state, reason = "running", None
    takes = row.takes
    oldest, imbalance = _look(tx, row, takes)
    return LaneStatus(
        name=row.name,
        url=row.url,
        state=state,
        reason=reason,
        since_ms=since,
        next_try_ms=row.next_try_ms,
        enqueued=row.enqueued,
        delivered=row.delivered,
        pending=max(0, row.pending),
        pending_bytes=max(0, row.enqueued_bytes - row.decided_bytes) if row.pending > 0 else 0,
        parked=row.parked,
        discarded=row.discarded,
        delivered_ms=row.delivered_ms,
        oldest_ms=oldest,
        held_by=row.held_by,
        held_ms=row.held_ms,
        held_reason=row.held_reason,
        families=tuple(takes.families),
        kinds=tuple(takes.kinds),
        workspaces=tuple(takes.workspaces),
        ops=tuple(takes.ops),
        relay=takes.relay,
        replay_until=row.replay_until if row.replay_until > row.cursor else None,
        imbalance=imbalance,
    )


def _look(tx: ReadTx, row: Row, takes: Takes) -> tuple[int | None, int]:
    """When the oldest pending line was made, and by how much `pending` is outside of what it can be: so much
    was counted at the beginning, and behind that every line may be the lane's, or none."""
    newest = row.newest or 0
    least = most = 0
    oldest: int | None = None
    ends: dict[str, Any] = {"after": row.cursor, "until": newest}
    first, _ = tx.all("lanes.ends", ends)[0]
    if first is not None:
        reached = min(first - 1 + LOOK, newest)
        wanted = {"lane": row.name, **span(row.nothing, row.cursor, reached), **takes.columns}
        counted, _, _ = tx.all("lanes.count_taken", wanted)[0]
        looked = Counted(counted, 0, reached, row.fresh_first, row.fresh_last)
        least = counted - parked_of(tx, row.name, takes, row.cursor, looked)[0]
        most = least + newest - reached
        if row.pending > 0:
            found = tx.one("lanes.oldest", wanted)
            if found is None:
                found = tx.one("lanes.made_at", {"after": reached})
            oldest = None if found is None else int(found[0])
    return oldest, row.pending - min(max(row.pending, least), most)
