"""One order made of several: reciprocal rank fusion (Cormack, Clarke and Buettcher, 2009)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

K: Final = 60
"""How little the first places count for more than those behind them; the number of the paper."""


def fused(lists: Sequence[Sequence[int]]) -> list[tuple[int, float]]:
    """Everything that any of the lists has, best first, with a score from 0 to 1: 1 is the first of all
    lists. Equals are in the order of their numbers. None of the lists has anything twice."""
    shares: defaultdict[int, float] = defaultdict(float)
    for each in lists:
        for place, number in enumerate(each):
            shares[number] += (K + 1) / (K + 1 + place)
    scored = [(number, round(share / len(lists), 6)) for number, share in shares.items()]
    return sorted(scored, key=lambda pair: (-pair[1], pair[0]))
