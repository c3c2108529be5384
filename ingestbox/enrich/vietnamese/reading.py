"""One text read from left to right: judgements with what changes them, clause by clause.

Every token is looked at a bounded number of times, so the time is linear in the length of the text.
"""

from __future__ import annotations

from typing import ClassVar

from ingestbox.enrich.vietnamese import lexicon as lex
from ingestbox.enrich.vietnamese.closed import (
    ASK,
    ASKING,
    BEFORE,
    COMPARED,
    COMPARING,
    EXPECTED,
    HELPING,
    LATTER,
    NOWHERE,
    QUESTION,
    REQUEST,
    SCOPE,
    SELVES,
    SUPPOSE,
    VOCATIVES,
    WHEREAS,
    WISHED,
)
from ingestbox.enrich.vietnamese.judging import Clause, Judging
from ingestbox.enrich.vietnamese.lexicon import Entry, Node
from ingestbox.enrich.vietnamese.rating import Rating
from ingestbox.enrich.vietnamese.tokens import ASKED, SOFT, Token


class Reading(Rating):
    """What a text says, as it is read."""

    __slots__ = (
        "_but_end",
        "_sentence",
        "_weight",
        "asked",
        "clauses",
        "middling",
        "swing",
        "taught",
        "thanked",
        "turned_at",
        "wished",
    )

    def __init__(self, tokens: list[Token]) -> None:
        """Read `tokens`, which end with an END."""
        super().__init__(tokens)
        self.clauses: list[Clause] = []
        self.middling = 0.0
        self.asked = False
        self.swing = 0.0
        self.turned_at = -1
        self.taught = False
        self.thanked = False
        self.wished = 0.0
        self._sentence = 0
        self._but_end = 1.0
        self._weight = 1.0
        self._read()

    def _read(self) -> None:
        tokens = self._tokens
        i = 0
        count = len(tokens)
        while i < count:
            token = tokens[i]
            node = token.node
            if node is None:
                if token.ends:
                    self._close(i, token.ends)
                elif token.sign:
                    self._sign(token.sign)
                elif token.number >= 0:
                    self._number(i, token.number)
                elif token.rating >= 0:
                    self._rate(token.rating, i)
                elif token.quote:
                    self._quotes = i
                i += 1
                continue
            entry = node.entry
            end = j = i + 1
            # The last token ends a line and continues no phrase, so this stops there.
            follow: Node | None = node.get(tokens[j].word) if j < count else None
            while follow is not None:
                j += 1
                if follow.entry is not None:
                    entry = follow.entry
                    end = j
                follow = follow.get(tokens[j].word)
            if entry is None:
                if token.number >= 0:
                    self._number(i, token.number)
            else:
                self._ACTIONS[entry.kind](self, entry, i, end)
                if entry.noun:
                    self._aspects[entry.noun] = end
                    if entry.noun == "teaching":
                        self.taught = True
            i = end

    def _contrast(self, entry: Entry, start: int, end: int) -> None:
        if entry.value == 2:
            # "còn", "chứ": a contrast only where a clause begins.
            if start == self._begin and self.clauses:
                self._weight *= LATTER
            return
        if entry.value == 3:
            # "ngon mà chật": a contrast only after a judgement, and before something else.
            if not (self._held or self._good or self._bad) or self._closes(end):
                return
            before, after = WHEREAS
        else:
            before, after = (0.55, 1.25) if entry.value == 0 else (0.25, 1.3)
        self._finish(start)
        first = self._sentence
        if first == len(self.clauses) or (
            first == len(self.clauses) - 1 and not self.clauses[first].good + self.clauses[first].bad
        ):
            # It opens its sentence: what it contrasts with is the sentence before.
            first = max(0, first - 1)
            before = 0.5 * (1 + before)
        good = bad = 0.0
        for clause in self.clauses[first:]:
            good += clause.good * clause.weight
            bad += clause.bad * clause.weight
            if clause.weight > before:
                clause.weight *= before
        self.swing = 2.0 if entry.value == 1 else good - bad
        self.turned_at = len(self.clauses)
        self.rated *= 0.6
        self._but_end = after
        self._weight = after
        self._sentence = len(self.clauses)
        self._open(end)

    def _concede(self, entry: Entry, start: int, end: int) -> None:
        if start - self._begin > 1:
            self._finish(start)
            self._open(end)
        self._conceded = True

    def _also(self, entry: Entry, start: int, end: int) -> None:
        self._settle()
        self._pre_end = NOWHERE
        if self._not_at != NOWHERE and start - self._not_at > 1:
            self._not_at = NOWHERE
            self._bad += self._not_value

    def _influence(self, entry: Entry, start: int, end: int) -> None:
        kind = entry.kind
        if kind == lex.THOUGHT:
            self._thought = True
        elif kind == lex.PAST:
            # "hơn máy cũ", "thua cái máy cũ": it is compared with, not told of.
            before = self._tokens[max(0, start - 2) : start]
            self._past = not any(token.word in COMPARED for token in before)
        elif kind == lex.NOW:
            if start and self._tokens[start - 1].number >= 0:
                # "6 giờ" is a time.
                return
            self._weight = max(self._weight, 1.3)
            self._past = False
        elif kind == lex.RIVAL:
            # "ngon hơn mấy quán khác" praises this one.
            self._rival = not start or self._tokens[start - 1].word not in COMPARING
        elif kind == lex.HEARSAY:
            self._hearsay = start - self._begin <= 1
        elif kind == lex.DOUBT:
            self._doubt = True
        elif kind == lex.IF:
            self._if = True
        elif kind == lex.THANKS:
            self.thanked = True

    def _wishes(self, entry: Entry, start: int, end: int) -> None:
        # "đẹp nên mua": after a judgement, "nên" says "so".
        tokens = self._tokens
        if start - self._begin > 3 and end - start == 1 and tokens[end].word in SELVES:
            # "có nhiều hình nên dễ hiểu": it tells what came of it.
            return
        if not (self._held or self._good or self._bad):
            self._wish = max(self._wish, entry.value)

    def _requests(self, entry: Entry, start: int, end: int) -> None:
        if self._tokens[start].word in HELPING and not self._closes(end):
            # "giúp em hiểu bài": it did.
            self._hint += 0.8
            return
        self._request = True
        if self._conditioned:
            # "thẻ bị khóa thì mở thế nào": it may not have happened.
            self._if = True
        self._not_at = NOWHERE

    def _middle(self, entry: Entry, start: int, end: int) -> None:
        self.middling += 0.5 if self._not_at != NOWHERE and start - self._not_at <= SCOPE else 1.0
        self._pre_end = NOWHERE

    def _hints(self, entry: Entry, start: int, end: int) -> None:
        self._hint += -0.8 * entry.value if start - self._not_at <= 1 else entry.value

    def _nothing(self, entry: Entry, start: int, end: int) -> None:
        return

    def _close(self, at: int, ends: int) -> None:
        self._finish(at, asked=ends == ASKED)
        self._open(at + 1)
        if ends != SOFT:
            self._sentence = len(self.clauses)
            self._but_end = 1.0
        self._weight = self._but_end

    def _finish(self, at: int, *, asked: bool = False) -> None:
        """End the clause before `at`, and note what it says."""
        if self._not_at != NOWHERE:
            if self._asks(at) and (asked or self._not_start > self._begin + 1):
                self._settle()
                self._scale(ASK)
                self.asked = True
            elif self._not_start > self._begin or at - self._not_at > 1:
                # About teaching, or a thing that should work, what is not done is missed.
                plain = self._not_at - self._not_start == 1
                expected = self.taught or (plain and not EXPECTED.isdisjoint(self._aspects))
                self._bad += self._not_value * (1.4 if expected else 1.0)
        self._settle()
        if self._hint and not (self._good or self._bad):
            self._good = max(0.0, self._hint)
            self._bad = max(0.0, -self._hint)
        if asked:
            self._scale(QUESTION)
            self.asked = True
        if self._request:
            self._scale(REQUEST)
            self.asked = True
        if self._wish and not asked and not self._request and not self._kept:
            self._scale(WISHED)
            self.wished += self._wish
        if self._if:
            self._scale(SUPPOSE)
        if self._past:
            self._scale(BEFORE)
        if self._rival:
            self._good, self._bad = 0.3 * self._bad, 0.6 * self._good
        if self._hearsay:
            self._good, self._bad = 0.0, self._bad + 0.3 * self._good
        if self._doubt:
            self._good, self._bad = 0.0, self._bad + 0.7 * self._good
        if self._thought:
            self._good, self._bad = 0.4 * self._bad, 0.4 * self._good
        if self._good or self._bad:
            weight = self._weight * (0.5 if self._conceded else 1.0)
            # A bare "tuyệt vời" before or after mere faults is meant the other way round.
            ironic = self._ironic or (self._good >= 3 and at - self._begin <= 4 and not self._aspects)
            self.clauses.append(Clause(self._good, self._bad, weight, ironic=ironic))

    def _asks(self, at: int) -> bool:
        """Whether the clause that ends at `at` ends with "không" or "chưa" and no more than particles."""
        if self._not_at - self._not_start != 1 or self._tokens[self._not_start].word not in ASKING:
            return False
        if at - self._not_at > 4:
            return False
        return all(
            token.sign or token.quote or token.word in VOCATIVES for token in self._tokens[self._not_at : at]
        )

    def _scale(self, shares: tuple[float, float]) -> None:
        self._good *= shares[0]
        self._bad *= shares[1]

    _ACTIONS: ClassVar = {
        **Judging.ACTIONS,
        lex.BUT: _contrast,
        lex.THOUGH: _concede,
        lex.AND: _also,
        lex.THOUGHT: _influence,
        lex.PAST: _influence,
        lex.NOW: _influence,
        lex.RIVAL: _influence,
        lex.WISH: _wishes,
        lex.REQUEST: _requests,
        lex.HEARSAY: _influence,
        lex.HINT: _hints,
        lex.IF: _influence,
        lex.DOUBT: _influence,
        lex.THANKS: _influence,
        lex.MID: _middle,
        lex.NONE: _nothing,
        lex.PARTICLE: _nothing,
    }
