"""Erasures: who asked for one, how far it is, what it found. See `store.erasing` for what it does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from ingestbox.model import DEFAULT_WORKSPACE, EVERYWHERE
from ingestbox.store.audit import Act
from ingestbox.store.erasing.slices import Position, Slice
from ingestbox.store.once import Denied, Made, Once
from ingestbox.store.readers import ReadTx
from ingestbox.store.unit import Tx

FIRST_PLACE = ""
"""Where every erasure begins: before the first place."""

OPEN_AT_ONCE = 50

_counts = msgspec.json.Decoder(dict[str, int])
_position = msgspec.json.Decoder(list[str | int])


@dataclass(frozen=True, slots=True)
class Erasure:
    """A row of `erasures` (see its migration). Times are Unix milliseconds."""

    id: int
    workspace: str
    actor: str
    request_id: str | None
    reason: str | None
    address: str | None
    digest: str
    dry_run: bool
    state: str
    last_job: int
    place: str
    position: Position
    again: bool
    counts: Mapping[str, int]
    created_ms: int
    updated_ms: int
    done_ms: int | None


class Begun(msgspec.Struct, frozen=True):
    """The erasure that a request began, or joined."""

    id: int


@dataclass(frozen=True, slots=True)
class BeginErasure:
    """Begins an erasure; who asks for what is under way already joins it.

    `workspace` is whose data it is about, or EVERYWHERE; `digest` a keyed hash of the address.
    """

    workspace: str
    address: str
    digest: str
    dry_run: bool
    reason: str | None
    act: Act
    once: Once[Begun]
    weight: int = 4

    def apply(self, tx: Tx) -> Made[Begun] | Denied:
        """Its id. The trail gets a line for one that is begun, without the address."""
        if (decided := self.once.earlier(tx)) is not None:
            return decided
        what = {"workspace": self.workspace, "digest": self.digest, "dry_run": int(self.dry_run)}
        row = tx.one("erasures.under_way", what)
        if row is None:
            row = tx.one(
                "erasures.insert",
                {
                    **what,
                    "actor": self.act.actor,
                    "request_id": self.act.request_id,
                    "reason": self.reason,
                    "address": self.address,
                    "place": FIRST_PLACE,
                    "now": self.act.now_ms,
                },
            )
            assert row is not None  # RETURNING gives the row it made
            after = {"digest": self.digest, "dry_run": self.dry_run, "reason": self.reason}
            self.act.note(tx, "erasure.begin", "erasure", int(row[0]), after=after)
        return self.once.keep(tx, Begun(int(row[0])), self.act.now_ms)


class RacedError(Exception):
    """Something was not as it was looked at any more: nothing is changed, and it is to be looked at again."""


@dataclass(frozen=True, slots=True)
class CarryOut:
    """What a slice found is changed, and the erasure moves on from it: both or neither.

    `place` and `position` are where it goes on, in `state`; `again` says whether it is to go through once
    more after this time. In a dry run nothing but that is changed. Raises RacedError.
    """

    erasure: Erasure
    found: Slice
    place: str
    position: Position
    state: str
    again: bool
    now_ms: int

    @property
    def weight(self) -> int:
        """Its changes, and its own row."""
        return 1 + (0 if self.erasure.dry_run else self.found.weight)

    def apply(self, tx: Tx) -> None:
        """Changes all, or raises."""
        erasure = self.erasure
        counts = dict(erasure.counts)
        for name, number in self.found.counts.items():
            counts[name] = counts.get(name, 0) + number
        if not erasure.dry_run and not all(change.apply(tx) for change in self.found.changes):
            raise RacedError(erasure.id)
        moved = tx.run(
            "erasures.move",
            {
                "id": erasure.id,
                "place": self.place,
                "position": msgspec.json.encode(self.position).decode(),
                "counts": msgspec.json.encode(counts).decode(),
                "state": self.state,
                "again": int(self.again),
                "was_place": erasure.place,
                "was_position": msgspec.json.encode(erasure.position).decode(),
                "now": self.now_ms,
            },
        )
        if moved != 1:
            raise RacedError(erasure.id)
        if self.state == "cleaning":
            tx.run("erasures.forget", {"id": erasure.id})


@dataclass(frozen=True, slots=True)
class EndErasure:
    """It is done; the trail says what was found."""

    erasure: Erasure
    now_ms: int
    weight: int = 3

    def apply(self, tx: Tx) -> None:
        """Ends it once."""
        erasure = self.erasure
        tx.run("erasures.forget", {"id": erasure.id})
        if tx.run("erasures.end", {"id": erasure.id, "now": self.now_ms}) != 1:
            return
        workspace = DEFAULT_WORKSPACE if erasure.workspace == EVERYWHERE else erasure.workspace
        by = Act(erasure.actor, workspace, erasure.request_id, self.now_ms)
        after = {"digest": erasure.digest, "dry_run": erasure.dry_run, "counts": dict(erasure.counts)}
        by.note(tx, "erasure.done", "erasure", erasure.id, after=after)


@dataclass(frozen=True, slots=True)
class Vacuum:
    """A slice of giving free pages back to the disk, with what they held; True when there are none."""

    weight: int = 600

    def apply(self, tx: Tx) -> bool:
        """Frees up to a hundred of them."""
        tx.all("erasures.vacuum")
        row = tx.one("erasures.free_pages")
        return row is None or row[0] == 0


@dataclass(frozen=True, slots=True)
class MergeWords:
    """A slice of writing an index of full text anew, without the words of what is gone; True at its end.

    `query` is `<family>.merge_<kind>`, `pages` how many of its pages; less than none for the first slice: who
    begins again each time gets nowhere while words come in.
    """

    query: str
    pages: int
    weight: int = 700

    def apply(self, tx: Tx) -> bool:
        """Writes some pages."""
        before, _ = tx.one("erasures.changes"), tx.run(self.query, {"pages": self.pages})
        after = tx.one("erasures.changes")
        assert before is not None and after is not None  # each is one number
        return int(after[0]) - int(before[0]) < 2


def one(tx: ReadTx, erasure_id: int) -> Erasure | None:
    """The erasure with this id, of any workspace."""
    row = tx.one("erasures.one", {"id": erasure_id})
    return None if row is None else _erasure(row)


def listed(tx: ReadTx, workspace: str | None, below: int, limit: int) -> list[Erasure]:
    """The newest of a workspace (None: all) under an id."""
    query = "erasures.page_everywhere" if workspace is None else "erasures.page"
    rows = tx.all(query, {"workspace": workspace, "below": below, "limit": limit})
    return [_erasure(row) for row in rows]


def under_way(tx: ReadTx) -> list[int]:
    """The ids of those that are not done, oldest first."""
    return [row[0] for row in tx.all("erasures.open", {"limit": OPEN_AT_ONCE})]


def coming_in(tx: ReadTx, erasure: Erasure) -> bool:
    """Whether records that it has to go through are still to come."""
    row = tx.one("erasures.coming_in", {"last_job": erasure.last_job, "workspace": erasure.workspace})
    return row is not None and bool(row[0])


def earlier(tx: ReadTx, erasure: Erasure, digests: Sequence[str]) -> int | None:
    """The newest before it that was for the same address; `digests` are those it has under each secret."""
    asked = {"workspace": erasure.workspace, "id": erasure.id}
    row = tx.one("erasures.earlier", {**asked, "digests": msgspec.json.encode(digests).decode()})
    return None if row is None else int(row[0])


def _erasure(row: tuple[Any, ...]) -> Erasure:
    values = list(row)
    values[7], values[12] = bool(values[7]), bool(values[12])
    values[11], values[13] = _position.decode(values[11]), _counts.decode(values[13])
    return Erasure(*values)
