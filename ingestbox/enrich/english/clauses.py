"""The clauses of a text and what each says: one pass over the tokens.

Time is linear in the number of tokens: what is looked at around a token is bounded by the longest expression.
"""

from __future__ import annotations

from typing import Final

from ingestbox.enrich.english import marks
from ingestbox.enrich.english.classes import INVERTED, REFUSALS
from ingestbox.enrich.english.expressions import GAP, Node
from ingestbox.enrich.english.kinds import (
    BECAUSE,
    BUT,
    CONCEDE,
    FORMERLY,
    HARD,
    IRONY,
    NEGATION,
    NEUTRAL,
    NULL,
    OPINION,
    RATING,
    REQUEST,
    SOFT,
    UNTIL,
    VERDICT,
    WISH,
    Meaning,
)
from ingestbox.enrich.english.ratings import rating
from ingestbox.enrich.english.tokens import ASKED, COMMA, PLAIN, QUOTE, Token

NEGATION_REACH: Final = 5
"""How many words after "not" it still turns round."""
CARRIED_REACH: Final = 6
"""How many more after "think" or "feel"."""

_MOST_FILLERS: Final = 2
_AGAINST_GOOD: Final = -0.6
_AGAINST_GOOD_AT_LEAST: Final = -0.9
_AGAINST_BAD: Final = -0.45
_AGAINST_TOPIC: Final = -0.6
_BOOSTED: Final = 0.25
_SHOUTED: Final = 1.2
_RATING_DRAW: Final = 1.6
"""How strongly three stars of five draw towards neutral."""

_STILL_ASKING: Final = frozenset({"and", "so", "hi", "hello", "hey", "or", "also", "then"})
"""Words after which a question may begin."""
_ASKED_WITHIN: Final = 0
_REQUESTS_WITHIN: Final = 3
"""How many words may stand before a request in its clause."""
_REFUSED: Final = 0.8
"""What it says that something does not do or cannot be done, whatever it is."""
_CUT_SHORT: Final = 1.6
"""What a negation says that ends its clause: "It says steel. It's not."."""
_TURNS: Final = frozenset({BUT, BECAUSE, CONCEDE})
_LATE: Final = frozenset({"at", "initially"})
_WITHOUT: Final = 0.9
"""What "no" before an ordinary noun says: feedback names what there is not because it should be there."""


class Clause:
    """What one clause says; `bad` is negative or 0, everything else counts from 0."""

    __slots__ = (
        "after_but",
        "asks",
        "bad",
        "bad_topic",
        "conceded",
        "good",
        "good_topic",
        "hard",
        "ironic",
        "middle",
        "opens",
        "question",
        "sentence",
        "start",
        "weight",
        "words",
    )

    def __init__(self, sentence: int, start: int) -> None:
        self.sentence: Final = sentence
        """Its sentence's number."""
        self.start: Final = start
        """The index of its first token."""
        self.words = 0
        self.good = self.bad = 0.0
        """Judgements."""
        self.good_topic = self.bad_topic = 0.0
        """Topics that are judgements only where nothing is asked."""
        self.hard = 0.0
        """What went wrong, as fact."""
        self.middle = 0.0
        """How strongly it says that it is neither good nor bad."""
        self.weight = 1.0
        self.asks = self.question = self.conceded = self.after_but = self.ironic = False
        self.opens = False
        """Whether it begins with praise that is easily meant otherwise: "Great, …"."""


