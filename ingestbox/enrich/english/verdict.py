"""The sentiment of a text in English: its clauses weighed, a label, and how likely it is right."""

from __future__ import annotations

from itertools import pairwise
from typing import Final, NamedTuple

from ingestbox.enrich.english.clauses import Clause, Scan
from ingestbox.enrich.english.tokens import tokenize
from ingestbox.enrich.facts import Sentiment


class Weighed(NamedTuple):
    """The sums of a text's clauses: praise, blame (both from 0 up), and what draws towards neutral."""

    praise: float
    blame: float
    middle: float
    asks: bool


READ: Final = 100_000
"""Characters of a text that are read: of a longer one the first and the last half as many."""

_CONCEDED: Final = 0.5
_AFTER_BUT: Final = 1.3
_LAST: Final = 1.25
_MOST_OF_A_CLAUSE: Final = 5.0
_DENIES_BOTH: Final = 2.0
_LEAST: Final = 0.75
"""A balance below this is neutral."""
_MIXED: Final = 0.22
"""A balance below this share of praise and blame together is neutral."""
_PER_MIDDLE: Final = 0.8
"""How far a word such as "average" moves the border."""

# The share of the tuned-on samples that was right, less what was lost on texts that no rule was tuned on.
_SURE: Final = ((0.0, 0.58), (0.5, 0.72), (1.0, 0.81), (2.0, 0.89), (3.0, 0.92), (4.0, 0.94), (6.0, 0.96))
"""The confidence in praise or blame, by how far the balance is beyond the border; straight lines between."""
_CONTESTED: Final = 0.6
"""Below this share of all that was said, the other side has a say too …"""
_WHEN_CONTESTED: Final = 0.1
"""… and this is taken off."""
_ASKS: Final = 0.9
_IN_THE_MIDDLE: Final = 0.8
_WITHIN_BORDER: Final = 0.48
_NOTHING_FOUND: Final = 0.6


def weigh(text: str) -> Weighed:
    """Return the weighed sums of the clauses of `text`."""
    if len(text) > READ:
        text = f"{text[: READ // 2]}\n{text[-READ // 2 :]}"
    scan = Scan(tokenize(text), capitals_count=not text.isupper())
    clauses = scan.clauses
    if len(clauses) > 1:
        _turn_irony_round(clauses)
    last_sentence = clauses[-1].sentence
    if not clauses[-1].words:
        last_sentence = clauses[-2].sentence if len(clauses) > 1 else 0
    praise = blame = middle = 0.0
    asks = False
    for clause in clauses:
        good, bad = clause.good, clause.bad
        topic_good, topic_bad, hard = clause.good_topic, clause.bad_topic, clause.hard
        if clause.asks:
            asks = True
            share = 0.25 if clause.question else 0.4
            good, bad = good * share, bad * share
            hard *= 0.3 if clause.question else 0.7
            topic_good = topic_bad = 0.0
        elif clause.question:
            topic_good *= 0.2
            topic_bad *= 0.3
            good *= 0.7
        good += topic_good
        bad += topic_bad + hard
        if not (good or bad or clause.middle):
            continue
        weight = clause.weight
        if clause.conceded:
            weight *= _CONCEDED
        elif clause.after_but:
            weight *= _AFTER_BUT
        if clause.sentence == last_sentence and last_sentence > 1:
            weight *= _LAST
        praise += min(good, _MOST_OF_A_CLAUSE) * weight
        blame += min(-bad, _MOST_OF_A_CLAUSE) * weight
        middle += clause.middle * weight
    if scan.denied_good and scan.denied_bad:
        middle += _DENIES_BOTH
    return Weighed(praise, blame, middle, asks)


def _turn_irony_round(clauses: list[Clause]) -> None:
    """Turn praise into blame, in place, where it stands alone beside what went wrong: "Great, a crash"."""
    for clause, after in pairwise(clauses):
        if after.bad + after.hard <= -1.0 and after.good < 1 and not (after.after_but or after.conceded):
            short = 3 if clause.sentence == after.sentence else 1
            if clause.opens and clause.words <= short and clause.good > 0:
                _turn(clause)
        elif (
            clause.bad + clause.hard <= -1.0
            and after.good > 0
            and after.opens
            and after.words <= 2
            and after.sentence > clause.sentence
        ):
            _turn(after)
    ironic = {clause.sentence for clause in clauses if clause.ironic}
    for clause in clauses if ironic else ():
        if not ironic.isdisjoint(range(clause.sentence - 1, clause.sentence + 2)) and clause.good > 0:
            _turn(clause)


def _turn(clause: Clause) -> None:
    clause.bad -= 0.5 * clause.good
    clause.good = 0.0


def sentiment(text: str) -> Sentiment:
    """Return the label of `text` and the confidence in it; linear in its length, whatever it holds."""
    weighed = weigh(text)
    praise, blame, middle = weighed.praise, weighed.blame, weighed.middle
    found = praise + blame
    balance = praise - blame
    border = max(_LEAST + _PER_MIDDLE * middle, _MIXED * found)
    beyond = abs(balance) - border
    if beyond < 0:
        if found:
            return Sentiment("neutral", _WITHIN_BORDER if not middle else _IN_THE_MIDDLE)
        return Sentiment("neutral", _ASKS if weighed.asks else _IN_THE_MIDDLE if middle else _NOTHING_FOUND)
    confidence = _interpolate(beyond)
    if abs(balance) < _CONTESTED * found:
        confidence -= _WHEN_CONTESTED
    return Sentiment("positive" if balance > 0 else "negative", round(confidence, 3))


def _interpolate(beyond: float) -> float:
    """Return the confidence of a balance so far `beyond` the border, on the line through `_SURE`."""
    left, low = _SURE[0]
    for right, high in _SURE[1:]:
        if beyond < right:
            return low + (high - low) * (beyond - left) / (right - left)
        left, low = right, high
    return low
