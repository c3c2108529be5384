"""Lanes in the store: where each has come to, what it could not deliver, and whether the sums are right.

Per lane, always: enqueued = delivered + pending + parked + discarded (contract: forwarding).
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingestbox.store.audit import Act
from ingestbox.store.unit import Tx

if TYPE_CHECKING:
    from ingestbox.store import Store

ON_HOLD = "on_hold"
"""The reason of a lane that a person has put on hold."""

COUNT_PAGE = 20_000
"""Deliveries that one read of the true count looks at: some 10 MB of lines."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where a lane is: decided up to `cursor`; the last seq sent in `chain_epoch` was `chain_seq`."""

    cursor: int
    chain_epoch: str
    chain_seq: int

    def chain(self, epoch: str) -> int:
        """Ingestbox-After of a batch of this epoch; a new epoch's chain starts at 0."""
        return self.chain_seq if epoch == self.chain_epoch else 0


@dataclass(frozen=True, slots=True)
class Page:
    """Consecutive deliveries of one epoch, in columns.

    `parked` are the seqs that the lane has parked before, `damaged` those whose bytes do not match their
    checksum; `more` is whether there are others after the last one.
    """

    epoch: str
    seqs: tuple[int, ...]
    lines: tuple[bytes, ...]
    parked: frozenset[int]
    damaged: frozenset[int]
    more: bool


@dataclass(frozen=True, slots=True)
class Parked:
    """A delivery that could not be delivered, and why."""

    seq: int
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class OpenLanes:
    """At start: makes rows for new lanes (`lanes` is name, address to show) and closes those left out."""

    lanes: Sequence[tuple[str, str]]
    now_ms: int

    @property
    def weight(self) -> int:
        """A row or two a lane."""
        return 2 * len(self.lanes) + 1

    def apply(self, tx: Tx) -> frozenset[str]:
        """The lanes that are on hold; one that was known goes on from its cursor."""
        for name, url in self.lanes:
            tx.run("lanes.open", {"name": name, "url": url, "now": self.now_ms})
        configured = {name for name, _ in self.lanes}
        known = tx.all("lanes.names")
        for name, state, _ in known:
            if name not in configured and state != "off":
                tx.run("lanes.close", {"name": name, "now": self.now_ms})
        return frozenset(name for name, _, held_ms in known if held_ms is not None)


@dataclass(frozen=True, slots=True)
class HoldLane:
    """A person stops a lane, or (`release`) lets it go on."""

    lane: str
    act: Act
    release: bool = False
    reason: str | None = None
    weight: int = 2

    def apply(self, tx: Tx) -> bool:
        """Whether that changed anything; only then the trail has a line."""
        said = {"name": self.lane, "actor": self.act.actor, "now": self.act.now_ms, "reason": self.reason}
        changed = tx.run("lanes.release" if self.release else "lanes.hold", said) == 1
        if changed:
            after = {"reason": self.reason} if self.reason else None
            self.act.note(tx, "lane.resume" if self.release else "lane.pause", "lane", self.lane, after=after)
        return changed


@dataclass(frozen=True, slots=True)
class Advance:
    """A batch was taken by the upstream: lines after `after` up to `last` are decided.

    `lines` counts those sent for the first time; of these, `parked` were refused or are damaged.
    """

    lane: str
    epoch: str
    after: int
    last: int
    lines: int
    parked: Sequence[Parked]
    now_ms: int

    @property
    def weight(self) -> int:
        """The lane's row, the parked ones, and counting whose lines they are: that is a trigger's."""
        return 1 + len(self.parked) + (self.lines >> 2)

    def apply(self, tx: Tx) -> bool:
        """Whether the lane was still at `after`; otherwise nothing is changed."""
        moved = tx.run(
            "lanes.advance",
            {
                "name": self.lane,
                "epoch": self.epoch,
                "after": self.after,
                "last": self.last,
                "delivered": self.lines - len(self.parked),
                "now": self.now_ms,
            },
        )
        if moved != 1:
            return False
        _park(tx, self.lane, self.parked, self.now_ms)
        return True


@dataclass(frozen=True, slots=True)
class ParkAgain:
    """Lines sent again to fill a gap: all were counted before, so those parked now leave `delivered`."""

    lane: str
    parked: Sequence[Parked]
    now_ms: int

    @property
    def weight(self) -> int:
        """The parked rows, and the lane's."""
        return 1 + len(self.parked)

    def apply(self, tx: Tx) -> int:
        """How many were parked that were not before."""
        added = _park(tx, self.lane, self.parked, self.now_ms)
        tx.run("lanes.undeliver", {"name": self.lane, "n": added})
        return added


