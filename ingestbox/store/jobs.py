"""Jobs as the store gives them."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import Any

import msgspec

from ingestbox.model import Job, JobState, Notice
from ingestbox.store.pages import merged, page
from ingestbox.store.readers import ReadTx
from ingestbox.store.sight import Sight

VISIBLE = tuple(state for state in JobState if state is not JobState.RECEIVING)
"""The states of jobs that are shown."""

_ABOVE = (1 << 63) - 1

_tallies = msgspec.json.Decoder(dict[str, int])
_warnings = msgspec.json.Decoder(list[Notice])


def from_row(row: tuple[Any, ...]) -> Job:
    """A row of the `jobs.*` queries, whose columns are in the order of `Job`'s fields."""
    values = list(row)
    values[7] = JobState(values[7])
    values[12] = _tallies.decode(values[12])
    values[13] = _warnings.decode(values[13])
    return Job(*values)


def newest(tx: ReadTx, workspace: str, family: str, states: Sequence[JobState], limit: int) -> list[Job]:
    """The newest jobs in any of these states: the first of each state's newest."""
    params = {"workspace": workspace, "family": family, "limit": limit}
    rows = [row for state in states for row in tx.all("jobs.newest", {**params, "state": state})]
    rows.sort(key=operator.itemgetter(0), reverse=True)
    return [from_row(row) for row in rows[:limit]]


def newest_of(
    tx: ReadTx, workspace: str, family: str, made_by: str, states: Sequence[JobState], limit: int
) -> list[Job]:
    """The same of those that one person made."""
    mine = {"workspace": workspace, "family": family, "created_by": made_by, "below": _ABOVE}
    with closing(tx.each("jobs.of_creator", mine)) as rows:
        return [from_row(row) for row in islice((row for row in rows if row[7] in states), limit)]


def find(tx: ReadTx, public_id: str, sight: Sight | None) -> Job | None:
    """The job with this public id, if it is visible and in sight (None: whoever's)."""
    row = tx.one("jobs.find", {"public_id": public_id})
    return _in_sight(row, sight)


def by_id(tx: ReadTx, job_id: int, sight: Sight | None) -> Job | None:
    """The same by its id in the store."""
    return _in_sight(tx.one("jobs.by_id", {"id": job_id}), sight)


def _in_sight(row: tuple[Any, ...] | None, sight: Sight | None) -> Job | None:
    return from_row(row) if row is not None and (sight is None or _seen(row, sight)) else None


def _seen(row: tuple[Any, ...], sight: Sight) -> bool:
    return sight.admits(row[3], row[2], row[4])


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which jobs: of one of these families, in one of these states; None lets all pass."""

    families: Sequence[str] | None = None
    states: Sequence[JobState] | None = None

    def keeps(self, row: tuple[Any, ...]) -> bool:
        """Whether a row is one of them."""
        return (self.families is None or row[2] in self.families) and (
            self.states is None or row[7] in self.states
        )


def listed(
    tx: ReadTx, sight: Sight, known: Sequence[str], wanted: Wanted, below: int, limit: int
) -> tuple[list[Job], int | None]:
    """A page of the jobs in sight, newest first, under the id `below`, and the id to go on under. `known` are
    the families of the program.

    Within a workspace they are a few ranges of indexes, each in order: of a family by state, or, of one that
    is private, by who made them. For every workspace, and where nothing narrows them, the jobs are walked. A
    page of what was walked may be short.
    """
    mine = {"workspace": sight.workspace, "below": below}
    if sight.workspace is None:
        rows = tx.each("jobs.everywhere", {"below": below})
        found = page(rows, limit, lambda row: wanted.keeps(row) and _seen(row, sight))
    elif wanted == Wanted() and len(sight.shared(known)) == len(known):
        found = page(tx.each("jobs.of_workspace", mine), limit)
    else:
        families = known if wanted.families is None else wanted.families
        shared = sight.shared(families)
        ranges = [
            tx.each("jobs.of_kind", {**mine, "family": family, "state": state.value})
            for family in shared
            for state in wanted.states or VISIBLE
        ]
        pages = [page(rows, limit) for rows in ranges]
        for family in set(families).difference(shared):
            rows = tx.each("jobs.of_creator", {**mine, "family": family, "created_by": sight.subject})
            pages.append(page(rows, limit, wanted.keeps))
        found = merged(pages, limit)
    return [from_row(row) for row in found.rows], found.last
