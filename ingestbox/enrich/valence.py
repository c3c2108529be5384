"""Sentiment of English text: VADER 3.3.2's scores, digit for digit, in one pass over the tokens.

The rules are those of ``polarity_scores`` in C.J. Hutto's ``vaderSentiment``, oddities included: where a
comment below says "VADER", a tidier rule would give other scores. Speed comes from looking every spelling up
once (see ``tokens``) and from looking at neighbours only around the few tokens that are in the lexicon.

Time and memory are linear in the length of the text, whatever it holds: a token is examined together with at
most three before and two after it. Only a text with "but" pays a logarithm more (see `_weigh_around_but`).
"""

from heapq import heappush, heappushpop
from math import sqrt
from typing import Final, Literal, NamedTuple

from ingestbox.enrich.tokens import (
    BOOST,
    DAMPENING_PHRASES,
    EDGE,
    PHRASES,
    PLAIN,
    Token,
    describe_emoji,
    tokenize,
)

RULES: Final = "vader-3.3.2/1"
"""Version of the rules and tables, for lineage: it changes whenever a score can."""

POSITIVE_FROM: Final = 0.05
"""Least compound of a positive text; its negative is the greatest of a negative one (VADER's own advice)."""

_SHOUT: Final = 0.733
_NEGATE: Final = -0.74
_NEVER_SO: Final = 1.25
_DECAY_2: Final = 0.95
_DECAY_3: Final = 0.9
_BEFORE_BUT: Final = 0.5
_AFTER_BUT: Final = 1.5
_PER_EXCLAMATION: Final = 0.292
_MAX_EXCLAMATIONS: Final = 4
_PER_QUESTION: Final = 0.18
_MANY_QUESTIONS: Final = 0.96
_ALPHA: Final = 15

_HEAD: Final = (EDGE, EDGE, EDGE)
_TAIL: Final = (PLAIN, PLAIN)


class Scores(NamedTuple):
    """Negative, neutral and positive share of a text (0..1, 3 decimals); the balance (-1..1, 4 decimals)."""

    neg: float
    neu: float
    pos: float
    compound: float


class Sentiment(NamedTuple):
    """A text's label, and how far its compound lies from the border of that label (0.5..1, 4 decimals)."""

    label: Literal["positive", "neutral", "negative"]
    confidence: float


def sentiment(text: str) -> Sentiment:
    """Return the label of `text` and the confidence in it.

    The confidence only orders texts of one label: it is a monotone rule on the distance from the border, not
    calibrated against judged texts for now, so it is no probability.
    """
    compound = scores(text).compound
    if compound >= POSITIVE_FROM:
        return Sentiment("positive", round(0.5 + compound / 2, 4))
    if compound <= -POSITIVE_FROM:
        return Sentiment("negative", round(0.5 - compound / 2, 4))
    return Sentiment("neutral", round(1 - 10 * abs(compound), 4))


def scores(text: str) -> Scores:
    """Return what VADER's ``polarity_scores`` returns for `text`, which may be of any length and content."""
    text = describe_emoji(text)
    found = tokenize(text)
    if not found:
        return Scores(0.0, 0.0, 0.0, 0.0)
    capitals = [token.upper for token in found]
    # Capitals shout only where not everything is in capitals.
    shouting = True in capitals and False in capitals
    tokens = [*_HEAD, *found, *_TAIL]
    places: list[int] = []
    valences: list[float] = []
    but = 0
    for i, token in enumerate(tokens):
        if token is PLAIN:
            continue
        if token.rating:
            if token.word == "kind" and tokens[i + 1].word == "of":
                continue
            valence = _valence(tokens, i, shouting)
            if valence:
                places.append(i)
                valences.append(valence)
        elif token.word == "but" and not but:
            but = i
    if but:
        _weigh_around_but(places, valences, but)
    return _combine(valences, len(found), text)


def _valence(tokens: list[Token], i: int, shouting: bool) -> float:
    """Return the strength of the lexicon's word at `i`, as its neighbours change it.

    `tokens` begins with three `EDGE` and ends with two `PLAIN`, so that every neighbour exists.
    """
    token, first, second, third = tokens[i], tokens[i - 1], tokens[i - 2], tokens[i - 3]
    valence = token.rating
    if token.word == "no" and tokens[i + 1].rating:
        valence = 0.0  # It negates the next word instead of counting itself.
    acted_on = first.acts or second.acts or third.acts
    if acted_on and (
        first.word == "no"
        or second.word == "no"
        or (third.word == "no" and (first.word == "or" or first.word == "nor"))
    ):
        valence = token.rating * _NEGATE
    if shouting and token.upper:
        valence += _SHOUT if valence > 0 else -_SHOUT
    if acted_on:
        valence = _acted_on(valence, first, second, third, shouting)
    # VADER: phrases count only from the fourth token of a text on, and not three after a word of the lexicon.
    if not third.inert and (
        (token.next and tokens[i + 1].word in token.next)
        or (token.before and first.word in token.before)
        or (first.before and second.word in first.before)
        or (second.before and third.word in second.before)
    ):
        valence = _phrases(tokens, i, valence)
    if first.word == "least" and second.word != "at" and second.word != "very":
        valence *= _NEGATE
    return valence


