"""The words and short phrases that a text is about.

A text is cut at punctuation, numbers and stop words; what stays in one piece is a phrase of up to three words
(in Vietnamese: of words that may have several syllables). A phrase weighs what its words do: more for those
that return, that are rare in the language or have a capital, less for those that say only how it was.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from math import log
from typing import Final

from ingestbox.enrich.facts import LanguageCode
from ingestbox.enrich.folding import fold, nfc
from ingestbox.enrich.wordlists import wordlist

RULES: Final = "2026.1"
"""Version of the rules and lists, for lineage: it changes whenever an answer can."""

READ: Final = 20_000
"""Characters of a text that are read: of a longer one the first and the last half as many."""

MOST_CHARACTERS: Final = 60
"""Longest keyword; longer ones are no words."""

_LONGEST_PHRASE: Final = 3

_SHORTEST: Final[dict[LanguageCode, int]] = {"vi": 1, "en": 3, "other": 4}
"""Letters of the shortest word that can be a keyword without a capital; short words are seldom
what a text is about."""

_TOKEN: Final = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+|\d+)*|\S")
_ADDRESS: Final = re.compile(r"\S*(?:://|www\.|@)\S*")


_WEAK: Final = 0.4
"""What a word weighs that says only how it was; one of several syllables weighs most."""
_COMPOUND: Final = 1.5
_CAPITAL: Final = 1.3
_TINY: Final = 0.6

_Word = tuple[str, str, float, bool]
"""A word as it stands in the text, as it is counted, what it weighs, and whether it has a capital or several
syllables. A plain tuple, for there are many."""


def keywords(text: str, language: LanguageCode, most: int = 8) -> list[str]:
    """At most `most` keywords, the weightiest first, each as it is spelt where it first occurs.

    Linear in the length of the text; of one over `READ` characters, its two ends are read.
    """
    if len(text) > READ:
        text = f"{text[: READ // 2]}\n{text[-READ // 2 :]}"
    text = nfc(text)
    if "@" in text or "://" in text or "www." in text:
        text = " . ".join(" . " if _ADDRESS.match(part) else part for part in text.split(" "))
    places: dict[tuple[str, ...], int] = {}
    first: list[list[_Word]] = []
    counts: Counter[str] = Counter()
    for words in _vietnamese(text) if language == "vi" else _plain(text, language):
        for piece in _pieces(words):
            keys = tuple([word[1] for word in piece])
            if keys not in places:
                places[keys] = len(first)
                first.append(piece)
            counts.update(keys)
    ranked = sorted((-_weight(first[place], place, counts), place, keys) for keys, place in places.items())
    return _chosen([(first[place], keys) for _, place, keys in ranked], most)


def _chosen(ranked: list[tuple[list[_Word], tuple[str, ...]]], most: int) -> list[str]:
    """The first phrases that say something which those before them do not."""
    said: set[str] = set()
    chosen: list[str] = []
    for words, keys in ranked:
        if len(chosen) == most:
            break
        if said.issuperset(keys):
            continue
        spelt = " ".join([word[0] for word in words])
        if len(spelt) <= MOST_CHARACTERS:
            said.update(keys)
            chosen.append(spelt)
    return chosen


def _weight(words: list[_Word], place: int, counts: Counter[str]) -> float:
    total = 0.0
    for _, key, weight, _ in words:
        count = counts[key]
        total += weight if count == 1 else weight * (1 + log(count))
    longer = (1 + 0.3 * (len(words) - 1)) / len(words)
    return total * longer / (1 + 0.02 * place)


def _pieces(run: list[_Word]) -> Iterator[list[_Word]]:
    """A run in as few pieces of at most three words as there can be, longer ones first; those that are all
    weak are left out."""
    length = len(run)
    number = -(-length // _LONGEST_PHRASE)
    start = 0
    for piece in range(number):
        end = start + -(-(length - start) // (number - piece))
        words = run[start:end]
        for word in words:
            if word[2] != _WEAK:
                yield words
                break
        start = end


def _weigh(key: str, weak: bool, capital: bool) -> float:
    if weak:
        return _WEAK
    return (_CAPITAL if capital else 1.0) * (_TINY if len(key) < 3 else 1.0)


def _plain(text: str, language: LanguageCode) -> Iterator[list[_Word]]:
    """Runs of words between stop words and punctuation, in a language with blanks between its words."""
    stop, weak = _english()
    shortest = _SHORTEST[language]
    run: list[_Word] = []
    begins = True  # a capital says nothing where a sentence begins
    for part in _TOKEN.findall(text):
        lower = part.lower()
        if lower in stop or not lower[0].isalpha():
            stands = False
        else:
            capital = not begins and part[0].isupper()
            stands = capital or len(part) >= shortest
        if stands and ("'" in lower or "’" in lower):
            lower = lower.replace("’", "'").removesuffix("'s")
            part = part.removesuffix("'s").removesuffix("’s")
            stands = lower not in stop
        if stands:
            key = _stem(lower)
            run.append((part, key, _weigh(key, lower in weak, capital), capital))
        elif run:
            yield run
            run = []
        begins = part in _ENDS
    if run:
        yield run


def _stem(word: str) -> str:
    """Without the plural's ending, so that both are counted as one."""
    if word[-1] == "s" and len(word) > 3 and not word.endswith(("ss", "us", "is")):
        return f"{word[:-3]}y" if word.endswith("ies") and len(word) > 4 else word[:-1]
    return word


