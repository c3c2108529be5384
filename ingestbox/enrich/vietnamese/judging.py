"""What one clause says: each judgement as the words around it change it."""

from __future__ import annotations

from typing import ClassVar

from ingestbox.enrich.vietnamese import lexicon as lex
from ingestbox.enrich.vietnamese.closed import (
    ASKING,
    EVENING,
    NONE_OF,
    NOWHERE,
    QUICK,
    REACH,
    SCOPE,
    SOFTENERS,
    SOME,
    SUCH,
    UNITS,
)
from ingestbox.enrich.vietnamese.lexicon import Entry
from ingestbox.enrich.vietnamese.tokens import Token


class Clause:
    """The praise and the faults of one clause, and its weight among the others."""

    __slots__ = ("bad", "good", "ironic", "weight")

    def __init__(self, good: float, bad: float, weight: float, *, ironic: bool) -> None:
        """Make a clause with its sums, both 0 or more."""
        self.good = good
        self.bad = bad
        self.weight = weight
        self.ironic = ironic


class Judging:
    """The judgements of the clause that is open, with the words around them that change them."""

    __slots__ = (
        "_aspects",
        "_bad",
        "_begin",
        "_conceded",
        "_conditioned",
        "_doubt",
        "_good",
        "_hearsay",
        "_held",
        "_held_end",
        "_held_start",
        "_hint",
        "_if",
        "_ironic",
        "_kept",
        "_not_at",
        "_not_kind",
        "_not_start",
        "_not_value",
        "_past",
        "_pre",
        "_pre_end",
        "_quotes",
        "_request",
        "_rival",
        "_soft_not",
        "_thought",
        "_tokens",
        "_turned_of",
        "_turned_to",
        "_wish",
    )

    def __init__(self, tokens: list[Token]) -> None:
        """Judge in `tokens`, which end with an END; no clause is open yet."""
        self._tokens = tokens
        self._quotes = 0
        self._open(0)

    def _open(self, begin: int) -> None:
        self._begin = begin
        self._good = self._bad = 0.0
        self._held = 0.0
        self._held_start = 0
        self._held_end = NOWHERE
        self._not_at = self._not_start = NOWHERE
        self._not_kind = lex.NOT
        self._not_value = 0.0
        self._soft_not = False
        self._pre = 1.0
        self._pre_end = NOWHERE
        self._if = self._past = self._rival = self._thought = self._doubt = self._hearsay = False
        self._wish = self._hint = 0.0
        self._kept = self._conditioned = False
        self._turned_of = self._turned_to = 0.0
        self._request = self._ironic = self._conceded = False
        self._aspects: dict[str, int] = {}

    def _word(self, entry: Entry, start: int, end: int) -> None:
        if not self._strengthens(entry, start, end):
            self._judge(entry.value, start, end)

    def _strengthens(self, entry: Entry, start: int, end: int) -> bool:
        """Whether a judgement only strengthens the one just before it: "ngon kinh khủng" is very good."""
        if entry.post and self._held_end == start and self._held:
            self._held *= entry.post
            self._held_end = end
            return True
        return False

    def _judge(self, value: float, start: int, end: int) -> None:
        """Take the judgement `value` of the tokens from `start` to `end`, with what stands before it."""
        self._settle()
        if start - self._pre_end <= 1:
            value *= self._pre
            self._pre_end = NOWHERE
        if start - self._not_at <= (1 if self._not_kind == lex.RID else SCOPE):
            turned = self._turned(value, end)
            if self._turned_of * value < 0:
                # "không ngon không dở": neither says anything.
                self._neither()
                turned = 0.0
            self._turned_of, self._turned_to = value, turned
            value = turned
        self._held = value
        self._held_start = start
        self._held_end = end
        if self._quotes == start - 1 and value > 0 and start > 0 and self._tokens[start - 1].quote:
            self._held = -0.5 * value

    def _turned(self, value: float, end: int) -> float:
        kind = self._not_kind
        self._not_at = NOWHERE
        if kind == lex.NEVER and self._tokens[end].word in SUCH:
            return 1.2 * value
        if kind in (lex.NOT, lex.NEVER):
            if value > 0:
                # At least as bad as not doing it at all.
                value = max(value, self._not_value)
                word = self._tokens[end].word if end < len(self._tokens) else ""
                return -(0.5 if word in SOFTENERS else 0.8) * value
            return -0.55 * value
        if kind == lex.RID:
            return -0.65 * value
        if value > 0:
            return -0.8 * value
        return value

    def _neither(self) -> None:
        """Take back what the judgement said that was turned round before."""
        if self._turned_to > 0:
            self._good = max(0.0, self._good - self._turned_to)
        else:
            self._bad = max(0.0, self._bad + self._turned_to)

    def _settle(self) -> None:
        if self._held > 0:
            self._good += self._held
        else:
            self._bad -= self._held
        self._held = 0.0
        self._held_end = NOWHERE

    def _aspect(self, entry: Entry, start: int, end: int) -> None:
        if self._held < 0 and start == self._held_end and self._tokens[start].word in QUICK:
            # "hao pin nhanh": what is bad is fast.
            self._held *= 1.2
            return
        if start and self._tokens[start].word in EVENING and self._is_hour(start - 1):
            return
        table = entry.table
        value = entry.value
        if table:
            ahead = self._ahead(end)
            if ahead == "failing" and ahead in table:
                self._judge(table[ahead], start, end)
                if table[ahead] > 0:
                    self._not_at, self._not_kind = end, lex.RID
                return
            last = NOWHERE
            for noun, at in self._aspects.items():
                if at > last and noun in table and start - at <= REACH:
                    last = at
                    value = table[noun]
            if last == NOWHERE and ahead in table:
                value = table[ahead]
        if value:
            self._judge(value, start, end)

    def _is_hour(self, at: int) -> bool:
        """Whether the token at `at` is a number, or a unit of time."""
        token = self._tokens[at]
        return token.number >= 0 or token.word in UNITS

    def _soon(self, entry: Entry, end: int) -> bool:
        """Whether a negation only says how soon: "chưa được hai tuần đã hỏng"."""
        if entry.value < 0.9:
            return False
        tokens = self._tokens
        first = tokens[end]
        if first.ends:
            return False
        second = tokens[end + 1]
        if first.word in UNITS:
            return second.word not in NONE_OF
        return second.word in UNITS and (first.number >= 0 or first.word in SOME)

    def _ahead(self, end: int) -> str:
        """The class of the thing that is named just after `end`, if any."""
        tokens = self._tokens
        for token in tokens[end : end + 2]:
            if token.ends:
                break
            node = token.node
            if node is not None and node.entry is not None and node.entry.noun:
                return node.entry.noun
        return ""

    def _span(self, entry: Entry, start: int, end: int) -> None:
        if start - self._aspects.get("wait", NOWHERE) <= 5 and start - self._not_at > SCOPE:
            self._judge(-1.9, start, end)

    def _end(self, entry: Entry, start: int, end: int) -> None:
        if self._strengthens(entry, start, end):
            return
        if start - self._not_at <= SCOPE and 0 <= entry.value < 1 and self._not_kind == lex.NOT:
            # "không đăng nhập được": cannot.
            if self._closes(end):
                self._not_at = NOWHERE
                self._settle()
                self._held, self._held_end = -1.6, end
            else:
                self._not_value = max(1.2, self._not_value)
            return
        if start in (self._not_at, self._pre_end) or self._closes(end):
            self._judge(entry.value, start, end)

    def _closes(self, end: int) -> bool:
        """Whether a predicate ends at `end`: the clause does, or a word comes that can only follow one."""
        tokens = self._tokens
        token = tokens[end] if end < len(tokens) else None
        if token is None or token.ends or token.sign or token.quote:
            return True
        node = token.node
        if node is None or node.entry is None:
            return False
        kind = node.entry.kind
        return bool(node.entry.post) or kind in (lex.BUT, lex.AND, lex.PARTICLE, lex.NOT)

    def _negate(self, entry: Entry, start: int, end: int) -> None:
        if start - self._not_at <= 1 and self._not_kind == lex.NOT and entry.kind == lex.NOT:
            # Not never: two cancel each other.
            self._not_at = NOWHERE
            self._not_value = 0.0
            return
        if start - self._not_at <= 2 and entry.kind != lex.NOT and self._not_kind == lex.NOT:
            # Lacks nothing, is not rid of anything.
            self._not_at = NOWHERE
            self._not_value = 0.0
            self._settle()
            self._held, self._held_end = (1.0 if entry.kind == lex.LACK else -0.6), end
            return
        if entry.kind == lex.NOT and self._soon(entry, end):
            return
        self._bad += self._not_value if self._not_at != NOWHERE else 0.0
        self._not_at = end
        self._not_start = start
        self._not_kind = entry.kind
        self._not_value = entry.value * (self._pre if start == self._pre_end else 1.0)

    def _degree(self, entry: Entry, start: int, end: int) -> None:
        if entry.post and self._held and start - self._held_end <= 1:
            self._held *= entry.post if entry.post != 1.0 else 1.0
            self._held_end = end
            if entry.ironic and self._held > 0:
                self._ironic = True
            if not entry.pre:
                return
        if entry.pre:
            self._pre = entry.pre
            self._pre_end = end

    def _deny(self, entry: Entry, start: int, end: int) -> None:
        # "không hối hận đâu": what is good because of a negation is not denied again.
        near = self._held > 0 and start - self._held_end <= 1
        if near and self._tokens[self._held_start].word not in ASKING:
            self._held *= -0.8
            self._doubt = True

    def _keeps(self, entry: Entry, start: int, end: int) -> None:
        # "mong thầy tiếp tục phát huy" wishes for more of the same.
        self._kept = True
        self._judge(entry.value, start, end)

    def _conditions(self, entry: Entry, start: int, end: int) -> None:
        # "ai chưa mua thì đừng mua": what is not done is only the condition.
        self._conditioned = True
        if self._not_at != NOWHERE and start - self._not_at > 0:
            self._settle()
            self._not_at = NOWHERE
            self._not_value = 0.0

    ACTIONS: ClassVar = {
        lex.WORD: _word,
        lex.ASPECT: _aspect,
        lex.END: _end,
        lex.NOT: _negate,
        lex.LACK: _negate,
        lex.RID: _negate,
        lex.DEGREE: _degree,
        lex.DENIAL: _deny,
        lex.SPAN: _span,
        lex.NEVER: _negate,
        lex.KEEP: _keeps,
        lex.CONDITION: _conditions,
    }
    """Kind of entry to what it does; each is called with the entry and the tokens' bounds."""
