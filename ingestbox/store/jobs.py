"""Jobs as the store gives them."""

from __future__ import annotations

import operator
import re
import unicodedata
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import Any

import msgspec

from ingestbox.model import Job, JobState, Notice
from ingestbox.store.pages import Page, merged, page
from ingestbox.store.readers import ReadTx
from ingestbox.store.sight import Sight

VISIBLE = tuple(state for state in JobState if state is not JobState.RECEIVING)
"""The states of jobs that are shown."""

MOST_WORDS = 10
"""Words that are searched for at once."""

MOST_IDS = 200
"""Jobs that are found by the beginning of their id."""

CLOCK_MS = 3_600_000
"""A clock may be set back by so much, and no job is missed in the list of a time."""

_ABOVE = (1 << 63) - 1
_WORDS = re.compile(r"[^\W_]+")
_ID = re.compile(r"[0-9A-Za-z_-]{4,64}")

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
    mine = {"workspace": workspace, "family": family, "created_by": made_by, "above": 0, "below": _ABOVE}
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
    """Which jobs: of one of these families, in one of these states, from this source, submitted from
    `since_ms` to before `until_ms`, found by `search`; None lets all pass."""

    families: Sequence[str] | None = None
    states: Sequence[JobState] | None = None
    source: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    search: str | None = None

    def keeps(self, row: tuple[Any, ...]) -> bool:
        """Whether a row is one of them, whatever is searched for."""
        return (
            (self.families is None or row[2] in self.families)
            and (self.states is None or row[7] in self.states)
            and self.source in (None, row[5])
            and (self.since_ms is None or row[18] >= self.since_ms)
            and (self.until_ms is None or row[18] < self.until_ms)
        )


def listed(
    tx: ReadTx,
    sight: Sight,
    known: Sequence[str],
    wanted: Wanted,
    start: int,
    limit: int,
    *,
    oldest: bool = False,
) -> tuple[list[Job], int | None]:
    """A page of the jobs in sight, newest first, under the id `start` (`oldest`: oldest first, over it), and
    the id to go on from. `known` are the families of the program.

    Within a workspace they are a few ranges of indexes, each in order: of a family by state, or, of one that
    is private, by who made them. For every workspace, and where nothing narrows them, the jobs are walked.
    What is searched for is a range of the index of words. A page of what was walked may be short.
    """
    above, below = _span(tx, wanted)
    span = (
        {"above": max(above, start), "below": below}
        if oldest
        else {"above": above, "below": min(below, start)}
    )
    way = "_oldest" if oldest else ""

    def seen(row: tuple[Any, ...]) -> bool:
        return wanted.keeps(row) and _seen(row, sight)

    def ranged(query: str, keep: Callable[[tuple[Any, ...]], bool], **params: object) -> Page:
        return page(tx.each(f"jobs.{query}{way}", {**span, **params}), limit, keep)

    if wanted.search is not None:
        found = _searched(tx, wanted.search, span, seen, ranged, limit, oldest)
    elif sight.workspace is None:
        found = ranged("everywhere", seen)
    elif wanted.families is None and wanted.states is None and len(sight.shared(known)) == len(known):
        found = ranged("of_workspace", wanted.keeps, workspace=sight.workspace)
    else:
        mine: dict[str, object] = {"workspace": sight.workspace}
        families = known if wanted.families is None else wanted.families
        shared = sight.shared(families)
        pages = [
            ranged("of_kind", wanted.keeps, **mine, family=family, state=state.value)
            for family in shared
            for state in wanted.states or VISIBLE
        ]
        pages += [
            ranged("of_creator", wanted.keeps, **mine, family=family, created_by=sight.subject)
            for family in set(families).difference(shared)
        ]
        found = merged(pages, limit, up=oldest)
    return [from_row(row) for row in found.rows], found.last


def _searched(
    tx: ReadTx,
    text: str,
    span: dict[str, int],
    keep: Callable[[tuple[Any, ...]], bool],
    ranged: Callable[..., Page],
    limit: int,
    oldest: bool,
) -> Page:
    """Those whose file's name has words that begin so, and those whose public id begins so."""
    pages: list[Page] = []
    if words := words_of(text):
        pages.append(ranged("named", keep, words=words))
    if _ID.fullmatch(text):
        rows = tx.all("jobs.of_id", {"first": text, "beyond": f"{text}~", "limit": MOST_IDS})
        named = {row[0] for each in pages for row in each.rows}
        within = (row for row in rows if span["above"] < row[0] < span["below"] and row[0] not in named)
        ids = sorted(filter(keep, within), key=operator.itemgetter(0), reverse=not oldest)
        pages.append(Page(ids, None))
    return merged(pages, limit, up=oldest)


def words_of(text: str) -> str:
    """The query of the index of words for what a person typed: words in any order, each may go on."""
    words = _WORDS.findall(unicodedata.normalize("NFC", text))
    return " ".join(f'"{word}"*' for word in words[:MOST_WORDS])


def _span(tx: ReadTx, wanted: Wanted) -> tuple[int, int]:
    """The ids between which the jobs of a time lie. Ids grow with time, as long as the box's clock is not set
    back by more than CLOCK_MS."""
    above, below = 0, _ABOVE
    if wanted.since_ms is not None:
        above = _first_from(tx, wanted.since_ms - CLOCK_MS) - 1
    if wanted.until_ms is not None:
        below = _first_from(tx, wanted.until_ms + CLOCK_MS)
    return above, below


def _first_from(tx: ReadTx, moment_ms: int) -> int:
    """The id of the first job that came then or later, found by halving; one above all if there is none."""
    low, high = 1, tx.all("jobs.last")[0][0] + 1
    while low < high:
        middle = (low + high) // 2
        row = tx.one("jobs.submitted", {"id": middle})
        if row is None or row[1] >= moment_ms:
            high = middle
        else:
            low = row[0] + 1
    return low
