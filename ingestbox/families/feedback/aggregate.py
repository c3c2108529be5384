"""A ticket's sentiment from those of its texts: `weighted_recent` (contract: feedback, Analysis)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

RECENT = 5
"""Only the last five texts count, later ones more."""

DECISIVE = 0.2
TREND_STEP = 0.3

_SIGN = {"positive": 1, "neutral": 0, "negative": -1}


@dataclass(frozen=True, slots=True)
class Analysed:
    """One text's sentiment; `comment_number` counts from 1 and is None for summary and description."""

    field: str
    comment_number: int | None
    sentiment: str
    confidence: float

    @property
    def signed(self) -> float:
        """Confidence with the sentiment's sign; 0 for neutral."""
        return _SIGN[self.sentiment] * self.confidence

    def as_dict(self) -> dict[str, object]:
        """As it goes into a result."""
        fields: dict[str, object] = {"field": self.field}
        if self.comment_number is not None:
            fields["comment_number"] = self.comment_number
        return {**fields, "sentiment": self.sentiment, "confidence": self.confidence}


@dataclass(frozen=True, slots=True)
class Aggregate:
    """The ticket as a whole; `score` is -1 to 1, `trend` improving, declining or stable."""

    sentiment: str
    score: float
    trend: str


def aggregate(analysed: Sequence[Analysed]) -> Aggregate:
    """Weights 1..n over the last texts in the order summary, description, comments."""
    recent = analysed[-RECENT:]
    weights = range(1, len(recent) + 1)
    total = sum(weight * each.signed for weight, each in zip(weights, recent, strict=True))
    score = round(total / sum(weights), 4) if recent else 0.0
    label = "positive" if score > DECISIVE else "negative" if score < -DECISIVE else "neutral"
    return Aggregate(label, score, _trend(recent))


def _trend(recent: Sequence[Analysed]) -> str:
    if len(recent) < 2:
        return "stable"
    middle = len(recent) // 2
    change = round(_mean(recent[middle:]) - _mean(recent[:middle]), 4)
    return "improving" if change > TREND_STEP else "declining" if change < -TREND_STEP else "stable"


def _mean(texts: Sequence[Analysed]) -> float:
    return sum(each.signed for each in texts) / len(texts)
