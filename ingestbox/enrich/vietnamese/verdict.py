"""From a text that was read to its label and the confidence in it."""

from __future__ import annotations

from math import exp
from typing import Final, NamedTuple

from ingestbox.enrich.facts import Sentiment, SentimentLabel
from ingestbox.enrich.vietnamese.reading import Reading
from ingestbox.enrich.vietnamese.tokens import Token

LEAST: Final = 0.7
"""Praise and faults together that are too little to judge by."""

PRAISED: Final = 0.32
FAULTED: Final = -0.22
"""Balance from which a text is clearly positive, or negative."""

_RATING: Final = 4.5
"""What a rating counts: as much as two clear judgements."""

_SWING: Final = 0.6
"""Share of what stands before "nhưng" that is held against it, if what follows is not understood."""

_ASKED_FAULTS: Final = 0.7
"""Share of the faults that counts in a text that asks for something."""

EVEN: Final = 0.1
"""Balance from which a text that praises and faults alike is rather positive."""

_WISH: Final = 0.45
_TAUGHT_WISH: Final = 1.3
"""A wish by itself; about teaching it says that something is missing."""

MIDDLE: Final = 4.0
"""What a middling verdict weighs against praise and faults."""

_INERTIA: Final = 0.8
"""Keeps a single weak judgement from being a clear one."""

# Confidence is a logistic curve over how clear the balance is, for texts that are not neutral, and a constant
# for each reason to be neutral. The numbers were chosen by hand against the shares right in bins of the dev
# samples and of texts written later, a little lower, as new texts lose; `make evaluate` shows the bins.
_CURVE: Final = (-0.55, 3.6)
_SILENT: Final = 0.65
_MIDDLING: Final = 0.75
_ASKED: Final = 0.8
_TORN: Final = 0.45
_EVEN: Final = 0.55


class Verdict(NamedTuple):
    """Praise, faults and middling words of a text, weighed; their balance (-1 to 1); label and confidence."""

    good: float
    bad: float
    middling: float
    balance: float
    label: SentimentLabel
    confidence: float


def judge(tokens: list[Token]) -> Sentiment:
    """Return the label of the text of `tokens` and the confidence in it."""
    verdict = weigh(tokens)
    return Sentiment(verdict.label, round(verdict.confidence, 4))


def weigh(tokens: list[Token]) -> Verdict:
    """Return the verdict on the text of `tokens` with all that it rests on."""
    reading = Reading(tokens)
    good, bad, middling = _totals(reading)
    whole = good + bad
    balance = (good - bad) / (whole + middling + _INERTIA)
    if whole >= LEAST and balance >= PRAISED:
        return Verdict(good, bad, middling, balance, "positive", _curve(balance * min(1.0, whole)))
    if whole >= LEAST and balance <= FAULTED:
        return Verdict(good, bad, middling, balance, "negative", _curve(-balance * min(1.0, whole)))
    if middling >= 1:
        confidence = _MIDDLING
    elif whole >= LEAST:
        if not reading.asked:
            # Praise and faults in equal parts: few readers call it neutral, most hear the faults.
            return Verdict(good, bad, middling, balance, "negative" if balance < EVEN else "positive", _EVEN)
        confidence = _TORN
    else:
        confidence = _ASKED if reading.asked else _SILENT
    return Verdict(good, bad, middling, balance, "neutral", confidence)


def _curve(clearness: float) -> float:
    return 1 / (1 + exp(-(_CURVE[0] + _CURVE[1] * clearness)))


def _totals(reading: Reading) -> tuple[float, float, float]:
    good = bad = 0.0
    clauses = reading.clauses
    for clause in clauses:
        good += clause.good * clause.weight
        bad += clause.bad * clause.weight
    if bad >= 1.2:
        meant = sum(clause.good * clause.weight for clause in clauses if not clause.ironic or clause.bad)
        if meant < 0.8:
            # Praise that only exclaims, beside nothing but faults, is meant the other way round.
            good, bad = meant, bad + 0.4 * (good - meant)
    if reading.turned_at == len(clauses):
        # What follows the last "nhưng" is not understood; it is seldom more of the same.
        if reading.swing > 0:
            bad += _SWING * min(2.0, reading.swing)
        else:
            good -= _SWING * max(-2.0, reading.swing)
    if reading.asked:
        # Who asks tells what is wrong so as to be helped.
        bad *= _ASKED_FAULTS
    good += reading.signs_good
    bad += reading.signs_bad
    middling = MIDDLE * min(3.0, reading.middling)
    if reading.ratings:
        rated = reading.rated / reading.ratings
        good, bad = 0.6 * good, 0.6 * bad
        if rated > 0:
            good += _RATING * rated
        else:
            bad -= _RATING * rated
        if not rated:
            middling += 1.2
    if reading.wished:
        bad += min(2.5, reading.wished) * (_TAUGHT_WISH if reading.taught else _WISH)
    if reading.thanked and bad < 0.8 and not reading.asked:
        good += 1.2
    return good, bad, middling
