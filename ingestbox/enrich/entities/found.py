"""What a rule found: a span of the text made ready, its label, and how sure the rule is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ingestbox.enrich.facts import EntityLabel


class Found(NamedTuple):
    """A candidate; where two overlap the higher `rank` stays, then the longer, then the earlier."""

    rank: int
    start: int
    end: int
    label: EntityLabel


def settle(found: Iterable[Found]) -> list[Found]:
    """The candidates that stay, in order of their place; n log n in their number."""
    kept: list[Found] = []
    # Swept from the left with the last one kept: a later and better one replaces it.
    for each in sorted(found, key=lambda one: (one.start, -one.rank, -one.end)):
        while kept and kept[-1].end > each.start and _better(each, kept[-1]):
            kept.pop()
        if not kept or kept[-1].end <= each.start:
            kept.append(each)
    return kept


def _better(one: Found, other: Found) -> bool:
    return (one.rank, one.end - one.start) > (other.rank, other.end - other.start)
