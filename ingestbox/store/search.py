"""Full text: the search for what a person typed (`terms`), in windows that stay short.

Hits come in tiers: as written before without diacritics, in the title before elsewhere; of equals the newest.
Of very many the newest are ranked first, then those before them.
An index is a table of one family's (`title`, `body`), with three queries in the family's `queries.sql`.
"""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import msgspec
from msgspec import Meta

from ingestbox.errors import IngestError
from ingestbox.store.terms import Index, Matches, Read, Term, Tier, every

COUNTED = 10_000
"""Hits are counted to here: a common word's would take a walk through all of them."""

WINDOW = 2_000
"""Hits that are ranked together, the newest ones first: of a common word not all can be for one page."""

STEP = 10_000
"""Ids that the first statement goes through; the next ones as many as take STEP_SECONDS."""

STEP_SECONDS = 0.004
SECONDS = 0.01
"""No statement is begun after so long, for a window that has hits, and for the count. Then the window is a
smaller one, and the count a lower bound."""

NEAR, NEAR_IN_TITLE = 100_000, 1_000_000
"""Ids that lie so close, times the words, are looked up word by word: some 10 ms. See `_Step` for what all
words at once can take. Titles are short: few have a word."""

_TOP = (1 << 63) - 1
_Id = Annotated[int, Meta(ge=0, le=_TOP)]
_Tier = Annotated[int, Meta(ge=0, lt=4)]
_place = msgspec.json.Decoder(tuple[_Id | None, _Id | None, tuple[_Tier, _Id] | None, _Id])

SCORES = (0.8, 0.6, 0.4, 0.2)
"""Of the tiers."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page goes on: in the window above `low` (None: not known yet) and below `high`, after this tier
    and id; `seen` hits came before."""

    high: int | None = None
    low: int | None = None
    last: tuple[int, int] | None = None
    seen: int = 0


START = Place(high=_TOP)
"""Before everything, also what the caller shows first."""


def cursor_of(place: Place) -> str:
    """The cursor that says this place."""
    where = (place.high, place.low, place.last, place.seen)
    return base64.urlsafe_b64encode(msgspec.json.encode(where)).decode()


