"""Several lists that go down by an id, read as one."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

S = TypeVar("S")
Row = tuple[Any, ...]

FETCHED = 200
"""Rows of one list that are read at once where there are several."""


def newest(
    sources: Sequence[tuple[int, S]], fetch: Callable[[S, int, int], Sequence[Row]], limit: int
) -> list[Row]:
    """Up to `limit` rows of all lists, by their ids, which are their first column, going down.

    A source comes with an id that no row of its list lies above; `fetch(source, below, limit)` gives its next
    rows under an id. A list is read as far as it is needed, so that a thousand of them cost what one does.
    """
    size = limit if len(sources) == 1 else min(limit, FETCHED)
    heap = [(-top, place) for place, (top, _) in enumerate(sources)]
    heapq.heapify(heap)
    waiting: dict[int, deque[Row]] = {}
    found: list[Row] = []
    while heap and len(found) < limit:
        top, place = heap[0]
        rows = waiting.get(place)
        if rows:
            row = rows.popleft()
            found.append(row)
            heapq.heapreplace(heap, (-(rows[0][0] if rows else row[0] - 1), place))
            continue
        rows = deque(fetch(sources[place][1], 1 - top, size))
        if rows:
            waiting[place] = rows
            heapq.heapreplace(heap, (-rows[0][0], place))
        else:
            heapq.heappop(heap)
    return found
