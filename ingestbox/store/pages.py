"""Pages of lists that are read in the order of a key, with a bound on how much is looked at for one page."""

from __future__ import annotations

import operator
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any

Row = tuple[Any, ...]

EXAMINED = 10_000
"""Rows that one page looks at, at most: some 50 ms. A filter that few rows pass gives a short page, from
whose end the next one goes on."""


@dataclass(frozen=True, slots=True)
class Page:
    """Rows, and the key to go on from; None at the end of the list."""

    rows: list[Row]
    last: int | None


def page(rows: Generator[Row, None, None], limit: int, keep: Callable[[Row], bool] = lambda _: True) -> Page:
    """Up to `limit` of the rows that `keep` lets pass; their first column is the key."""
    found: list[Row] = []
    last: int | None = None
    try:
        for number, row in enumerate(rows):
            if len(found) == limit or number == EXAMINED:
                return Page(found, last)
            last = row[0]
            if keep(row):
                found.append(row)
    finally:
        rows.close()
    return Page(found, None)


def merged(pages: Sequence[Page], limit: int, *, up: bool = False) -> Page:
    """One page of several lists that go down (`up`: up) by the same key: its rows do so too.

    Below (above) the highest (lowest) key at which one of the lists has more, nothing can be said yet.
    """
    ends = [each.last for each in pages if each.last is not None]
    reach = (min if up else max)(ends, default=None)
    rows = [
        row
        for each in pages
        for row in each.rows
        if reach is None or (row[0] <= reach if up else row[0] >= reach)
    ]
    rows.sort(key=operator.itemgetter(0), reverse=not up)
    if len(rows) > limit:
        return Page(rows[:limit], rows[limit - 1][0])
    return Page(rows, reach)
