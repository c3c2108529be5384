"""A slice of an erasure: what was looked at in one read, and what is to be changed of it in one unit."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ingestbox.enrich.addresses import Spellings
from ingestbox.family import Family
from ingestbox.model import EVERYWHERE, record_id
from ingestbox.store.identity import BoxIdentity
from ingestbox.store.readers import ReadTx
from ingestbox.store.unit import Tx

SLICE_BYTES = 2 * 1_048_576
SLICE_ROWS = 20_000
SLICE_SECONDS = 0.02
"""What one read looks at, at most (one row at least)."""

SLICE_WEIGHT = 250
"""What one unit changes, at most (one row at least): it keeps the writer under 20 ms."""

Position = Sequence[str | int]
"""Where a slice begins: after this key of its place; empty at the place's beginning."""


class Change(Protocol):
    """What happens to one row, and to what follows from it."""

    @property
    def weight(self) -> int:
        """As of a unit."""

    def apply(self, tx: Tx) -> bool:
        """Whether it was still as it was looked at; nothing has happened otherwise."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be erased, and where: in one workspace or EVERYWHERE, of jobs up to `last_job`.

    `identity` and `now_ms` are for what is told upstream; `actor` is who wants it.
    """

    spelt: Spellings
    workspace: str
    last_job: int
    families: Mapping[str, Family]
    identity: BoxIdentity
    now_ms: int
    actor: str

    def covers(self, workspace: str | None) -> bool:
        """Whether rows of this workspace are meant; those that say none are (what they were of is gone)."""
        return workspace is None or self.workspace in (workspace, EVERYWHERE)

    @property
    def beyond(self) -> int:
        """The id from which on records came later."""
        return record_id(self.last_job + 1, 0)


@dataclass(slots=True)
class Slice:
    """What was found, with the place to go on after it (None: the place is through).

    `counts` says how much of what; `rung` are jobs that were taken from their workers.
    """

    position: Position | None = None
    changes: list[Change] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    jobs: set[int] = field(default_factory=set)

    def add(self, change: Change, **counts: int) -> None:
        """One more."""
        self.changes.append(change)
        self.count(**counts)

    def count(self, **counts: int) -> None:
        """So many more of these."""
        for name, number in counts.items():
            self.counts[name] = self.counts.get(name, 0) + number

    @property
    def weight(self) -> int:
        """Of all changes."""
        return sum(change.weight for change in self.changes)


class Pace:
    """How much of a slice is looked at so far."""

    def __init__(self) -> None:
        self._ends = time.perf_counter() + SLICE_SECONDS
        self._bytes = 0
        self._rows = 0

    def full(self, size: int, found: Slice) -> bool:
        """Counts a row of so many bytes that was dealt with; whether the slice ends with it."""
        self._bytes += size
        self._rows += 1
        return (
            self._bytes >= SLICE_BYTES
            or self._rows >= SLICE_ROWS
            or (bool(found.changes) and found.weight >= SLICE_WEIGHT)
            or (self._rows % 64 == 0 and time.perf_counter() >= self._ends)
        )


class Place(Protocol):
    """A part of the store that is gone through."""

    @property
    def name(self) -> str:
        """What an erasure remembers it by."""

    def look(self, tx: ReadTx, wanted: Wanted, after: Position) -> Slice:
        """The next slice after a position."""
