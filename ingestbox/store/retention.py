"""Lines that every lane has delivered go after a time: records, results and objects stay.

What a lane has not behind it stays, whatever its age: also for a lane that is off, until it is removed. So
does what a lane has refused, until a person's decision was carried out; a line that was given up stays with
the mark that says so. On a box without lanes lines wait for one that may come, as long as there is room.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from ingestbox import config
from ingestbox.store.erasures import Vacuum
from ingestbox.store.health import size
from ingestbox.store.readers import ReadTx
from ingestbox.store.unit import Tx

if TYPE_CHECKING:
    from ingestbox.store import Store

log = logging.getLogger(__name__)

DAY_MS = 86_400_000

PAGE = 1_000
"""Lines that one read looks at."""

UNIT_LINES, UNIT_BYTES = 150, 512 * 1_024
"""What one unit removes at most (one line at least): some 10 ms."""

ROUND_LINES = 100_000
ROUND_SECONDS = 10.0
"""What one round looks at, at most: housekeeping has other things to do."""

REST_SECONDS = 3_600.0
"""At the end of what is old it rests before it begins again at the bottom, where kept lines are."""

MOST_DOUBTFUL = 100_000
"""Lines from the future that are held in mind, 16 bytes or so each."""

KEPT_PAGES, KEPT_SHARE = 1_024, 20
"""Free pages that stay in the file: 4 MB, or a 20th of it. What is written next need not make it grow."""

STEPS = 100
"""Units of a round that give pages back, with a hundred pages each: 40 MB."""

ROOM_TIMES = 2
"""A disk with less than so many times `store.min_free_mb` has no room for lines that no lane wants."""


@dataclass(frozen=True, slots=True)
class Removed:
    """What a unit or a round removed."""

    lines: int = 0
    size: int = 0

    def __add__(self, other: Removed) -> Removed:
        return Removed(self.lines + other.lines, self.size + other.size)


@dataclass(frozen=True, slots=True)
class RemoveLines:
    """Removes lines that are old enough, those that no lane needs now. `alone`: how far without lanes."""

    seqs: Sequence[int]
    alone: int
    now_ms: int

    @property
    def weight(self) -> int:
        """A line's row with its bytes, its index, what its record became."""
        return 4 * len(self.seqs)

    def apply(self, tx: Tx) -> Removed:
        """What went."""
        these = {"seqs": msgspec.json.encode(list(self.seqs)).decode(), "alone": self.alone}
        tx.run("retention.remember", these)
        gone = tx.all("retention.remove", these)
        if not gone:
            return Removed()
        found = Removed(len(gone), sum([row[1] for row in gone]))
        last = max([row[0] for row in gone])
        counted = {"seq": last, "lines": found.lines, "bytes": found.size, "now": self.now_ms}
        tx.run("retention.count", counted)
        return found


@dataclass(frozen=True, slots=True)
class Kept:
    """What was removed since the box was made, up to `purged_seq`, last at `purged_ms`; the oldest line that
    is there (None: none is); and a lane that is off and keeps lines from going (None: there is none)."""

    purged_seq: int
    purged_lines: int
    purged_bytes: int
    purged_ms: int | None
    oldest_seq: int | None
    oldest_ms: int | None
    held_by: str | None


def kept(tx: ReadTx) -> Kept:
    """How it is, in one cheap read."""
    row, behind = tx.one("retention.removed"), tx.one("retention.behind")
    assert row is not None  # the box's own
    seq, lines, removed, at_ms, oldest, oldest_ms, newest = row
    held = behind[0] if behind is not None and behind[1] == "off" and behind[2] < newest else None
    return Kept(seq, lines, removed, at_ms, oldest, oldest_ms, held)


_PLACE = "retention.place"


class Retention:
    """Removes what is old, round by round. It holds in mind how far it has looked."""

    def __init__(self, store: Store, settings: config.Store) -> None:
        self._store = store
        self._days = settings.delivered_days
        self._least_free = ROOM_TIMES * settings.min_free_mb * config.MIB
        self._after = 0
        self._rests_until = float("-inf")
        self._doubtful: list[tuple[int, int]] = []

    async def remove(self) -> Removed:
        """One round; only for a clock that can be trusted (`tidy.ClockWatch`). Raises IngestError."""
        clock = self._store.clock
        began = clock.monotonic()
        total = Removed()
        if not self._days or began < self._rests_until:
            return total
        now = clock.now_ms()
        for _ in range(ROUND_LINES // PAGE):
            ((cursor, newest),) = await self._store.read(_PLACE)
            alone = 0
            if cursor is None:
                if await self._has_room():
                    break
                alone = cursor = newest
            through = min(cursor, newest)
            page = {"after": self._after, "through": through, "limit": PAGE}
            rows = await self._store.read("retention.page", page)
            old, more = self._sorted(rows, now)
            for seqs in _units(old):
                total += await self._store.write(RemoveLines(seqs, alone, now))
            if not more:
                self._after, self._doubtful = 0, []
                self._rests_until = began + REST_SECONDS
                break
            self._after = rows[-1][0]
            if clock.monotonic() - began >= ROUND_SECONDS:
                break
        if total.lines:
            log.info(
                "Delivered lines that are old enough were removed.",
                extra={"lines": total.lines, "bytes": total.size},
            )
        return total

    async def give_back(self) -> int:
        """Gives free pages back to the disk, as many as one round may; returns how many."""
        before = await self._store.read_with(size)
        left = before.free
        keep = max(KEPT_PAGES * before.page, before.total // KEPT_SHARE)
        for _ in range(STEPS):
            if left <= keep:
                break
            await self._store.write(Vacuum())
            left = (await self._store.read_with(size)).free
        given = (before.free - left) // before.page
        if given > 0 and not self._store.waiting:
            await self._store.fold()  # the file is cut where the log is folded into it
        return max(given, 0)

    async def _has_room(self) -> bool:
        """Whether lines that no lane wants may stay for one that may come."""
        if shutil.disk_usage(self._store.path.parent).free < self._least_free:
            return False
        soft = self._store.cap.soft_bytes
        return not soft or (await self._store.read_with(size)).used < soft

    def _sorted(
        self, rows: Sequence[tuple[int, int, int, int]], now_ms: int
    ) -> tuple[list[tuple[int, int]], bool]:
        """Those of a page that may go (seq and bytes), and whether to look further.

        Lines are numbered in the order in which they were made. So one from the future, made while the clock
        was ahead, is as old as the next one after it.
        """
        before = now_ms - self._days * DAY_MS
        old: list[tuple[int, int]] = []
        young = True
        for seq, at_ms, length, refused in rows:
            young = False
            if at_ms > now_ms:
                if not refused and len(self._doubtful) < MOST_DOUBTFUL:
                    self._doubtful.append((seq, length))
            elif at_ms < before:
                old += self._doubtful
                self._doubtful = []
                if not refused:
                    old.append((seq, length))
            else:
                self._doubtful = []
                young = True
        return old, not young


def _units(lines: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Cut into what units may hold."""
    units: list[list[int]] = []
    size = 0
    for seq, length in lines:
        if not units or len(units[-1]) == UNIT_LINES or size + length > UNIT_BYTES:
            units.append([])
            size = 0
        units[-1].append(seq)
        size += length
    return units
