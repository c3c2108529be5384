"""A piece of a passage around what was asked for, and where that stands in it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from ingestbox.enrich.folding import fold, nfc
from ingestbox.enrich.searched import folded, written
from ingestbox.store.terms import Term

LENGTH: Final = 200
"""Characters of a snippet, the marks of what is left out included."""

BEFORE: Final = 40
"""Characters that stand before the first match, at most."""

READ: Final = 4_000
"""Characters of a passage that are read: those of other boxes may be of any length."""

_AS_WRITTEN: Final = 2
"""What a word weighs that stands there as it was asked for; one without its diacritics is 1."""


class Snippet(NamedTuple):
    """Plain text, and where in it what was asked for begins and ends (code points)."""

    text: str
    marks: list[tuple[int, int]]


class _Match(NamedTuple):
    start: int
    end: int
    term: int
    weight: int


class Cutter:
    """Cuts snippets for one question."""

    def __init__(self, terms: Sequence[Term]) -> None:
        self._terms = [term for term in terms if not term.without]
        parts = [f"({_pattern(folded(term.words), term.open)})" for term in self._terms]
        self._find = re.compile("|".join(parts)) if parts else None

    def cut(self, text: str) -> Snippet:
        """Up to LENGTH characters, those in which most of the terms stand; without any, the beginning. Whole
        words, blanks run together. Linear in the length of the text, but for its matches."""
        plain = " ".join(nfc(text[:READ]).split())
        matches = self._matches(plain)
        start = self._best(matches, plain)
        end = min(len(plain), start + LENGTH - 2 * (start > 0))
        if end < len(plain):
            end = _whole(plain, start, end - 2)
        head = "… " if start else ""
        marks = [
            (each.start - start + len(head), each.end - start + len(head))
            for each in matches
            if start <= each.start and each.end <= end
        ]
        return Snippet(head + plain[start:end] + (" …" if end < len(plain) else ""), marks)

    def _matches(self, text: str) -> list[_Match]:
        if self._find is None:
            return []
        bare = fold(text)
        origin = None if len(bare) == len(text) else _origins(text)
        found: list[_Match] = []
        for match in self._find.finditer(bare):
            start, end = match.span()
            if origin is not None:
                start, end = origin[start], origin[end - 1] + 1
            term = (match.lastindex or 1) - 1
            right = self._as_written(written(text[start:end]), self._terms[term])
            found.append(_Match(start, end, term, _AS_WRITTEN if right else 1))
        exact = {each.term for each in found if each.weight == _AS_WRITTEN}
        return [each for each in found if each.weight == _AS_WRITTEN or each.term not in exact]

    @staticmethod
    def _as_written(words: Sequence[str], term: Term) -> bool:
        return (
            len(words) == len(term.words)
            and words[-1].startswith(term.words[-1])
            and (list(words[:-1]) == list(term.words[:-1]))
        )

    @staticmethod
    def _best(matches: Sequence[_Match], text: str) -> int:
        """Where the piece begins that has most of the terms; of equals the first."""
        best, weightiest = 0, 0
        for number, first in enumerate(matches):
            weights: dict[int, int] = {}
            for each in matches[number:]:
                if each.end > first.start + LENGTH - BEFORE:
                    break
                weights[each.term] = max(weights.get(each.term, 0), each.weight)
            if sum(weights.values()) > weightiest:
                best, weightiest = first.start, sum(weights.values())
        if best <= BEFORE or len(text) <= LENGTH:
            return 0
        start = min(best - BEFORE, max(0, len(text) - LENGTH + 2))
        blank = text.find(" ", start, best)
        return blank + 1 if blank >= 0 else best


def _pattern(words: Sequence[str], is_open: bool) -> str:
    """A term as it stands in a folded text: up to five characters may separate its words."""
    end = "" if is_open or not words[-1][-1].isalnum() else r"(?![^\W_])"
    return r"(?<![^\W_])" + r"[\W_]{0,5}".join(map(re.escape, words)) + end


def _whole(text: str, start: int, end: int) -> int:
    """Where the last whole word before a place ends."""
    blank = text.rfind(" ", start, end + 1)
    return blank if blank > start else end


def _origins(text: str) -> list[int]:
    """For each character of the folded text, which one of the text it comes from."""
    return [place for place, character in enumerate(text) for _ in fold(character)]