def place_of(cursor: str | None) -> Place | None:
    """The place that a cursor says, if there is one. Raises IngestError `bad_parameter`."""
    if cursor is None:
        return None
    try:
        where = _place.decode(base64.b64decode(cursor, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError):
        raise IngestError("bad_parameter", "cursor must be a next_cursor of this search.") from None
    return Place(*where)


@dataclass(frozen=True, slots=True)
class Hit:
    """Something found: its id, and how well it fits (0 to 1)."""

    id: int
    score: float
    place: Place


@dataclass(frozen=True, slots=True)
class Found:
    """Hits in their order; `total` counts all there are, or is a lower bound if not `exact`. `place` is where
    to go on, None at the end."""

    hits: Sequence[Hit]
    total: int
    exact: bool
    place: Place | None


async def search(
    read: Read,
    index: Index,
    terms: Sequence[Term],
    limit: int,
    after: Place | None = None,
    *,
    without: int | None = None,
) -> Found:
    """A page of up to `limit` hits, best first; `without` is an id that is not to be among them, as the
    caller shows it. Raises IngestError `bad_parameter` for a `*` that stands for too much."""
    matches = await Matches.of(read, index, terms)
    place = after or Place()
    hits: list[Hit] = []
    counted: _Counted | None = None
    clock = _Clock()
    while True:
        high = index.high if place.high is None else min(place.high, index.high)
        ids, low = await _window(read, index, matches.any, high, place.low)
        ranked = await _ranked(read, index, matches, ids)
        if counted is None:
            before = place.seen - sum(not _beyond(place, *each) for each in ranked)
            counted = await _count(read, index, matches.any, before + len(ids), low + 1)
        for tier, found in ranked:
            if not _beyond(place, tier, found):
                continue
            if len(hits) >= limit:
                return Found(
                    hits, max(counted.total, place.seen), counted.exact, replace(place, high=high, low=low)
                )
            place = Place(high, low, (tier, found), place.seen + 1)
            if found != without:
                hits.append(Hit(found, SCORES[tier], place))
        if low <= index.low:
            return Found(hits, max(counted.total, place.seen), counted.exact, None)
        place = Place(low + 1, None, None, place.seen)
        if len(hits) >= limit or clock.late():
            return Found(hits, max(counted.total, place.seen), counted.exact, place)


def _beyond(place: Place, tier: int, found: int) -> bool:
    """Whether a hit of the place's window comes after it."""
    return place.last is None or (tier, -found) > (place.last[0], -place.last[1])


async def _window(read: Read, index: Index, match: str, high: int, low: int | None) -> tuple[list[int], int]:
    """The ids of the next window, highest first, and above which it ends."""
    if low is not None:  # it was found before
        least = max(low, index.low)
        rows = await read(index.match, {"match": match, "low": least, "high": high, "limit": WINDOW})
        return [row[0] for row in rows], least
    ids: list[int] = []
    clock, step = _Clock(), _Step()
    while high > index.low + 1 and len(ids) < WINDOW and not (ids and clock.late()):
        least = step.below(high, index.low)
        some = {"match": match, "low": least, "high": high, "limit": WINDOW - len(ids)}
        rows = await read(index.match, some)
        ids += [row[0] for row in rows]
        high = ids[-1] if len(ids) == WINDOW else least + 1
        step.done(len(rows))
    return ids, high - 1


async def _ranked(read: Read, index: Index, matches: Matches, ids: Sequence[int]) -> list[tuple[int, int]]:
    """These ids with their tiers, best first."""
    all_ids = set(ids)
    as_written = await _among(read, index, matches.tiers[1], all_ids, NEAR)
    title = await _among(read, index, matches.tiers[0], as_written, NEAR_IN_TITLE)
    loose_title = await _among(read, index, matches.tiers[2], all_ids - as_written, NEAR_IN_TITLE)
    tiers = dict.fromkeys(ids, 3)
    for tier, those in ((2, loose_title), (1, as_written), (0, title)):
        tiers.update(dict.fromkeys(those, tier))
    return sorted(((tier, found) for found, tier in tiers.items()), key=lambda each: (each[0], -each[1]))


async def _among(read: Read, index: Index, tier: Tier, ids: set[int], near: int) -> set[int]:
    """Those of the ids that are of a tier."""
    found: set[int] = set()
    for parts in tier if ids else ():
        left = ids - found
        if not left:
            break
        span = {"low": min(left) - 1, "high": max(left) + 1}
        width = span["high"] - span["low"]
        for match in parts if width * len(parts) <= near else [every(parts)]:
            rows = await read(index.match, {"match": match, **span, "limit": width})
            left = left.intersection(row[0] for row in rows)
            if not left:
                break
        found |= left
    return found


async def newest(
    read: Read,
    index: Index,
    terms: Sequence[Term],
    limit: int,
    below: int | None = None,
    facets: Sequence[str] = (),
    without: Sequence[str] = (),
) -> tuple[list[int], int | None, int, bool]:
    """The ids of up to `limit` hits, highest first and no tiers; where to go on (None: the end); the total
    and whether it is exact. For a list that is filtered by text, and by facets that its objects have to have
    or must not have (`Matches.of`)."""
    matches = await Matches.of(read, index, terms, facets, without)
    high = index.high if below is None else min(below, index.high)
    span = {"match": matches.any, "low": index.low, "high": high, "limit": limit}
    ids = [row[0] for row in await read(index.match, span)]
    end = len(ids) < limit or ids[-1] <= index.low + 1
    known = len(ids) if high == index.high else 0
    start = index.high if not known else index.low + 1 if end else ids[-1]
    counted = await _count(read, index, matches.any, known, start)
    return ids, None if end else ids[-1], max(counted.total, len(ids)), counted.exact


class _Clock:
    """How long something has been going on; it measures work, so no clock is set for it."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def late(self) -> bool:
        """Whether no more is to be begun."""
        return time.monotonic() - self._began > SECONDS


class _Step:
    """How many ids one statement goes through.

    However few they are, the engine looks for words that are nowhere together through everything that has
    one of them. So after a step without a hit the next one goes to the end: the same walk, but once.
    """

    def __init__(self) -> None:
        self._ids = STEP
        self._began = time.monotonic()

    def below(self, high: int, low: int) -> int:
        """Above which the next statement ends."""
        self._began = time.monotonic()
        return max(low, high - self._ids)

    def done(self, hits: int) -> None:
        """What the statement came to."""
        took = max(time.monotonic() - self._began, 0.0001)
        self._ids = int(self._ids * max(0.25, min(4.0, STEP_SECONDS / took))) if hits else _TOP


@dataclass(frozen=True, slots=True)
class _Counted:
    total: int
    exact: bool


async def _count(read: Read, index: Index, match: str, known: int, high: int) -> _Counted:
    """How many hits there are, of which so many are known and the others lie below `high`."""
    total = known
    clock, step = _Clock(), _Step()
    while high > index.low + 1 and total <= COUNTED:
        if clock.late():
            return _Counted(total, exact=False)
        low = step.below(high, index.low)
        params = {"match": match, "low": low, "high": high, "limit": COUNTED + 1 - total}
        more = (await read(index.count, params))[0][0]
        total += more
        high = low + 1
        step.done(more)
    return _Counted(min(total, max(COUNTED, known)), exact=total <= max(COUNTED, known))
