"""How a lane goes through the deliveries: it looks at each once, in order, and sends those that it takes."""

from __future__ import annotations

import contextlib
import itertools
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ingestbox.store.lanepage import Page, Parked
from ingestbox.store.lanes.counting import BEYOND
from ingestbox.store.parked import park
from ingestbox.store.readers import ReadTx
from ingestbox.store.takes import takes
from ingestbox.store.unit import Tx

if TYPE_CHECKING:
    from ingestbox.store import Store

SCAN = 5_000
"""Deliveries that one read looks at for a lane that leaves some out: about 3 ms. So does the unit that counts
for charts whose lines were delivered."""

SCANS = 20
"""Such reads in a row that find nothing, before the lane's place is kept."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where a lane is: it has looked at all up to `cursor`; the last seq sent in `chain_epoch` was
    `chain_seq`.

    What begins at or before `replay_until` was sent before, and goes for the `replays`th time again. Lines
    from `fresh_first` to `fresh_last`, which is of `fresh_epoch`, went ahead of their turn. `everything`:
    the lane leaves nothing out.
    """

    cursor: int
    chain_epoch: str
    chain_seq: int
    replays: int = 0
    replay_until: int = 0
    fresh_first: int | None = None
    fresh_last: int | None = None
    fresh_epoch: str | None = None
    everything: bool = False

    def chain(self, epoch: str) -> int:
        """Ingestbox-After of a batch of this epoch; a new epoch's chain starts at 0."""
        return self.chain_seq if epoch == self.chain_epoch else 0

    def is_past(self, seq: int) -> bool:
        """Whether the lane has come to a seq, in its turn or ahead of it."""
        if self.fresh_first is None or self.fresh_last is None:
            return seq <= self.cursor
        return seq <= self.cursor or self.fresh_first <= seq <= self.fresh_last