class Scan:
    """The clauses of a text, and whether it denies what is good or bad: "not great, not bad"."""

    __slots__ = ("clauses", "denied_bad", "denied_good")

    def __init__(self, tokens: list[Token], *, capitals_count: bool) -> None:
        """Read `tokens`; `capitals_count` when a word in capitals stands out from the others."""
        self.clauses: Final[list[Clause]] = [Clause(0, 0)]
        self.denied_good = self.denied_bad = False
        self._read([*tokens, _END], capitals_count)

    def _read(self, tokens: list[Token], capitals_count: bool) -> None:
        clauses = self.clauses
        clause = clauses[0]
        first_of_sentence = 0
        negated_until = -1
        wished = formerly = False
        last = len(tokens) - 1
        i = 0
        while i < last:
            token = tokens[i]
            if token is PLAIN:
                i += 1
                continue
            boundary = token.boundary
            if boundary:
                if boundary == QUOTE:
                    i = self._quoted(tokens, i, clause)
                    continue
                clause.words = i - clause.start
                if boundary == COMMA:
                    clause = Clause(clause.sentence, i + 1)
                else:
                    if boundary == ASKED:
                        for asked in clauses[first_of_sentence:]:
                            asked.question = True
                            asked.asks = asked.asks or tokens[asked.start].word in INVERTED
                    clause = Clause(clause.sentence + 1, i + 1)
                    first_of_sentence = len(clauses)
                clauses.append(clause)
                negated_until = -1
                wished = formerly = False
                i += 1
                continue
            end = i + 1
            meaning = token.meaning
            node = token.start
            if node is not None:
                following = tokens[end]
                goes_on = not node.next.keys().isdisjoint(following.keys)
                if goes_on or following.fills or node.gap is not None:
                    found = _longest(node, tokens, end, _MOST_FILLERS)
                    if found is not None:
                        end, meaning = found
                elif node.meaning is not None:
                    meaning = node.meaning
            if token.number is not None and end == i + 1:
                rated = rating(tokens, i)
                if rated is not None:
                    end, meaning = rated
            if meaning is None:
                if token.negates:
                    if token.word == "no" and not (tokens[end].meaning or tokens[end].boundary):
                        clause.bad_topic -= _WITHOUT
                    elif tokens[end].boundary:
                        if i > clause.start:
                            clause.bad_topic -= _CUT_SHORT
                    elif token.word in REFUSALS and tokens[end].meaning is None and i > clause.start:
                        clause.bad_topic -= _REFUSED
                    negated_until = -1 if i <= negated_until else i + NEGATION_REACH
                elif token.carries and i <= negated_until:
                    negated_until += CARRIED_REACH
                i = end
                continue
            kind, strength = meaning
            if kind <= VERDICT:
                if end == i + 1:
                    if i:
                        strength = _degree(tokens, i, strength)
                    if capitals_count and token.upper:
                        strength *= _SHOUTED
                if i <= negated_until:
                    if strength > 0:
                        self.denied_good = True
                    else:
                        self.denied_bad = True
                    strength = _negated(strength, kind)
                if strength > 0:
                    if wished:
                        strength = 0.0
                    elif formerly:
                        strength *= _AGAINST_GOOD
                    elif kind <= OPINION and i <= clause.start + 1 and not clause.good:
                        clause.opens = True
                if kind == SOFT:
                    if strength > 0:
                        clause.good_topic += strength
                    else:
                        clause.bad_topic += strength
                else:
                    if kind == HARD and strength < 0:
                        clause.hard += strength
                    elif strength > 0:
                        clause.good += strength
                    else:
                        clause.bad += strength
            elif kind == NEUTRAL:
                if i <= negated_until:
                    clause.bad -= strength
                else:
                    clause.middle += strength
            elif kind == RATING:
                strength_of = marks.strength_of(strength)
                if end < last and tokens[end].word == "for" and "NEGING" in tokens[end + 1].keys:
                    strength_of = -4.0
                elif strength_of > 0 and i and tokens[i - 1].word == "was":
                    strength_of = -2.0
                if strength_of >= 0:
                    clause.good += strength_of
                else:
                    clause.bad += strength_of
                clause.middle += max(0.0, _RATING_DRAW - abs(strength_of))
            elif kind == NULL:
                pass
            elif kind in _TURNS:
                before = clauses[first_of_sentence:]
                negated_until = -1
                wished = formerly = False
                if kind == BUT:
                    if i == clauses[first_of_sentence].start:
                        # "However, …" at the start of a sentence speaks about the one before.
                        before = [each for each in clauses[-6:] if each.sentence == clause.sentence - 1]
                    for each in before:
                        each.weight = 0.6
                if kind == CONCEDE and token.word in _LATE:
                    # "I hated it at first" concedes what was said before, too.
                    clause.conceded = True
                elif clause.start < i:
                    clause.words = i - clause.start
                    clause = Clause(clause.sentence, i)
                    clauses.append(clause)
                if kind == BUT:
                    clause.after_but = True
                elif kind == CONCEDE:
                    clause.conceded = True
            elif kind == NEGATION:
                clause.bad_topic += strength
                negated_until = end + NEGATION_REACH
            elif kind == REQUEST:
                # Further on it is told, not asked: "no one could tell me", "this is the third".
                within = _ASKED_WITHIN if token.word in INVERTED else _REQUESTS_WITHIN
                if i <= clause.start + within or end == i + 1 or tokens[i - 1].word in _STILL_ASKING:
                    clause.asks = True
            elif kind == WISH:
                wished = True
                clause.bad_topic += strength
            elif kind == FORMERLY:
                formerly = True
            elif kind == UNTIL:
                start = first_of_sentence
                if i == clauses[start].start and start:
                    start -= 1
                    while start and clauses[start - 1].sentence == clauses[start].sentence:
                        start -= 1
                for each in clauses[start:]:
                    if each.good > 0:
                        each.bad -= 0.8 * each.good
                        each.good = 0.0
            elif kind == IRONY:
                clause.ironic = True
                clause.bad += strength
            i = end
        clause.words = last - clause.start

    def _quoted(self, tokens: list[Token], i: int, clause: Clause) -> int:
        """Read past the quotation mark at `i`; praise of one or two words between marks is no praise."""
        for j in (i + 2, i + 3):
            if j < len(tokens) and tokens[j].boundary == QUOTE:
                meanings = [token.meaning for token in tokens[i + 1 : j]]
                praise = any(each and each.kind <= SOFT and each.strength > 0.5 for each in meanings)
                # A quotation that is the whole text, or nearly, is one.
                if len(tokens) > 6:
                    if praise:
                        clause.bad -= 1.2
                    if not any(each and each.strength < 0 for each in meanings):
                        return j + 1
                return i + 1
        return i + 1


