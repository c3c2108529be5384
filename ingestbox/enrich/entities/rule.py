"""A rule for dates and times: an expression, what its match is, and what else has to be so."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Final

from ingestbox.enrich.entities.found import Found
from ingestbox.enrich.entities.gazetteer import PATTERN, mark
from ingestbox.enrich.entities.numerals import END, counts
from ingestbox.enrich.entities.pattern import Pattern
from ingestbox.enrich.entities.scan import Scan
from ingestbox.enrich.facts import EntityLabel, LanguageCode

Guard = Callable[[Scan, int, str, LanguageCode], bool]
"""Whether what an expression matched at a word is meant: the text, the word, the match, the language."""


class Rule:
    """An expression, the label of what it matches, and what else has to be so.

    `after`: what the second word of a match can be (None: anything), so that most places need no expression.
    """

    __slots__ = ("after", "counted", "guard", "label", "pattern", "rank")

    def __init__(
        self,
        label: EntityLabel,
        source: str,
        guard: Guard | None = None,
        rank: int = 7,
        *,
        after: Collection[str] | None = None,
    ) -> None:
        self.label: EntityLabel = label
        self.pattern = Pattern(source + END)
        self.guard = guard
        self.rank = rank
        self.after = after
        self.counted = False


RULES: Final[dict[str, list[Rule]]] = {}
"""First word in lower case → the rules for what begins with it, in the order in which they are tried."""


def on(words: str, *rules: Rule, after: Collection[str] | None = None, counted: bool = False) -> None:
    """Enters `rules` for each of the blank-separated first `words`; `after`, `counted`: for all of them."""
    mark(words, PATTERN)
    for rule in rules:
        if after is not None:
            rule.after = after
        rule.counted = counted
    for word in words.split():
        RULES.setdefault(word, []).extend(rules)


def first(rules: Iterable[Rule], scan: Scan, i: int, language: LanguageCode) -> Found | None:
    """What the first rule finds that matches at word `i`."""
    low, start = scan.low, scan.starts[i]
    following = scan.lower(i + 1)
    counted: bool | None = None
    for rule in rules:
        after = rule.after
        if after is not None and following not in after:
            continue
        if rule.counted:
            if counted is None:
                counted = counts(scan, i)
            if not counted:
                continue
        match = rule.pattern.match(low, start)
        if match and (rule.guard is None or rule.guard(scan, i, match.group(), language)):
            return Found(rule.rank, start, match.end(), rule.label)
    return None


def vietnamese(scan: Scan, i: int, found: str, language: LanguageCode) -> bool:
    """Not in an English text."""
    return language != "en"


def not_vietnamese(scan: Scan, i: int, found: str, language: LanguageCode) -> bool:
    """Not in a Vietnamese text with marks."""
    return language != "vi" or scan.low.isascii()


def unmarked(scan: Scan, i: int, found: str, language: LanguageCode) -> bool:
    """Vietnamese written without marks."""
    return language != "en" and scan.low.isascii()
