"""A ticket's sentiment from those of its texts: `weighted_recent` (contract: feedback, Analysis)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

RECENT = 5
"""Only the last five texts count, later ones more."""

DECISIVE = 0.2
TREND_STEP = 0.3

_SIGN = {"positive": 1, "neutral": 0, "negative": -1}


class Analysed(NamedTuple):
    """One text's sentiment; `comment_number` counts from 1 and is None for summary and description."""

    field: str
    comment_number: int | None
    sentiment: str
    confidence: float


class Aggregate(NamedTuple):
    """The ticket as a whole; `score` is -1 to 1, `trend` improving, declining or stable."""

    sentiment: str
    score: float
    trend: str


def aggregate(analysed: Sequence[Analysed]) -> Aggregate:
    """Weights 1..n over the last texts in the order summary, description, comments."""
    # Confidences with their sentiments' signs; 0 for neutral.
    recent = [_SIGN[each.sentiment] * each.confidence for each in analysed[-RECENT:]]
    total = 0.0
    for weight, signed in enumerate(recent, start=1):
        total += weight * signed
    weights = len(recent) * (len(recent) + 1) // 2
    score = round(total / weights, 4) if recent else 0.0
    label = "positive" if score > DECISIVE else "negative" if score < -DECISIVE else "neutral"
    return Aggregate(label, score, _trend(recent))


def _trend(recent: Sequence[float]) -> str:
    if len(recent) < 2:
        return "stable"
    middle = len(recent) // 2
    before, after = sum(recent[:middle]) / middle, sum(recent[middle:]) / (len(recent) - middle)
    change = round(after - before, 4)
    return "improving" if change > TREND_STEP else "declining" if change < -TREND_STEP else "stable"
