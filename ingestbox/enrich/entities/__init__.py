"""What a text names: persons, organisations, places, products, amounts, dates, times and ways to reach someone.

Rules and word lists for English and Vietnamese feedback; a text in another language gets the patterns and the known
names. Time and memory are linear in the length of the text, whatever it holds: every rule begins at a word and looks
at a bounded number of characters or words from there.
"""  # noqa: E501

from __future__ import annotations

from bisect import bisect_right
from typing import Final

from ingestbox.enrich.entities import amounts, contacts, gazetteer, moments
from ingestbox.enrich.entities.found import Found, settle
from ingestbox.enrich.entities.names import names
from ingestbox.enrich.entities.numerals import counts
from ingestbox.enrich.entities.scan import Scan
from ingestbox.enrich.facts import Entity, LanguageCode

RULES: Final = "entities/2"
"""Version of the rules and lists, for lineage: it changes whenever an answer can."""

MOST_CHARS: Final = 100_000
"""Characters of a text that are searched; what is named after that many is not found."""

_COUNTED: Final = frozenset({"a", "an", "few", "several", "couple", "một"})
"""Frequent words that begin nothing but what is counted."""
_BEGINS: Final = gazetteer.FIGURE | gazetteer.OPENING | gazetteer.PATTERN

__all__ = ["MOST_CHARS", "RULES", "entities"]


def entities(text: str, language: LanguageCode) -> list[Entity]:
    """The entities of `text` in order; they do not overlap, and each one's text is `text[start:end]`."""
    scan = Scan(text[: _reach(text)])
    found = _patterns(scan, language)
    if found:
        found = settle(found)
        _take(scan, found)
    kept = found + settle(names(scan, language))
    kept.sort(key=lambda each: each.start)
    entities: list[Entity] = []
    for _, first, last, label in kept:
        start, end = scan.original(first, last)
        entities.append(Entity(text[start:end], label, start, end))
    return entities


def _reach(text: str) -> int:
    """Where the search ends: the last blank within the limit."""
    if len(text) <= MOST_CHARS:
        return len(text)
    return max(text.rfind(" ", 0, MOST_CHARS), text.rfind("\n", 0, MOST_CHARS), MOST_CHARS - 1_000)


def _take(scan: Scan, found: list[Found]) -> None:
    """Marks the words of what the patterns found; both are in order of place."""
    i = 0
    for each in found:
        i = bisect_right(scan.ends, each.start, i)
        while i < scan.n and scan.starts[i] < each.end:
            scan.taken[i] = 1
            i += 1


def _patterns(scan: Scan, language: LanguageCode) -> list[Found]:
    found: list[Found] = []
    if "@" in scan.text:
        found.extend(contacts.emails(scan))
    dots = scan.text.count(".")
    if (dots and dots > scan.text.count(". ") + (scan.text[-1] == ".")) or "://" in scan.text:
        found.extend(contacts.urls(scan))
    flags, words = scan.flags, scan.words
    done = 0
    for i in scan.marked:
        bits = flags[i]
        if not bits & _BEGINS:
            continue
        word = words[i]
        first = word[0]
        if bits & gazetteer.FIGURE:
            start = scan.starts[i]
            if start < done or (i and not scan.gap(i) and not _free(scan, i)):
                continue
            one = (
                contacts.phone(scan, i)
                or amounts.figures(scan, i, language)
                or moments.figures(scan, i, language)
            )
        elif bits & gazetteer.OPENING:
            if i + 1 == scan.n or not flags[i + 1] & gazetteer.FIGURE:
                continue
            one = contacts.phone(scan, i)
        else:
            if scan.starts[i] < done:
                continue
            if i and not scan.gap(i) and words[i - 1].isalnum() and first not in amounts.SIGNS:
                continue
            low = scan.lows[i]
            if low in _COUNTED and scan.lower(i + 1) != "$" and not counts(scan, i):
                continue
            one = amounts.signed(scan, i) if low in amounts.MONEYED else None
            one = one or moments.words(scan, i, language) or amounts.spelled(scan, i)
        if one is not None:
            if (
                found
                and first in "aom"
                and one.start - found[-1].end == 1
                and found[-1].label in ("MONEY", "PERCENT")
            ) and scan.lows[i] in ("a", "an", "một", "mot", "one"):
                continue  # "$5 a month", "1 triệu một đêm": a rate, not a time
            found.append(one)
            done = one.end
    return found


def _free(scan: Scan, i: int) -> bool:
    """Whether figures that touch what is before them may begin something of their own."""
    before = scan.words[i - 1]
    if before in "([\"'~≈=:<>,;*•→" or (not before.isascii() and not before.isalnum()):
        return (
            before not in ":,"
            or i < 2
            or not scan.words[i - 2][-1].isalnum()
            or bool(scan.gap(i - 1))
            or not scan.words[i - 2].isdigit()
        )
    return before == "\n" or (before in "-/" and (i < 2 or bool(scan.gap(i - 1))))
