"""The words and short phrases that a text is about.

A text is cut at punctuation, numbers and stop words; what stays in one piece is a phrase of up to three words
(in Vietnamese: of words that may have several syllables). A phrase weighs what its words do: more for those
that return, that are rare in the language or have a capital, less for those that say only how it was.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from math import log
from typing import Final, NamedTuple

from ingestbox.enrich.facts import LanguageCode
from ingestbox.enrich.folding import fold, nfc
from ingestbox.enrich.memory import Memory
from ingestbox.enrich.wordlists import wordlist

RULES: Final = "keywords/2"
"""Version of the rules and lists, for lineage: it changes whenever an answer can."""

READ: Final = 20_000
"""Characters of a text that are read: of a longer one the first and the last half as many."""

MOST_CHARACTERS: Final = 60
"""Longest keyword; longer ones are no words."""

_LONGEST_PHRASE: Final = 3
_BY_WORDS: Final = tuple((1 + 0.3 * (words - 1)) / max(words, 1) for words in range(_LONGEST_PHRASE + 1))
"""By what the sum of its words' weights is multiplied in a phrase of 0, 1, 2 … words."""

_SHORTEST: Final[dict[LanguageCode, int]] = {"vi": 1, "en": 3, "other": 4}
"""Letters of the shortest word that can be a keyword without a capital; short words are seldom
what a text is about."""

_TOKEN: Final = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+|\d+)*|\S")
_WEAK: Final = 0.4
"""What a word weighs that says only how it was; one of several syllables weighs most."""
_COMPOUND: Final = 1.5
_CAPITAL: Final = 1.3
_TINY: Final = 0.6

_Word = tuple[str, str, float, bool]
"""A word as it stands in the text, as it is counted, what it weighs, and whether it has a capital or several
syllables. A plain tuple, for there are many."""

_Part = tuple[_Word | None, _Word | None, bool]
"""What a part of a text is in the middle of a sentence, and where one begins: a word, or None for what parts
words; and whether it ends a sentence."""


def keywords(text: str, language: LanguageCode, most: int = 8) -> list[str]:
    """At most `most` keywords, the weightiest first, each as it is spelt where it first occurs.

    Linear in the length of the text; of one over `READ` characters, its two ends are read.
    """
    if len(text) > READ:
        text = f"{text[: READ // 2]}\n{text[-READ // 2 :]}"
    phrases: dict[tuple[str, ...], list[_Word]] = {}
    counts: dict[str, int] = {}
    for run in _vietnamese(text) if language == "vi" else _plain(text, language):
        for words in (run,) if len(run) <= _LONGEST_PHRASE else _pieces(run):
            for word in words:
                if word[2] != _WEAK:
                    break
            else:
                continue
            keys = tuple([word[1] for word in words])
            if keys not in phrases:
                phrases[keys] = words
            for key in keys:
                counts[key] = counts.get(key, 0) + 1
    ranked = []
    for place, words in enumerate(phrases.values()):
        total = 0.0
        for _, key, weight, _ in words:
            count = counts[key]
            total -= weight if count == 1 else weight * (1 + log(count))
        ranked.append((total * _BY_WORDS[len(words)] / (1 + 0.02 * place), place))
    ranked.sort()
    found = list(phrases.items())
    return _chosen((found[place] for _, place in ranked), most)


def _chosen(ranked: Iterable[tuple[tuple[str, ...], list[_Word]]], most: int) -> list[str]:
    """The first phrases that say something which those before them do not."""
    said: set[str] = set()
    chosen: list[str] = []
    for keys, words in ranked:
        if len(chosen) == most:
            break
        if said.issuperset(keys):
            continue
        spelt = " ".join([word[0] for word in words])
        if len(spelt) <= MOST_CHARACTERS:
            said.update(keys)
            chosen.append(spelt)
    return chosen


