"""Several lists read as one: every row once, in order, and no list further than it is needed."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from ingestbox.families.contacts import merge
from ingestbox.families.contacts.merge import newest

LISTS = st.lists(st.lists(st.integers(1, 400), unique=True, max_size=60), max_size=5)


@given(LISTS, st.integers(1, 120))
def test_rows_come_in_order_whichever_list_they_are_of(lists: list[list[int]], limit: int) -> None:
    asked: list[tuple[int, int]] = []

    def fetch(source: int, below: int, most: int) -> Sequence[tuple[int, int]]:
        asked.append((source, below))
        rows = sorted((row for row in lists[source] if row < below), reverse=True)
        return [(row, source) for row in rows[: min(most, 7)]]

    every = sorted(((row, place) for place, rows in enumerate(lists) for row in rows), reverse=True)
    found = newest([(max(rows, default=0) + 3, place) for place, rows in enumerate(lists)], fetch, limit)
    assert [row for row, _ in found] == [row for row, _ in every][:limit]
    assert set(found) <= set(every)
    assert len(set(found)) == len(found)
    assert len(asked) == len(set(asked))


def test_a_list_that_lies_below_all_that_is_wanted_is_not_read() -> None:
    def fetch(source: int, below: int, most: int) -> list[tuple[int]]:
        assert source == 0
        return [(row,) for row in range(below - 1, 0, -1)][:most]

    assert len(newest([(1_000, 0), (10, 1)], fetch, merge.FETCHED + 50)) == merge.FETCHED + 50
