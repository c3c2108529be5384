"""True counts of what lanes take: in pages that are read, and the rest in the unit that uses them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ingestbox.store.readers import ReadTx
from ingestbox.store.takes import Takes
from ingestbox.store.unit import Tx

if TYPE_CHECKING:
    from ingestbox.store import Store

PAGE = 20_000
"""Deliveries that one read of a count looks at: about 10 ms."""

UNIT_PAGE = 5_000
"""Deliveries that a unit looks at, at most: what was made, or sent, since the reads."""

BEYOND = (1 << 63) - 1
"""Past every seq."""


@dataclass(frozen=True, slots=True)
class Counted:
    """The lane's lines up to `until` and their bytes, parked ones included; those from `fresh_first` to
    `fresh_last` are left out. `stored` is how many there are of any lane's. `after`: where a start began to
    count what is pending."""

    lines: int
    size: int
    until: int
    fresh_first: int | None = None
    fresh_last: int | None = None
    stored: int = 0
    after: int = 0


async def count(store: Store, takes: Takes, before: Counted, until: int = BEYOND) -> Counted:
    """Counts on from where `before` ends, up to a seq or to the end."""
    counted = before
    while True:
        step = _Step(takes, counted, until, PAGE)
        following = await store.read_with(step.take)
        if following is None:
            return counted
        counted = following


def count_now(tx: Tx, takes: Takes, before: Counted, until: int = BEYOND) -> Counted | None:
    """The same in a unit; None if there is too much of it."""
    counted = _Step(takes, before, until, UNIT_PAGE).take(tx)
    if counted is None:
        return before
    return counted if _Step(takes, counted, until, 1).take(tx) is None else None


@dataclass(frozen=True, slots=True)
class _Step:
    """One page."""

    takes: Takes
    before: Counted
    until: int
    rows: int

    def take(self, tx: ReadTx | Tx) -> Counted | None:
        before = self.before
        first, last = tx.all("lanes.ends", {"after": before.until, "until": self.until})[0]
        if first is None:
            return None
        reached = min(first - 1 + self.rows, last)
        lines, size, stored = tx.all(
            "lanes.count_taken", {**span(before, before.until, reached), **self.takes.columns}
        )[0]
        return replace(
            before,
            lines=before.lines + lines,
            size=before.size + size,
            until=reached,
            stored=before.stored + stored,
        )


def parked_of(tx: ReadTx | Tx, lane: str, takes: Takes, after: int, counted: Counted) -> tuple[int, int]:
    """How many of what was counted after a seq is parked, and the bytes of it."""
    wanted = {"lane": lane, **span(counted, after, counted.until), **takes.columns}
    lines, size = tx.all("lanes.count_parked", wanted)[0]
    return lines, size


def span(fresh: Counted, after: int, until: int) -> dict[str, Any]:
    """The parameters of a range, without what went ahead of its turn."""
    return {
        "after": after,
        "until": until,
        "fresh_first": fresh.fresh_first,
        "fresh_last": fresh.fresh_last,
    }