def _pieces(run: list[_Word]) -> Iterator[list[_Word]]:
    """A run in as few pieces of at most three words as there can be, longer ones first."""
    length = len(run)
    number = -(-length // _LONGEST_PHRASE)
    start = 0
    for piece in range(number):
        end = start + -(-(length - start) // (number - piece))
        yield run[start:end]
        start = end


def _weigh(key: str, weak: bool, capital: bool) -> float:
    if weak:
        return _WEAK
    return (_CAPITAL if capital else 1.0) * (_TINY if len(key) < 3 else 1.0)


def _cut(piece: str) -> list[str]:
    """The words and signs of what stands between two blanks; an address is as good as a full stop."""
    if "@" in piece or "://" in piece or "www." in piece:
        return ["."]
    return _TOKEN.findall(nfc(piece))


def _plain(text: str, language: LanguageCode) -> Iterator[list[_Word]]:
    """Runs of words between stop words and punctuation, in a language with blanks between its words."""
    run: list[_Word] = []
    begins = True  # a capital says nothing where a sentence begins
    for inside, first, ends in chain.from_iterable(map(_plain_parts(language), text.split())):
        word = first if begins else inside
        begins = ends
        if word is not None:
            run.append(word)
        elif run:
            yield run
            run = []
    if run:
        yield run


@functools.cache
def _plain_parts(language: LanguageCode) -> Callable[[str], Iterable[_Part]]:
    """What makes a piece of a text into its parts."""
    stop, weak = _english()
    shortest = _SHORTEST[language]

    def word(part: str, begins: bool) -> _Word | None:
        lower = part.lower()
        if lower in stop or not lower[0].isalpha():
            return None
        capital = not begins and part[0].isupper()
        if not capital and len(part) < shortest:
            return None
        if "'" in lower or "’" in lower:
            lower = lower.replace("’", "'").removesuffix("'s")
            part = part.removesuffix("'s").removesuffix("’s")
            if lower in stop:
                return None
        key = _stem(lower)
        return part, key, _weigh(key, lower in weak, capital), capital

    def learn(piece: str) -> tuple[_Part, ...]:
        return tuple([(*_once(word(part, False), word(part, True)), part in _ENDS) for part in _cut(piece)])

    return Memory(learn, keep=_is_short).__getitem__


def _once(inside: _Word | None, first: _Word | None) -> tuple[_Word | None, _Word | None]:
    """The two of a part, as one object where they are equal."""
    return inside, inside if first == inside else first


def _stem(word: str) -> str:
    """Without the plural's ending, so that both are counted as one."""
    if word[-1] == "s" and len(word) > 3 and not word.endswith(("ss", "us", "is")):
        return f"{word[:-3]}y" if word.endswith("ies") and len(word) > 4 else word[:-1]
    return word


class _Syllable(NamedTuple):
    """A part of a Vietnamese text: what it is, as in `_Part`, and what it can be with those behind it."""

    inside: _Word | None
    first: _Word | None
    ends: bool
    lower: str
    spelt: str
    follow: dict[str, int] | None
    """Of compounds that it begins: by their second syllable, how many the longest has."""


def _vietnamese(text: str) -> Iterator[list[_Word]]:
    """Runs of Vietnamese words: compounds first, then the syllables between stop words."""
    # Of a text without marks the lists are read without marks, too.
    lists = _without_marks() if text.isascii() else _with_marks()
    compounds = lists.compounds
    parts = [*chain.from_iterable(map(lists.parts, text.split())), _END]
    run: list[_Word] = []
    compound = capital = False  # of the run
    skipped, begins = 0, True
    for place, (inside, first, ends, _, _, follow) in enumerate(parts, start=1):
        if skipped:
            skipped -= 1
            continue
        if (
            follow is not None
            and (longest := follow.get(parts[place].lower))
            and (taken := _compound(parts[place - 1 : place - 1 + longest], compounds))
        ):
            if run:
                yield run
            run, compound, capital, begins = [taken[0]], True, False, False
            skipped = taken[1] - 1
            continue
        word = first if begins else inside
        begins = ends
        if word is None:
            if run:
                yield run
                run, compound = [], False
            continue
        # "giao hàng nhanh" is one thing; "giao hàng shop" are two, and so are a name and its neighbour.
        if run and ((compound and word[2] != _WEAK) or word[3] != capital):
            yield run
            run, compound = [], False
        capital = word[3]
        run.append(word)


def _compound(parts: list[_Syllable], compounds: frozenset[str]) -> tuple[_Word, int] | None:
    """The longest compound at the beginning of `parts`, and how many of them it is made of."""
    for length in range(len(parts), 1, -1):
        key = " ".join([part.lower for part in parts[:length]])
        if key in compounds:
            spelt = " ".join([part.spelt for part in parts[:length]])
            return (spelt, key, _COMPOUND, False), length
    return None


def _is_short(parts: Sequence[object]) -> bool:
    """Whether what a piece of a text consists of is worth to be remembered."""
    return len(parts) <= 4


_ENDS: Final = frozenset(".!?…")
_END: Final = _Syllable(None, None, True, "", "", None)
"""Behind the last part of a text."""


@functools.cache
def _english() -> tuple[frozenset[str], frozenset[str]]:
    found = wordlist("stop_english")
    return found["stop"], found["weak"]


class _Lists(NamedTuple):
    """Vietnamese stop words, weak words and compounds, and what makes a piece of a text into its parts."""

    stop: frozenset[str]
    weak: frozenset[str]
    compounds: frozenset[str]
    parts: Callable[[str], Iterable[_Syllable]]


def _lists(stop: Iterable[str], weak: Iterable[str], compounds: Iterable[str]) -> _Lists:
    stops, weaks, known = frozenset(stop), frozenset(weak), frozenset(compounds)
    follow: dict[str, dict[str, int]] = {}
    for each in known:
        first, second, *others = each.split(" ")
        by_second = follow.setdefault(first, {})
        by_second[second] = max(by_second.get(second, 0), 2 + len(others))

    def word(part: str, lower: str, begins: bool) -> _Word | None:
        if lower in stops or not lower[0].isalpha() or (len(part) == 1 and not part.isupper()):
            return None
        named = not begins and part[0].isupper()
        return part, lower, _weigh(lower, lower in weaks, named), named

    def syllable(part: str) -> _Syllable:
        lower = part.lower()
        inside, first = _once(word(part, lower, False), word(part, lower, True))
        return _Syllable(inside, first, part in _ENDS, lower, part, follow.get(lower))

    def learn(piece: str) -> tuple[_Syllable, ...]:
        return tuple(map(syllable, _cut(piece)))

    return _Lists(stops, weaks, known, Memory(learn, keep=_is_short).__getitem__)


@functools.cache
def _with_marks() -> _Lists:
    found, (stop, weak) = wordlist("stop_vietnamese"), _english()
    return _lists(
        found["stop"] | stop, found["weak"] | weak, [each.replace("_", " ") for each in found["compound"]]
    )


@functools.cache
def _without_marks() -> _Lists:
    marked = _with_marks()
    return _lists(map(fold, marked.stop), map(fold, marked.weak), map(fold, marked.compounds))