def _park(tx: Tx, lane: str, parked: Sequence[Parked], now_ms: int) -> int:
    added = 0
    for each in parked:
        added += tx.run(
            "lanes.park",
            {"lane": lane, "seq": each.seq, "code": each.code, "message": each.message, "now": now_ms},
        )
    return added


@dataclass(frozen=True, slots=True)
class MarkLane:
    """The lane's state as people see it."""

    lane: str
    state: str
    reason: str | None
    since_ms: int
    next_try_ms: int | None
    weight: int = 1

    def apply(self, tx: Tx) -> None:
        """Writes it."""
        tx.run(
            "lanes.mark",
            {
                "name": self.lane,
                "state": self.state,
                "reason": self.reason,
                "since": self.since_ms,
                "next_try": self.next_try_ms,
            },
        )


async def position(store: Store, lane: str) -> Position:
    """Where the lane is. It must have been opened."""
    ((cursor, epoch, seq),) = await store.read("lanes.position", {"name": lane})
    return Position(cursor, epoch, seq)


async def pending(store: Store, lane: str, after: int, *, lines: int, size: int) -> Page | None:
    """The lane's next deliveries after a seq: at most `lines`, and `size` bytes (one line at least)."""
    params = {"lane": lane, "after": after, "lines": lines, "size": size}
    return await store.read_with(lambda tx: _page(tx.all("lanes.pending", params)))


async def again(
    store: Store, lane: str, epoch: str, after: int, first: int, *, lines: int, size: int
) -> Page | None:
    """Deliveries strictly between two seqs of an epoch, for an upstream that misses them; caps as above."""
    params = {"lane": lane, "epoch": epoch, "after": after, "first": first, "lines": lines, "size": size}
    return await store.read_with(lambda tx: _page(tx.all("lanes.again", params)))


def _page(rows: list[tuple[int, str, bytes, int, int, int]]) -> Page | None:
    if not rows:
        return None
    epoch = rows[0][1]
    if rows[-1][1] != epoch:
        rows = list(itertools.takewhile(lambda row: row[1] == epoch, rows))
    crc32 = zlib.crc32
    return Page(
        epoch=epoch,
        seqs=tuple([row[0] for row in rows]),
        lines=tuple([row[2] for row in rows]),
        parked=frozenset([row[0] for row in rows if row[4]]),
        damaged=frozenset([row[0] for row in rows if crc32(row[2]) != row[3]]),
        more=rows[-1][5] > rows[-1][0],
    )


@dataclass(frozen=True, slots=True)
class LaneStatus:
    """A lane as `status` shows it; its lag is `pending` and `oldest_ms`, when the oldest pending was made.

    `held_ms` is when a person put it on hold (`held_by`, for `held_reason`): it is `paused` until it is let
    go.
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
    parked: int
    discarded: int
    delivered_ms: int | None
    oldest_ms: int | None
    held_by: str | None
    held_ms: int | None
    held_reason: str | None


async def overview(store: Store) -> list[LaneStatus]:
    """Every lane, in one cheap read; `pending` relies on seqs being without gaps (`balances` counts)."""
    found = []
    for row in await store.read("lanes.overview"):
        name, url, state, reason, since, next_try, _, enqueued, delivered, delivered_ms, parked = row[:11]
        newest, oldest_seq, oldest_ms, held_by, held_ms, held_reason, discarded = row[11:]
        if state != "off" and held_ms is not None:  # its runner says so a moment later
            state, reason, since = "paused", ON_HOLD, held_ms
        elif reason == ON_HOLD:
            state, reason = "running", None
        found.append(
            LaneStatus(
                name=name,
                url=url,
                state=state,
                reason=reason,
                since_ms=since,
                next_try_ms=next_try,
                enqueued=enqueued,
                delivered=delivered,
                pending=0 if oldest_seq is None else newest - oldest_seq + 1,
                parked=parked,
                discarded=discarded,
                delivered_ms=delivered_ms,
                oldest_ms=oldest_ms,
                held_by=held_by,
                held_ms=held_ms,
                held_reason=held_reason,
            )
        )
    return found


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


async def balances(store: Store) -> list[Balance]:
    """Checks every lane by counting what is pending, a page at a time.

    Counters, cursors and the end of the count come from one read; deliveries between are never changed and
    leave the store only after every lane is past them, so the count is exact while the box works.
    """
    found = []
    for row in await store.read("lanes.overview"):
        name, cursor, enqueued, delivered, parked, newest = row[0], row[6], row[7], row[8], row[10], row[11]
        discarded = row[17]
        counted = 0
        after: int | None = cursor
        while after is not None:
            page = {"after": after, "until": newest, "limit": COUNT_PAGE}
            ((rows, after),) = await store.read("lanes.count_between", page)
            counted += rows
        found.append(Balance(name, enqueued, delivered, counted, parked, discarded))
    return found