def _acted_on(valence: float, first: Token, second: Token, third: Token, shouting: bool) -> float:
    """Return `valence` as the `first` token before it, then the `second`, then the `third` change it."""
    if first.boost:
        valence += _boost(first, valence, shouting)
    if first.negates:
        valence *= _NEGATE
    if second.boost:
        valence += _boost(second, valence, shouting) * _DECAY_2
    if second.word == "never" and (first.word == "so" or first.word == "this"):
        valence *= _NEVER_SO
    elif second.negates and not (second.word == "without" and first.word == "doubt"):
        valence *= _NEGATE
    if not third.inert:
        if third.boost:
            valence += _boost(third, valence, shouting) * _DECAY_3
        # VADER: just before the word, "so" or "this" strengthens it without any "never".
        if (
            first.word == "so"
            or first.word == "this"
            or (third.word == "never" and (second.word == "so" or second.word == "this"))
        ):
            valence *= _NEVER_SO
        elif third.negates and not (
            third.word == "without" and (second.word == "doubt" or first.word == "doubt")
        ):
            valence *= _NEGATE
    return valence


def _boost(booster: Token, valence: float, shouting: bool) -> float:
    """Return what a word of degree adds to the `valence` of a word after it."""
    change = -booster.boost if valence < 0 else booster.boost
    if shouting and booster.upper:
        # VADER: a shouted dampener strengthens.
        change += _SHOUT if valence > 0 else -_SHOUT
    return change


def _phrases(tokens: list[Token], i: int, valence: float) -> float:
    """Return the valence at `i` as a phrase around it sets it, dampened by any "kind of" before it."""
    third, second, first, here, after, later = (token.word for token in tokens[i - 3 : i + 3])
    before_2 = f"{second} {first}"
    before_3 = f"{third} {second}"
    for phrase in (
        f"{first} {here}",
        f"{before_2} {here}",
        before_2,
        f"{before_3} {first}",
        before_3,
    ):
        if phrase in PHRASES:
            valence = PHRASES[phrase]
            break
    # The longer phrase has the last word.
    ahead = f"{here} {after}"
    valence = PHRASES.get(ahead, valence)
    valence = PHRASES.get(f"{ahead} {later}", valence)
    # VADER: whatever the sign, so that it strengthens a negative word.
    if before_3 in DAMPENING_PHRASES:
        valence -= BOOST
    if before_2 in DAMPENING_PHRASES:
        valence -= BOOST
    return valence


def _weigh_around_but(places: list[int], valences: list[float], but: int) -> None:
    """Halve, in place, the `valences` whose `places` lie before the first "but"; raise later ones by half.

    VADER: goes from value to value, but each time changes the first one in the list that equals it. Of 2 and
    1, the 2 becomes 1, and then that 1 becomes 0.5 while the second stays 1. VADER searches the whole list
    each time; here the indices holding a value wait in a heap, lowest first. An index not reached yet can
    never be the first, so each joins its heap only as it is reached.
    """
    holders: dict[float, list[int]] = {}
    for j, value in enumerate(valences):
        heap = holders.get(value)
        first = heappushpop(heap, j) if heap else j
        changed = value * (_BEFORE_BUT if places[first] < but else _AFTER_BUT)
        valences[first] = changed
        if changed in holders:
            heappush(holders[changed], first)
        else:
            holders[changed] = [first]


def _combine(valences: list[float], count: int, text: str) -> Scores:
    """Return the scores of `count` (> 0) tokens, `valences` being those that are not neutral."""
    emphasis = _emphasis(text)
    positive = negative = 0.0
    # The ones make a word weigh as much as a neutral word, which counts as 1.
    for value in valences:
        if value > 0:
            positive += value + 1
        elif value < 0:
            negative += value - 1
    neutral = count - len(valences)

    total = float(sum(valences))
    if total > 0:
        total += emphasis
    elif total < 0:
        total -= emphasis
    compound = total / sqrt(total * total + _ALPHA)

    if positive > -negative:
        positive += emphasis
    elif positive < -negative:
        negative -= emphasis
    whole = positive - negative + neutral
    return Scores(
        neg=round(abs(negative / whole), 3),
        neu=round(neutral / whole, 3),
        pos=round(positive / whole, 3),
        compound=round(compound, 4),
    )


def _emphasis(text: str) -> float:
    """Return the strength that the text's "!" and "?" add."""
    questions = text.count("?")
    if questions <= 1:
        asked = 0.0
    elif questions <= 3:
        asked = questions * _PER_QUESTION
    else:
        asked = _MANY_QUESTIONS
    return min(text.count("!"), _MAX_EXCLAMATIONS) * _PER_EXCLAMATION + asked
