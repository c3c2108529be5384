"""The chain of a lane's batches: how far it reaches, and what never came."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ingestbox.store.unit import Tx

MOST_MISSING = 100
"""Gaps that one answer lists; the sender fills them in order and is told of the next ones then."""

MOST_HOLES = 1_000
"""Gaps that are kept of a chain. What a sender breaks into more pieces is asked for in larger ones."""


@dataclass(frozen=True, slots=True)
class Link:
    """One batch in a lane's chain: it covers the seqs after `after` up to `last`, beginning at `first`."""

    lane: str
    after: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Hole:
    """What never came: the seqs after `after` up to `until`, noticed by the batch that began at `first`.
    `since_ms` is when it was noticed, or when some of its lines came last."""

    after: int
    until: int
    first: int
    since_ms: int = 0


def cover(tip: int, holes: Sequence[Hole], link: Link, now_ms: int = 0) -> tuple[int, list[Hole]]:
    """The chain after one more batch: its new tip, and the holes that are left (disjoint, ascending).

    A batch that starts beyond the tip leaves a hole; one that was sent again shrinks or splits holes. Over
    MOST_HOLES the last ones become one, with what lies between them: that comes twice then, and is a
    duplicate.
    """
    left: list[Hole] = []
    for hole in holes:
        if link.last <= hole.after or link.after >= hole.until:
            left.append(hole)
            continue
        if hole.after < link.after:
            left.append(Hole(hole.after, link.after, link.first, now_ms))
        if link.last < hole.until:
            left.append(Hole(link.last, hole.until, hole.first, now_ms))
    if link.after > tip:
        left.append(Hole(tip, link.after, link.first, now_ms))
    while len(left) > MOST_HOLES:
        last, before = left.pop(), left.pop()
        left.append(Hole(before.after, last.until, last.first, min(before.since_ms, last.since_ms)))
    return max(tip, link.last), left


def follow(tx: Tx, source: int, link: Link, now_ms: int) -> tuple[tuple[int, int], ...]:
    """Adds a batch to its chain; returns what the sender is asked for again."""
    place = {"source": source, "lane": link.lane}
    row = tx.one("sync.tip", place)
    before = [Hole(*each) for each in tx.all("sync.gaps", place)]
    tip, holes = cover(0 if row is None else int(row[0]), before, link, now_ms)
    tx.run("sync.set_tip", {**place, "tip": tip, "now": now_ms})
    old, new = set(before), set(holes)
    tx.many("sync.clear_gap", [{**place, "after": hole.after} for hole in before if hole not in new])
    tx.many(
        "sync.add_gap",
        [
            {
                **place,
                "after": hole.after,
                "until": hole.until,
                "first": hole.first,
                "since": hole.since_ms,
            }
            for hole in holes
            if hole not in old
        ],
    )
    return tuple((hole.after, hole.first) for hole in holes[:MOST_MISSING])
