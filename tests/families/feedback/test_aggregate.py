"""`weighted_recent`: the last five texts, later ones more; ±0.2 decides, ±0.3 makes a trend."""

from __future__ import annotations

import pytest

from ingestbox.families.feedback.aggregate import Aggregate, Analysed, aggregate


def texts(*signed: float) -> list[Analysed]:
    words = {1: "positive", 0: "neutral", -1: "negative"}
    return [
        Analysed("comment", number, words[(value > 0) - (value < 0)], abs(value) or 1.0)
        for number, value in enumerate(signed, start=1)
    ]


@pytest.mark.parametrize(
    ("signed", "expected"),
    [
        ([], Aggregate("neutral", 0.0, "stable")),
        ([0.9], Aggregate("positive", 0.9, "stable")),
        ([-0.21], Aggregate("negative", -0.21, "stable")),
        ([0.2], Aggregate("neutral", 0.2, "stable")),  # the border itself does not decide
        # (1·0.9 + 2·(−0.9)) / 3
        ([0.9, -0.9], Aggregate("negative", -0.3, "declining")),
        ([-0.9, 0.9], Aggregate("positive", 0.3, "improving")),
        # Halves of three: the first alone, then the other two. Means −0.5 and 0.35.
        ([-0.5, 0.0, 0.7], Aggregate("positive", round((-0.5 + 2.1) / 6, 4), "improving")),
        ([0.5, 0.8], Aggregate("positive", 0.7, "stable")),  # a step of 0.3 itself is no trend
        # Six texts: the first does not count any more.
        ([-1.0, 0.6, 0.6, 0.6, 0.6, 0.6], Aggregate("positive", 0.6, "stable")),
        ([0.0, 0.0], Aggregate("neutral", 0.0, "stable")),
    ],
)
def test_the_aggregate_of_a_ticket(signed: list[float], expected: Aggregate) -> None:
    assert aggregate(texts(*signed)) == expected


def test_a_neutral_text_weighs_but_adds_nothing() -> None:
    neutral_last = [Analysed("summary", None, "positive", 0.9), Analysed("comment", 1, "neutral", 1.0)]
    assert aggregate(neutral_last).score == 0.3


def test_of_three_texts_the_trend_compares_the_first_with_the_others() -> None:
    texts = [
        Analysed("summary", None, "negative", 0.5),
        Analysed("comment", 1, "positive", 0.5),
        Analysed("comment", 2, "neutral", 1.0),
    ]
    assert aggregate(texts).trend == "improving"
