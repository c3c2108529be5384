"""A text in passages that overlap, each short enough to be found by what it says (contract: knowledge,
Processing 3)."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from typing import Final

import msgspec

from ingestbox.enrich.wordlists import words

RULES: Final = "passages/1"
"""Version of the rules, for lineage: it changes whenever an answer can."""

LENGTH: Final = 1_000
"""Characters of a passage, at most; only the last one of a text may have up to `LEAST` more."""

OVERLAP: Final = 200
"""Characters that a passage shares with the one before it, about: whole sentences where they fit."""

LEAST: Final = 100
"""Characters of the shortest passage, if the text is not shorter itself."""

LONGEST: Final = LENGTH + LEAST

_EARLIEST: Final = LENGTH // 2
"""A passage ends at a sentence's end from here on."""
_OVERLAPS: Final = (OVERLAP // 4, OVERLAP * 3 // 2)
"""Least and most characters of an overlap that begins where a sentence does."""
_MOST_MARKS: Final = 32
"""A letter is not parted from its marks, unless there are more."""

_END: Final = re.compile(r"(?<![.!?…])[.!?…]++[\"'”’»)\]]*+(?=\s)|[。！？]++[」』”]*+|\n")
_LONGEST_ABBREVIATION: Final = 12
_TEXT: Final = re.compile(r"\S")

_ABBREVIATIONS: Final = frozenset(
    words(
        "ts ths bs pgs gs tp tx tt q p cn ks gv nxb vd tr đc ths.bs bs.cki bs.ckii cki ckii ts.bs pgs.ts "
        "gs.ts tnhh dr mr mrs ms prof st jr sr vs e.g i.e eg ie cf al fig no vol pp approx dept inc ltd co "
        "u.s u.k a.m p.m jan feb mar apr jun jul aug sep sept oct nov dec"
    )
)
"""Words that end in a full stop which ends no sentence, in lower case."""


class Passage(msgspec.Struct, frozen=True, array_like=True):
    """`text[start:end]`, in code points; begins and ends with no blank."""

    start: int
    end: int


def passages(text: str) -> list[Passage]:
    """The passages of a text, in order; none if it is blank.

    Together they have all of it besides blanks. Each begins after the one before it begins, and ends after
    that ends. Linear in the length of the text.
    """
    beyond = len(text.rstrip())
    found: list[Passage] = []
    cuts = _cuts(text)
    start = _next_text(text, 0)
    while start < beyond:
        if beyond - start < LONGEST:
            found.append(Passage(start, beyond))
            break
        end = _end(text, start, cuts)
        found.append(Passage(start, _trimmed(text, start, end)))
        following = _next_text(text, end)
        # A passage that began before such a gap would have to bridge it.
        start = following if following - end > OVERLAP else _start(text, end, cuts, start)
    return found


def _cuts(text: str) -> list[int]:
    """Places between sentences, in order: each is where the blanks behind one begin, or a character
    behind."""
    found = []
    for end in _END.finditer(text):
        place = end.end()
        if end[0] == "\n" or not _goes_on(text, end):
            found.append(place)
    return found


def _goes_on(text: str, end: re.Match[str]) -> bool:
    """Whether a sentence goes on behind its signs: a small letter follows, or it is the full stop of an
    abbreviation, an initial or the number of a list."""
    if text[end.end() : end.end() + 2].lstrip()[:1].islower():
        return True
    if end[0] != ".":
        return False
    stop = end.start()
    before = text[max(0, stop - _LONGEST_ABBREVIATION) : stop]
    words_before = before.split()
    if not words_before or before[-1].isspace():
        return False
    word = words_before[-1].lstrip("([“‘\"'")
    if word.isdecimal():
        return len(word) < 3 and text[max(0, stop - len(word) - 1) : stop - len(word)] in ("", "\n")
    return (len(word) == 1 and word.isupper()) or word.lower() in _ABBREVIATIONS


def _end(text: str, start: int, cuts: list[int]) -> int:
    """Where the passage that begins at `start` ends: between sentences, else between words, else anywhere."""
    most = start + LENGTH
    place = bisect_right(cuts, most) - 1
    if place >= 0 and cuts[place] >= start + _EARLIEST:
        return cuts[place]
    for place in range(most, start + _EARLIEST, -1):
        if text[place].isspace():
            return place
    return _before_marks(text, most)


def _start(text: str, end: int, cuts: list[int], before: int) -> int:
    """Where the passage behind the one that ends at `end` begins: with a sentence, else with a word."""
    least, most = _OVERLAPS
    first, beyond = bisect_left(cuts, end - most), bisect_right(cuts, end - least)
    if first < beyond:
        cut = min(cuts[first:beyond], key=lambda cut: abs(end - OVERLAP - cut))
        return _next_text(text, cut)
    for place in range(end - OVERLAP, end - least):
        if text[place].isspace():
            return _next_text(text, place)
    return max(_before_marks(text, end - OVERLAP), before + 1)


def _before_marks(text: str, place: int) -> int:
    """`place`, or before it, where no letter is parted from its marks."""
    for earlier in range(place, place - _MOST_MARKS, -1):
        if not "\u0300" <= text[earlier] <= "\u036f":
            return earlier
    return place


def _next_text(text: str, place: int) -> int:
    found = _TEXT.search(text, place)
    return len(text) if found is None else found.start()


def _trimmed(text: str, start: int, end: int) -> int:
    """`end`, without the blanks before it."""
    return start + len(text[start:end].rstrip())