@dataclass(frozen=True, slots=True)
class Advance:
    """A batch was taken by the upstream: the lane's lines after `after` up to `last` are decided, and it has
    looked at all up to `through`. With `fresh` they are of the fresh end: what moves is `fresh_last`.

    `lines` counts those sent for the first time, and `size` their bytes; of these, `parked` were refused or
    are damaged.
    """

    lane: str
    epoch: str
    after: int
    last: int
    through: int
    lines: int
    size: int
    parked: Sequence[Parked]
    now_ms: int
    fresh: bool = False

    @property
    def weight(self) -> int:
        """The lane's row, the parked ones, and counting whose lines they are."""
        return 1 + 4 * len(self.parked) + (self.lines >> 2)

    def apply(self, tx: Tx) -> bool:
        """Whether the lane, or its fresh end, was still at `after`; otherwise nothing is changed."""
        delivered = self.lines - len(self.parked)
        moved = tx.run(
            "lanes.advance_fresh" if self.fresh else "lanes.advance",
            {
                "name": self.lane,
                "epoch": self.epoch,
                "after": self.after,
                "last": self.last,
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


def count_delivered(tx: Tx, lane: str, after: int, last: int, lines: int, now_ms: int) -> None:
    """Counts for charts whose lines were delivered: so many after `after` up to `last`, but for those that
    the lane has parked."""
    if lines <= 0:
        return
    wanted = {"lane": lane, "after": after, "last": last, "lines": lines, "at": now_ms // 60_000 * 60}
    if lines == last - after:
        tx.run("lanes.count_all_delivered", wanted)
    else:
        tx.run("lanes.count_delivered", {**wanted, **takes(tx, lane).columns})


@dataclass(frozen=True, slots=True)
class PassOver:
    """Nothing after `after` up to `through` is the lane's: it goes past it."""

    lane: str
    after: int
    through: int
    weight: int = 1

    def apply(self, tx: Tx) -> bool:
        """Whether the lane was still at `after`; otherwise nothing is changed."""
        span = {"name": self.lane, "after": self.after, "through": self.through}
        return tx.run("lanes.pass_over", span) == 1


@dataclass(frozen=True, slots=True)
class ParkAgain:
    """Lines sent again to fill a gap: all were counted before, so those parked now leave `delivered`.

    Those that are pending again, as the lane was sent back meanwhile, it comes to once more: they are not
    parked here.
    """

    lane: str
    parked: Sequence[Parked]
    now_ms: int

    @property
    def weight(self) -> int:
        """The parked rows, and the lane's."""
        return 1 + 4 * len(self.parked)

    def apply(self, tx: Tx) -> int:
        """How many were parked that were not before."""
        place = Position(*tx.all("lanes.position", {"name": self.lane})[0])
        behind = [each for each in self.parked if place.is_past(each.seq)]
        added = park(tx, self.lane, behind, self.now_ms)
        tx.run("lanes.undeliver", {"name": self.lane, "n": added})
        return added


async def position(store: Store, lane: str) -> Position:
    """Where the lane is. It must have been opened."""
    (row,) = await store.read("lanes.position", {"name": lane})
    return Position(*row)


async def pending(
    store: Store,
    lane: str,
    after: int,
    *,
    lines: int,
    size: int,
    until: int | None = None,
    everything: bool = False,
) -> Page | None:
    """The lane's next deliveries after a seq (up to `until`): at most `lines`, and `size` bytes (one line at
    least). `everything`: the lane is known to leave nothing out.

    None: there is nothing more to look at. A page without seqs: nothing up to its `through` is the lane's,
    which `PassOver` keeps; there may be more after it.
    """
    last = BEYOND if until is None else until
    passed: Page | None = None
    for _ in range(SCANS):
        start = after if passed is None else passed.through
        wanted = _Wanted(lane, None, start, last, lines, size, everything)
        page = await store.read_with(wanted.read)
        if page is None:
            break
        if page.seqs:
            return page
        passed = page
    return passed


async def again(
    store: Store, lane: str, epoch: str, after: int, first: int, *, lines: int, size: int
) -> Page | None:
    """The lane's deliveries strictly between two seqs of an epoch, for an upstream that misses them; caps as
    above. None when nothing there is the lane's."""
    reached = after
    while True:
        wanted = _Wanted(lane, epoch, reached, first - 1, lines, size)
        page = await store.read_with(wanted.read)
        if page is None or page.seqs:
            return page
        reached = page.through


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is read in one go: after `after`, up to `until`, of one epoch if that is given."""

    lane: str
    epoch: str | None
    after: int
    until: int
    lines: int
    size: int
    everything: bool = False

    def read(self, tx: ReadTx) -> Page | None:
        """The page; without seqs when nothing that was looked at is the lane's; None at the end."""
        span = {
            "lane": self.lane,
            "epoch": self.epoch,
            "after": self.after,
            "until": self.until,
            "lines": self.lines,
        }
        if self.everything or (taken := takes(tx, self.lane)).everything:
            rows = self._next(tx, span)
            return _page(rows) if rows else None
        return self._filtered(tx, {**span, **taken.columns, "scan": SCAN})

    def _next(self, tx: ReadTx, span: dict[str, Any]) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = []
        left = self.size
        found = tx.each("lanes.pending" if self.epoch is None else "lanes.again", span)
        with contextlib.closing(found):
            for row in itertools.islice(found, self.lines):
                left -= len(row[2]) + 1
                if left < 0 and rows:
                    break
                rows.append(row)
        return rows

    def _filtered(self, tx: ReadTx, span: dict[str, Any]) -> Page | None:
        first, newest = tx.all("lanes.ends", span)[0]
        if first is None:
            return None
        reached = min(first - 1 + SCAN, newest)  # seqs have gaps only where lines are gone
        # What fits is chosen by the lines' sizes alone; then these are read.
        found = tx.all("lanes.taken", {**span, "until": reached})
        rows = self._fitting(found)
        if not rows:
            return _nothing(reached, more=newest > reached)
        chosen = {**span, "after": rows[0][0] - 1, "until": rows[-1][0]}
        cut = len(rows) < len(found) or len(rows) == self.lines
        through = rows[-1][0] if cut else reached
        return _page(tx.all("lanes.lines", chosen), through, newest)

    def _fitting(self, found: Sequence[tuple[Any, ...]]) -> Sequence[tuple[Any, ...]]:
        total = 0
        for number, (_, epoch, size) in enumerate(found):
            total += size
            if number and (total > self.size or epoch != found[0][1]):
                return found[:number]
        return found


def _page(rows: list[tuple[Any, ...]], through: int = 0, newest: int | None = None) -> Page:
    epoch = rows[0][1]
    if rows[-1][1] != epoch:
        rows = list(itertools.takewhile(lambda row: row[1] == epoch, rows))
    crc32 = zlib.crc32
    last = rows[-1][0]
    through = max(last, through)
    return Page(
        epoch=epoch,
        seqs=tuple([row[0] for row in rows]),
        lines=tuple([row[2] for row in rows]),
        parked=frozenset([row[0] for row in rows if row[4]]),
        damaged=frozenset([row[0] for row in rows if crc32(row[2]) != row[3]]),
        more=(rows[-1][5] if newest is None else newest) > through,
        through=through,
    )


def _nothing(through: int, *, more: bool) -> Page:
    return Page("", (), (), frozenset(), frozenset(), more, through)