def _vietnamese(text: str) -> Iterator[list[_Word]]:
    """Runs of Vietnamese words: compounds first, then the syllables between stop words."""
    # Of a text without marks the lists are read without marks, too.
    stop, weak, compounds, longest = _without_marks() if text.isascii() else _with_marks()
    parts = _TOKEN.findall(text)
    lowers = [part.lower() for part in parts]
    run: list[_Word] = []
    compound = capital = False  # of the run
    place, begins = 0, True
    while place < len(parts):
        part, lower = parts[place], lowers[place]
        taken = 0
        if lower in longest:
            for length in range(longest[lower], 1, -1):
                if " ".join(lowers[place : place + length]) in compounds:
                    taken = length
                    break
        if taken:
            if run:
                yield run
            spelt, key = " ".join(parts[place : place + taken]), " ".join(lowers[place : place + taken])
            run, compound, capital = [(spelt, key, _COMPOUND, False)], True, False
        elif lower in stop or not lower[0].isalpha() or (len(part) == 1 and not part.isupper()):
            if run:
                yield run
                run, compound = [], False
        else:
            named, is_weak = not begins and part[0].isupper(), lower in weak
            # "giao hàng nhanh" is one thing; "giao hàng shop" are two, and so are a name and its neighbour.
            if run and ((compound and not is_weak) or named != capital):
                yield run
                run, compound = [], False
            capital = named
            run.append((part, lower, _weigh(lower, is_weak, named), named))
        begins = part in _ENDS
        place += taken or 1
    if run:
        yield run


_ENDS: Final = frozenset(".!?…")


@functools.cache
def _english() -> tuple[frozenset[str], frozenset[str]]:
    found = wordlist("stop_english")
    return found["stop"], found["weak"]


_Lists = tuple[frozenset[str], frozenset[str], frozenset[str], dict[str, int]]
"""Stop words, weak words, compounds, and by the first syllable of these how many the longest has."""


def _lists(stop: Iterable[str], weak: Iterable[str], compounds: Iterable[str]) -> _Lists:
    longest: dict[str, int] = {}
    for each in (known := frozenset(compounds)):
        syllables = each.split(" ")
        longest[syllables[0]] = max(longest.get(syllables[0], 0), len(syllables))
    return frozenset(stop), frozenset(weak), known, longest


@functools.cache
def _with_marks() -> _Lists:
    found, (stop, weak) = wordlist("stop_vietnamese"), _english()
    return _lists(
        found["stop"] | stop, found["weak"] | weak, [each.replace("_", " ") for each in found["compound"]]
    )


@functools.cache
def _without_marks() -> _Lists:
    stop, weak, compounds, _ = _with_marks()
    return _lists(map(fold, stop), map(fold, weak), map(fold, compounds))