_END: Final = Token(".", boundary=2)


def _longest(node: Node, tokens: list[Token], j: int, fillers: int) -> tuple[int, Meaning] | None:
    """Return where the longest expression through `node` ends, whose next word is at `j`, and its meaning."""
    best = (j, node.meaning) if node.meaning is not None else None
    if node.next:
        k = j
        while True:
            token = tokens[k]
            for key in token.keys:
                child = node.after(key)
                if child is not None:
                    found = _longest(child, tokens, k + 1, fillers)
                    if found is not None and (best is None or found[0] > best[0]):
                        best = found
            if not fillers or not token.fills:
                break
            fillers -= 1
            k += 1
    gap = node.gap
    if gap is not None:
        for k in range(j, min(j + GAP + 1, len(tokens))):
            token = tokens[k]
            if token.boundary:
                break
            for key in token.keys:
                child = gap.after(key)
                if child is not None:
                    found = _longest(child, tokens, k + 1, 0)
                    if found is not None and (best is None or found[0] > best[0]):
                        best = found
    return best


def _degree(tokens: list[Token], i: int, strength: float) -> float:
    """Return `strength` of the word at `i` (> 0) as words of degree before it change it."""
    first = tokens[i - 1]
    if first.word == "too":
        # "too nice" is no praise.
        return strength * 1.2 if strength < 0 else strength * -0.3
    if first.boost:
        strength *= 1 + _BOOSTED * first.boost
    if i > 1 and tokens[i - 2].boost:
        strength *= 1 + _BOOSTED * 0.8 * tokens[i - 2].boost
    return strength


def _negated(strength: float, kind: int) -> float:
    if strength > 0:
        return min(strength * _AGAINST_GOOD, _AGAINST_GOOD_AT_LEAST) if kind != SOFT else -0.8 * strength
    return strength * (_AGAINST_TOPIC if kind == SOFT else _AGAINST_BAD)
