"""Lanes without a network: deliveries of all sorts, and a lane that is driven a batch at a time."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ingestbox.store import Store, lanes
from ingestbox.store.audit import Act
from ingestbox.store.enqueued import count_enqueued
from ingestbox.store.lanes import Advance, LaneStatus, OpenLane, Page, Parked, PassOver, Takes, open_lanes
from ingestbox.store.unit import Tx

ACT = Act("local:ann", "default", None, 1_000)


@dataclass(frozen=True, slots=True)
class Sort:
    """What a delivery is of. `origin` is the box that made it, where that is another."""

    workspace: str = "default"
    family: str = "feedback"
    kind: str = "ticket"
    op: str = "put"
    origin: str = ""


TICKET = Sort()
GONE = Sort(op="delete")
NORTH = Sort(workspace="north")
CONTACT = Sort(family="contacts", kind="contact")
RELAYED = Sort(origin="b2")


@dataclass(frozen=True, slots=True)
class Make:
    """Makes deliveries as everybody does: numbered, stored and counted in one transaction."""

    sorts: Sequence[Sort]
    at_ms: int = 0
    size: int = 10

    @property
    def weight(self) -> int:
        return 4 * len(self.sorts)

    def apply(self, tx: Tx) -> int:
        """The first of their seqs."""
        identity, first = tx.one("box.identity"), tx.one("box.take_seqs", {"n": len(self.sorts)})
        assert identity is not None
        assert first is not None
        rows: list[dict[str, Any]] = []
        for seq, sort in enumerate(self.sorts, start=int(first[0])):
            line = b"%d:" % seq + b"x" * self.size
            rows.append(
                {
                    "seq": seq,
                    "epoch": identity[1],
                    "op": sort.op,
                    "workspace": sort.workspace,
                    "family": sort.family,
                    "kind": sort.kind,
                    "object_id": f"T-{seq}",
                    "version": 1,
                    "record_id": 0 if sort.origin else seq << 24,
                    "now": self.at_ms,
                    "line": line,
                    "crc": zlib.crc32(line),
                }
            )
        tx.many("deliveries.insert", rows)
        sizes = [len(row["line"]) for row in rows]
        count_enqueued(
            tx,
            [
                (sort.workspace, sort.family, sort.kind, sort.op, bool(sort.origin), size)
                for sort, size in zip(self.sorts, sizes, strict=True)
            ],
        )
        return int(first[0])


async def make(store: Store, *sorts: Sort, at_ms: int = 0, size: int = 10) -> None:
    """In units of a size that the box itself makes."""
    for start in range(0, len(sorts), 500):
        await store.write(Make(sorts[start : start + 500], at_ms, size))


async def start(store: Store, *names: str, **takes: Any) -> None:
    """A start of the box with these lanes, all with this filter."""
    await open_lanes(store, [OpenLane(name, "http://up", Takes(**takes)) for name in names], 1)


async def status(store: Store, lane: str = "central") -> LaneStatus:
    (found,) = [each for each in await lanes.overview(store) if each.name == lane]
    return found


async def numbers(store: Store, lane: str = "central") -> tuple[int, int, int, int, int]:
    """Enqueued, delivered, pending, parked, discarded; the true count says the same."""
    found = await status(store, lane)
    (balance,) = await lanes.balances(store, lane)
    assert balance.holds, balance
    assert balance.pending == found.pending
    assert found.imbalance == 0
    return found.enqueued, found.delivered, found.pending, found.parked, found.discarded


async def step(
    store: Store, lane: str = "central", *, lines: int = 500, size: int = 10**9, park: Sequence[int] = ()
) -> Page | None:
    """One batch that the upstream takes, but for what it refuses; keeps the lane's place."""
    place = await lanes.position(store, lane)
    until = None if place.fresh_first is None else place.fresh_first - 1
    page = await lanes.pending(store, lane, place.cursor, lines=lines, size=size, until=until)
    if page is None:
        return None
    if not page.seqs:
        assert await store.write(PassOver(lane, place.cursor, page.through))
        return page
    unit = Advance(
        lane,
        page.epoch,
        place.cursor,
        page.seqs[-1],
        page.through,
        *first_time(page),
        parked(page, park),
        60_000,
    )
    assert await store.write(unit)
    assert not await store.write(replace(unit, now_ms=1))  # a lane that was moved is left alone
    return page


def first_time(page: Page) -> tuple[int, int]:
    """How many lines of a page were never parked, and their bytes."""
    sizes = [len(line) for seq, line in zip(page.seqs, page.lines, strict=True) if seq not in page.parked]
    return len(sizes), sum(sizes)


def parked(page: Page, wanted: Sequence[int]) -> list[Parked]:
    return [Parked(seq, "refused", "no") for seq in page.seqs if seq in wanted and seq not in page.parked]


async def drain(store: Store, lane: str = "central", **caps: Any) -> list[int]:
    """Delivers all that is pending; the seqs in order."""
    sent: list[int] = []
    while (page := await step(store, lane, **caps)) is not None:
        sent += [seq for seq in page.seqs if seq not in page.parked]
    return sent
