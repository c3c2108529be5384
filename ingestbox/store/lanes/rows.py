"""The lanes' rows: opened at each start as they are configured, put on hold and let go, marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ingestbox.store.audit import Act
from ingestbox.store.lanes.counting import UNIT_PAGE, Counted, count, count_now, parked_of
from ingestbox.store.takes import Takes
from ingestbox.store.unit import Tx

if TYPE_CHECKING:
    from ingestbox.store import Store

ON_HOLD = "on_hold"
"""The reason of a lane that a person has put on hold."""


@dataclass(frozen=True, slots=True)
class OpenLane:
    """A lane as configured: its name, its address to show, and what it takes."""

    name: str
    url: str
    takes: Takes = field(default_factory=Takes)


@dataclass(frozen=True, slots=True)
class _Row:
    """A lane's row as a start finds it."""

    name: str
    state: str
    held_ms: int | None
    cursor: int
    fresh_first: int | None
    fresh_last: int | None
    takes: Takes

    @classmethod
    def of(cls, row: tuple[Any, ...]) -> _Row:
        name, state, held_ms, cursor, fresh_first, fresh_last, *taken = row
        return cls(name, state, held_ms, cursor, fresh_first, fresh_last, Takes.of_row(*taken))

    @property
    def nothing(self) -> Counted:
        """Where a count of what is pending begins."""
        return Counted(0, 0, self.cursor, self.fresh_first, self.fresh_last, after=self.cursor)

    def begins(self, counted: Counted) -> bool:
        """Whether a count began there: a lane that was moved since is counted anew."""
        place = (counted.after, counted.fresh_first, counted.fresh_last)
        return place == (self.cursor, self.fresh_first, self.fresh_last)


_NEW = _Row("", "", None, 0, None, None, Takes())


@dataclass(frozen=True, slots=True)
class OpenLanes:
    """At start: makes rows for new lanes, has known ones go on from their cursor, closes those left out.

    `counted` is what new lanes have to deliver, and those that take something else now, by name; what was
    made since is counted here.
    """

    lanes: Sequence[OpenLane]
    now_ms: int
    counted: Mapping[str, Counted] = field(default_factory=dict)

    @property
    def weight(self) -> int:
        """A row or two a lane, and what is counted."""
        return (2 + (UNIT_PAGE >> 3)) * len(self.lanes) + 1

    def apply(self, tx: Tx) -> frozenset[str] | None:
        """The lanes that are on hold; None if there is more to count than a unit may, and then nothing is
        changed."""
        known = {each.name: each for each in map(_Row.of, tx.all("lanes.rows"))}
        found: dict[str, Counted] = {}
        for lane in self.lanes:
            row = known.get(lane.name, _NEW)
            if needs_count(lane, known.get(lane.name)):
                before = self.counted.get(lane.name)
                if before is None or not row.begins(before):
                    before = row.nothing
                total = count_now(tx, lane.takes, before)
                if total is None:
                    return None
                found[lane.name] = total
        for lane in self.lanes:
            self._open(tx, lane, known.get(lane.name), found.get(lane.name))
        configured = {lane.name for lane in self.lanes}
        for each in known.values():
            if each.name not in configured and each.state != "off":
                tx.run("lanes.close", {"name": each.name, "now": self.now_ms})
        return frozenset(each.name for each in known.values() if each.held_ms is not None)

    def _open(self, tx: Tx, lane: OpenLane, row: _Row | None, total: Counted | None) -> None:
        said = {"name": lane.name, "url": lane.url, "now": self.now_ms, **lane.takes.columns}
        if total is not None:
            query = "lanes.add" if row is None else "lanes.take_other"
            cursor = 0 if row is None else row.cursor
            lines, size = parked_of(tx, lane.name, lane.takes, cursor, total)
            tx.run(query, {**said, "lines": total.lines - lines, "bytes": total.size - size})
        if row is not None:
            tx.run("lanes.open", said)


def needs_count(lane: OpenLane, row: _Row | None) -> bool:
    """Whether it is new, or takes something else than before."""
    return row is None or row.takes.columns != lane.takes.columns


async def open_lanes(store: Store, lanes: Sequence[OpenLane], now_ms: int) -> frozenset[str]:
    """Opens the lanes' rows; returns those that are on hold. What new ones have to deliver is counted in
    reads before, so that the writer waits for no count. Raises IngestError as a write does."""
    counted: dict[str, Counted] = {}
    while True:
        known = {each.name: each for each in map(_Row.of, await store.read("lanes.rows"))}
        for lane in lanes:
            row = known.get(lane.name)
            if needs_count(lane, row):
                found = row or _NEW
                before = counted.get(lane.name)
                if before is None or not found.begins(before):
                    before = found.nothing
                counted[lane.name] = await count(store, lane.takes, before)
        held = await store.write(OpenLanes(lanes, now_ms, counted))
        if held is not None:
            return held


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
