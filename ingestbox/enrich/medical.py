"""Health terms that a text names, in Vietnamese and English, from lists of our own (`tongues/medical_*.txt`).

A term is found where its words stand, whole and in this order; of terms that begin at one word the longest
counts, and no word is in two.
"""

from __future__ import annotations

import functools
import re
from itertools import accumulate
from typing import Final, Literal, get_args

import msgspec

from ingestbox.enrich.folding import fold, lowered
from ingestbox.enrich.tones import place_all
from ingestbox.enrich.wordlists import phraselist

RULES: Final = "medical/1"
"""Version of the rules and lists, for lineage: it changes whenever an answer can."""

MedicalType = Literal["medical_condition", "disease", "medication", "procedure", "symptom"]

MEDICAL_TYPES: Final[tuple[MedicalType, ...]] = get_args(MedicalType)

_WORD: Final = re.compile(r"\w+")
_PARTED: Final = re.compile(r"(\w+)")
_BETWEEN: Final = frozenset((" ", "-", "'", "’", "/", "\n", "\u00a0", "' ", "’ ", ", ", "–"))
"""What may stand between two words of a term."""

_Terms = dict[str, dict[str, list[tuple[tuple[str, ...], MedicalType]]]]
"""By their first word, then their second (or none): the words behind the first of each term that begins so,
and its type; the longest first."""


class Term(msgspec.Struct, frozen=True, array_like=True):
    """A health term: `text` is exactly `whole[start:end]`, in code points."""

    text: str
    type: MedicalType
    start: int
    end: int


def medical(text: str, language: str) -> list[Term]:
    """The terms of a text (NFC), in order; no two overlap.

    A text in Vietnamese (`vi`) that was typed without marks is read without them; of such, terms of one
    syllable are not told from other words, and left out. Linear in the length of the text.
    """
    plain = language == "vi" and text.isascii()
    terms = _without_marks() if plain else _with_marks()
    pieces = _PARTED.split(place_all(lowered(text)))
    words, gaps = pieces[1::2], pieces[2::2]
    ends = [*accumulate(map(len, pieces))]
    found: list[Term] = []
    beyond = 0
    for place in [place for place, word in enumerate(words) if word in terms]:
        if place < beyond:
            continue
        begins = terms[words[place]]
        following = words[place + 1] if place + 1 < len(words) else ""
        for rest, kind in (*begins.get(following, ()), *begins.get("", ())):
            if _follows(words, gaps, place, rest):
                last = place + len(rest)
                start, end = ends[2 * place], ends[2 * last + 1]
                found.append(Term(text[start:end], kind, start, end))
                beyond = last + 1
                break
    return found


def _follows(words: list[str], gaps: list[str], place: int, rest: tuple[str, ...]) -> bool:
    """Whether the other words of a term stand behind its first, which is at `place`; `gaps` are what stands
    behind each word."""
    beyond = place + 1 + len(rest)
    return tuple(words[place + 1 : beyond]) == rest and _BETWEEN.issuperset(gaps[place : beyond - 1])


@functools.cache
def _with_marks() -> _Terms:
    return _terms([*_listed("medical_vi"), *_plurals(_listed("medical_en"))])


@functools.cache
def _without_marks() -> _Terms:
    plain = [(fold(term), kind) for term, kind in _listed("medical_vi")]
    several = [(term, kind) for term, kind in plain if len(_WORD.findall(term)) > 1]
    return _terms([*several, *_plurals(_listed("medical_en"))])


def _listed(name: str) -> list[tuple[str, MedicalType]]:
    found = phraselist(name)
    return [(term, kind) for kind in MEDICAL_TYPES for term in sorted(found[kind])]


def _plurals(terms: list[tuple[str, MedicalType]]) -> list[tuple[str, MedicalType]]:
    return [*terms, *((f"{term}s", kind) for term, kind in terms if term[-1] not in "sy")]


def _terms(listed: list[tuple[str, MedicalType]]) -> _Terms:
    terms: _Terms = {}
    for term, kind in listed:
        first, *rest = _WORD.findall(place_all(term))
        terms.setdefault(first, {}).setdefault(rest[0] if rest else "", []).append((tuple(rest), kind))
    for begins in terms.values():
        for choices in begins.values():
            choices.sort(key=lambda choice: -len(choice[0]))
    return terms
