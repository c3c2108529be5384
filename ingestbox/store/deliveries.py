"""Deliveries as the store gives them: what is told upstream, and how far each lane is with it."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ingestbox.model import BESIDE, index_of
from ingestbox.store.pages import page
from ingestbox.store.readers import ReadTx
from ingestbox.store.records import place
from ingestbox.store.sight import Sight
from ingestbox.store.takes import Takes

State = Literal["pending", "delivered", "parked", "discarded"]

_REFUSED: frozenset[State | None] = frozenset({"parked", "discarded"})

_BEYOND = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Delivery:
    """One delivery without its line. `lanes` gives its state in each lane that runs and takes it."""

    seq: int
    op: str
    workspace: str
    family: str
    kind: str
    object_id: str
    version: int
    record_id: int
    at_ms: int
    epoch: str
    lanes: Mapping[str, State]

    @property
    def has_record(self) -> bool:
        """Whether a record led to it."""
        return self.record_id != 0 and index_of(self.record_id) != BESIDE


@dataclass(frozen=True, slots=True)
class _Lane:
    """Where a lane is, and what it takes."""

    name: str
    cursor: int
    fresh_first: int | None
    fresh_last: int | None
    takes: Takes

    @classmethod
    def of(cls, row: tuple[Any, ...]) -> _Lane:
        name, cursor, fresh_first, fresh_last, *taken = row
        return cls(name, cursor, fresh_first, fresh_last, Takes.of_row(*taken))

    @property
    def reach(self) -> int:
        """The last that may be delivered."""
        return max(self.cursor, self.fresh_last or 0)

    def passed(self, seq: int) -> bool:
        """Whether the lane is past it, in its turn or ahead of it."""
        first, last = self.fresh_first, self.fresh_last
        return seq <= self.cursor or (first is not None and last is not None and first <= seq <= last)

    def has(self, row: tuple[Any, ...]) -> bool:
        """Whether it takes the delivery; the first columns are those of `Delivery`, up to the record's id."""
        _, op, workspace, family, kind, _, _, record_id, *_ = row
        return self.takes.admits(workspace, family, kind, op, relayed=record_id == 0)


def _lanes(tx: ReadTx) -> list[_Lane]:
    return [_Lane.of(row) for row in tx.all("deliveries.lanes")]


def lane_names(tx: ReadTx) -> list[str]:
    """The lanes that run."""
    return [row[0] for row in tx.all("deliveries.lanes")]


def one(tx: ReadTx, seq: int, sight: Sight) -> tuple[Delivery, bytes | None] | None:
    """The delivery with its line (None when it does not match its checksum), if it is in sight."""
    row = tx.one("deliveries.one", {"seq": seq})
    if row is None or not Seen(tx, sight).has(row):
        return None
    *facts, line, crc = row
    (found,) = with_lanes(tx, [tuple(facts)])
    return found, line if zlib.crc32(line) == crc else None


def listed(
    tx: ReadTx,
    sight: Sight,
    lane: str | None,
    state: State | None,
    below: int,
    limit: int,
    record: int | None = None,
) -> tuple[list[Delivery], int | None]:
    """A page of deliveries, newest first, under the seq `below`, and the seq to go on under.

    `state` is that in `lane`, which has to be one that runs; with `record` those that this record led to.
    Deliveries are read in their order, and those out of sight left out: a page may be short.
    """
    above = 0
    chosen = None
    if state is not None and state not in _REFUSED:
        (chosen,) = [each for each in _lanes(tx) if each.name == lane]
    if chosen is not None and state == "pending":
        above = chosen.cursor
    elif chosen is not None:
        below = min(below, chosen.reach + 1)
    if record is not None:
        rows = tx.each("deliveries.all_of_record", {"record_id": record, "above": above, "below": below})
    elif state in _REFUSED:
        wanted = {"lane": lane, "below": below, "discarded": int(state == "discarded")}
        rows = tx.each("deliveries.parked", wanted)
    else:
        rows = tx.each("deliveries.newest", {"above": above, "below": below})
    lone = record is not None and state in _REFUSED
    parked = _Parked(tx, lane if lone or chosen is not None else None, state if lone else None)
    seen = Seen(tx, sight)

    def keep(row: tuple[Any, ...]) -> bool:
        if chosen is not None and not (chosen.has(row) and chosen.passed(row[0]) is (state == "delivered")):
            return False
        return seen.has(row) and parked.has(row[0]) is lone

    found = page(rows, limit, keep)
    return with_lanes(tx, found.rows), found.last


class Seen:
    """Which deliveries are in sight: what is told of an object is its owner's, who made the record's job."""

    def __init__(self, tx: ReadTx, sight: Sight) -> None:
        self._tx = tx
        self._sight = sight
        self._made_by: dict[int, str | None] = {}

    def has(self, row: tuple[Any, ...]) -> bool:
        """Whether this one is; its first columns are those of `Delivery`, up to the record's id."""
        _, _, workspace, family, _, _, _, record_id, *_ = row
        if self._sight.admits(workspace, family, None):
            return True
        return self._sight.admits(workspace, family, self._of(place(record_id)[0]))

    def _of(self, job_id: int) -> str | None:
        if job_id not in self._made_by:
            row = self._tx.one("jobs.made_by", {"id": job_id})
            self._made_by[job_id] = None if row is None else row[0]
        return self._made_by[job_id]


class _Parked:
    """What a lane has parked (`state`: what is so of it), read in runs as the seqs go down; nothing without a
    lane."""

    _RUN = 1_000

    def __init__(self, tx: ReadTx, lane: str | None, state: State | None) -> None:
        self._tx = tx
        self._lane = lane
        self._state = state
        self._first = _BEYOND
        self._seqs: frozenset[int] = frozenset()

    def has(self, seq: int) -> bool:
        if self._lane is None:
            return False
        if seq < self._first:
            self._first = max(seq - self._RUN, 0)
            span = {"lane": self._lane, "first": self._first, "last": seq}
            self._seqs = frozenset(
                row[1]
                for row in self._tx.all("deliveries.parked_among", span)
                if self._state in (None, _state(row[4]))
            )
        return seq in self._seqs


def _state(word: str) -> State:
    """What waits to be sent again is refused until it is taken."""
    return "discarded" if word == "discarded" else "parked"


def with_lanes(tx: ReadTx, rows: Sequence[tuple[Any, ...]]) -> list[Delivery]:
    """Deliveries, newest first, with how each is in each lane; a row has the columns of `Delivery`."""
    states: dict[int, dict[str, State]] = {row[0]: {} for row in rows}
    if rows:
        for lane in _lanes(tx):
            span = {"lane": lane.name, "first": rows[-1][0], "last": rows[0][0]}
            parked = {row[1]: _state(row[4]) for row in tx.all("deliveries.parked_among", span)}
            for row in rows:
                seq = row[0]
                if seq in parked:
                    states[seq][lane.name] = parked[seq]
                elif lane.has(row):
                    states[seq][lane.name] = "delivered" if lane.passed(seq) else "pending"
    return [Delivery(*(*row, states[row[0]])) for row in rows]
