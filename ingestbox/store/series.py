"""What came in, was worked off and went upstream over time: by minutes for a day, by hours for 90 days.

The numbers are added where they come into being, by triggers, in the transaction of the change itself
(migration `0015_series.sql`), at the minute that the change bears. So they are exact whenever the box was
killed, and a clock that jumps moves them, but neither loses nor doubles any. Here they are read, moved from
minutes to hours, and forgotten.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import msgspec

from ingestbox.store import Store
from ingestbox.store.readers import ReadTx
from ingestbox.store.sight import Sight
from ingestbox.store.unit import Tx

MINUTE = 60
HOUR = 3_600
DAY = 86_400

MINUTES_SECONDS = DAY
"""How long minutes are kept as such; they go hour by hour, so up to an hour longer."""

HOURS_SECONDS = 90 * DAY
"""How long hours are kept."""

SLICE = 300
"""Minutes that one unit moves."""

PRUNED = 1_000
"""Hours that one unit forgets."""


@dataclass(frozen=True, slots=True)
class Flow:
    """Records that came in, that were finished, that came to wait for a person; lines delivered upstream."""

    received: int = 0
    finished: int = 0
    issues: int = 0
    delivered: int = 0


def read(tx: ReadTx, sight: Sight, since: int, until: int, step: int) -> dict[tuple[str, int], Flow]:
    """The flow by family and beginning of the interval, from `since` on and before `until`; intervals without
    any are left out. Times are Unix seconds, multiples of `step` seconds (60, 3,600 or 86,400)."""
    scope = {
        "workspace": sight.workspace,
        "subject": sight.subject,
        "private": msgspec.json.encode(sorted(sight.private)).decode(),
        "since": since,
        "until": until,
        "step": step,
    }
    where = "_everywhere" if sight.workspace is None else ""
    found: dict[tuple[str, int], Flow] = {}
    for table in ("minutes", "hours"):
        for family, at, *counts in tx.all(f"series.{table}{where}", scope):
            known = found.get((family, at))
            flow = Flow(*counts)
            found[family, at] = flow if known is None else _sum(known, flow)
    return found


def _sum(one: Flow, other: Flow) -> Flow:
    return Flow(
        one.received + other.received,
        one.finished + other.finished,
        one.issues + other.issues,
        one.delivered + other.delivered,
    )


def total(flows: Collection[Flow]) -> Flow:
    """All of them together."""
    found = Flow()
    for each in flows:
        found = _sum(found, each)
    return found


@dataclass(frozen=True, slots=True)
class NamePrivate:
    """The families of which the flow is kept by who made it."""

    names: Collection[str]

    @property
    def weight(self) -> int:
        """A row each."""
        return 2 * len(self.names) + 1

    def apply(self, tx: Tx) -> None:
        """Replaces those of the last start."""
        tx.run("series.forget_private")
        tx.many("series.name_private", [{"name": name} for name in self.names])


@dataclass(frozen=True, slots=True)
class RollUp:
    """Moves some minutes before a time (Unix seconds, a full hour) to their hours; returns how many."""

    before: int
    weight: int = 2 * SLICE

    def apply(self, tx: Tx) -> int:
        """Oldest first. What is moved is added to its hour and gone from the minutes in one transaction."""
        rows = tx.all("series.old_minutes", {"before": self.before, "limit": SLICE})
        tx.many(
            "series.add_to_hour",
            [
                (workspace, at - at % HOUR, family, owner, *counts)
                for workspace, at, family, owner, *counts in rows
            ],
        )
        tx.many("series.remove_minute", [row[:4] for row in rows])
        return len(rows)


@dataclass(frozen=True, slots=True)
class Prune:
    """Forgets some hours before a time (Unix seconds); returns how many."""

    before: int
    weight: int = PRUNED

    def apply(self, tx: Tx) -> int:
        """Oldest first."""
        return tx.run("series.prune", {"before": self.before, "limit": PRUNED})


async def name_private(store: Store, names: Collection[str]) -> None:
    """At start, before anything comes in: names the private families, if they are not those of the last
    start."""
    if {row[0] for row in await store.read("series.private")} != set(names):
        await store.write(NamePrivate(names))


async def tend(store: Store) -> None:
    """Moves what is over a day old to the hours, and forgets what is over 90 days old."""
    now = store.clock.now_ms() // 1000
    minutes_from = now - MINUTES_SECONDS
    while await store.write(RollUp(minutes_from - minutes_from % HOUR)) == SLICE:
        pass
    while await store.write(Prune(now - HOURS_SECONDS)) == PRUNED:
        pass
