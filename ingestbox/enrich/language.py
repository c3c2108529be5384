"""The language of a text: Vietnamese (with its marks or without), English, or any other.

Every word gives points to the three, by what it is: a word of a list, a spelling that can be a Vietnamese
syllable, letters and groups of letters that one language has and others have not. The sum decides, so that
a mixed text goes to the language of most of its words. Addresses and numbers say nothing, names say less.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Iterable
from math import exp, log, tanh
from string import ascii_lowercase
from typing import Final, NamedTuple

from ingestbox.enrich.facts import Language, LanguageCode
from ingestbox.enrich.folding import nfc
from ingestbox.enrich.memory import Memory
from ingestbox.enrich.syllables import is_plain_syllable, is_syllable
from ingestbox.enrich.wordlists import wordlist, words

RULES: Final = "language/2"
"""Version of the rules and lists, for lineage: it changes whenever an answer can."""

SAMPLED: Final = 4_096
"""Characters of a text that are looked at; of a longer one, as many in windows spread over it."""

_WINDOWS: Final = 8
_BITS: Final = 24
_MASK: Final = (1 << _BITS) - 1
_LONGEST: Final = 40
"""Letters of the longest word that is looked at; past that it is noise."""
_PER_CHARACTER: Final = 1.25
"""Points for each letter of a script that writes no blanks between words, where about two make a word."""

_CODES: Final[tuple[LanguageCode, ...]] = ("vi", "en", "other")
_SHARPNESS: Final = 0.75
"""How much a point tells, fitted on samples so that the confidence is the share of right answers."""
_DOUBT: Final = (0.0, 0.0, 0.35)
"""Points of a text that has said nothing yet."""
_MOST: Final = 0.995


_BORROWED: Final = 1.7
"""Points for English of a word that Vietnamese uses too."""
_PER_SYLLABLE: Final = 0.4
"""Points for each word of a text in which every one can be a Vietnamese syllable."""


class _Points(NamedTuple):
    """What a word tells; `syllable` is 1 for what can be one in Vietnamese, without its marks."""

    vi: float
    en: float
    other: float
    syllable: int = 0


_WORD: Final = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_SAYS_NOTHING: Final = re.compile(
    r"://|www\.|[@_\\{}]|<\w|\(\)|\w=\w"
    r"|\w\.(?:app|com|co|dev|docx?|edu|gov|html?|info|io|jpe?g|js|net|org|pdf|php|png|py|shop|txt|vn|xlsx?)\b"
)
"""What an address, a handle or code has: all between the blanks around it is left out."""
_DRAWN_OUT: Final = re.compile(r"(.)\1{2,}")
# Sets, for an expression with such letters takes a millisecond to make.
_OWN: Final = frozenset("ăđơưĩũ" + "".join(map(chr, range(0x1EA0, 0x1EFA)))) - {"ẽ"}
"""Letters that, of the languages that are common, Vietnamese alone has (ă and đ: nearly)."""
_LETTERS: Final = _OWN | frozenset(ascii_lowercase + "'’âêôàáãèéìíòóõùúýẽ")
"""Letters, and signs inside words, of Vietnamese and English."""

_english = wordlist("english")
_vietnamese = wordlist("vietnamese")
_other = wordlist("other")
_borrowed: Final = frozenset(words("café cafés naïve résumé décor fiancé fiancée crème cliché"))


def language(text: str) -> Language:
    """The language of `text` and how likely it is to be that one; looks at `SAMPLED` characters at most."""
    if len(text) > SAMPLED:
        text = _sample(text)
    pieces = text.split()
    total = sum(map(_look_up, pieces))
    if not total:
        return _NOTHING
    for piece in pieces:
        if points := _known[piece]:
            total += _known_first[piece] - points
            break
    vi, en, other, syllables, found = _unpacked(total)
    if syllables == found > 1:
        vi += _PER_SYLLABLE * syllables
    return _judged(vi + _DOUBT[0], en + _DOUBT[1], other + _DOUBT[2])


def _sample(text: str) -> str:
    """Windows spread evenly over a long text, the first at its start and the last at its end."""
    size = SAMPLED // _WINDOWS
    step = (len(text) - size) / (_WINDOWS - 1)
    return " ".join(text[int(number * step) : int(number * step) + size] for number in range(_WINDOWS))


_NOTHING: Final = Language("other", 0.34)


def _judged(vi: float, en: float, other: float) -> Language:
    points = (vi, en, other)
    best = max(points)
    total = sum(exp(max(_SHARPNESS * (each - best), -50.0)) for each in points)
    return Language(_CODES[points.index(best)], round(min(1 / total, _MOST), 4))


def _pack(points: Iterable[_Points]) -> int:
    """The sums of points, in thousandths, of syllables and of words: side by side in one number, so that
    those of a text's pieces are added up at once. Of `SAMPLED` characters none needs more than its bits."""
    vi = en = other = 0.0
    syllables = words = 0
    for each in points:
        vi += each.vi
        en += each.en
        other += each.other
        syllables += each.syllable
        words += 1
    packed = 0
    for part in (round(1_000 * vi), round(1_000 * en), round(1_000 * other), syllables, words):
        packed = packed << _BITS | part
    return packed


def _unpacked(packed: int) -> tuple[float, float, float, int, int]:
    return (
        (packed >> 4 * _BITS) / 1_000,
        (packed >> 3 * _BITS & _MASK) / 1_000,
        (packed >> 2 * _BITS & _MASK) / 1_000,
        packed >> _BITS & _MASK,
        packed & _MASK,
    )


def _words(piece: str) -> list[str]:
    """The words of a piece of text between two blanks; none of an address, a handle or code."""
    return [] if _SAYS_NOTHING.search(piece) else _WORD.findall(nfc(piece))


def _learn(piece: str) -> int:
    return _pack(map(_points_of, _words(piece)))


def _learn_first(piece: str) -> int:
    """The same for the piece that begins a text: there a capital says nothing."""
    found = _words(piece)
    return _pack(map(_points_of, [found[0].lower(), *found[1:]]))


_known: Final = Memory(_learn)
_known_first: Final = Memory(_learn_first)
_look_up: Final = _known.__getitem__


def _points_of(word: str) -> _Points:
    """What one word tells, as it is written; its letters may be repeated to draw it out."""
    first = ord(word[0])
    if first >= 0x370 and not 0x1D00 <= first < 0x1F00:  # another script than the Latin one
        return _Points(0.0, 0.0, _PER_CHARACTER * len(word) if first >= 0xE00 else 3.0)
    if len(word) > _LONGEST:
        return _Points(0.0, 0.0, 0.3)
    lower = _DRAWN_OUT.sub(r"\1", word.lower().replace("’", "'"))
    points = _plain(lower) if lower.isascii() else _marked(lower)
    # Names begin with a capital; where every first word does, it says nothing about it.
    weight = 0.6 if len(word) > 1 and word[0].isupper() and word[1:].islower() else 1.0
    return _Points(weight * points.vi, weight * points.en, weight * points.other, points.syllable)


def _marked(word: str) -> _Points:
    """A word with letters that are not ASCII."""
    if word in _borrowed:
        return _Points(0.0, 1.0, 1.0)
    if not _LETTERS.issuperset(word):
        return _Points(0.0, 0.0, 3.0)
    if is_syllable(word):
        if not _OWN.isdisjoint(word):
            return _Points(3.5, 0.0, 0.0)
        if word in _vietnamese["marked"]:
            return _Points(3.0, 0.0, 1.5 if word in _other["strong"] else 0.5)
        return _Points(2.0, 0.0, 2.5 if word in _other["strong"] else 1.0)
    if word in _vietnamese["teencode"]:
        return _Points(2.5, 0.0, 0.0)
    if not _OWN.isdisjoint(word):  # misspelt, or two written as one
        return _Points(1.5, 0.0, 1.0)
    return _Points(0.0, 0.0, 2.5)


def _plain(word: str) -> _Points:
    """A word in ASCII letters: of a list, or of one or the other by its groups of letters."""
    vi = en = other = 0.0
    syllable = int(is_plain_syllable(word))
    if word in _english["shared"]:
        en = 1.5
    elif word in _english["function"]:
        en = 2.5
    elif word in _english["common"]:
        en = 2.2
    if word in _vietnamese["weight3"]:
        vi = 2.8
    elif word in _vietnamese["clear"]:
        vi = 2.0
    elif word in _vietnamese["teencode"]:
        vi = 1.8
    elif syllable:
        vi = 1.0
    elif word in _vietnamese["loan"]:
        vi = 0.9
    if word in _other["strong"]:
        other = 2.5
    elif word in _other["weak"]:
        other = 1.0
    if en:
        vi, other = min(vi, 1.2), min(other, 1.2)
        if word in _vietnamese["loan"]:
            vi, en = max(vi, 0.9), min(en, _BORROWED)
    if en or other or vi > 1.0:
        return _Points(vi, en, other, syllable)
    lean = _lean(word)
    scale = 0.6 if vi else 1.6
    return _Points(vi, scale * (0.5 + lean / 2), scale * (0.5 - lean / 2), syllable)


def _lean(word: str) -> float:
    """From -1 (another language) to 1 (English), by its groups of three letters."""
    grams, telling = _grams(word), _learnt()
    return tanh(2 * sum(telling.get(gram, 0.0) for gram in grams) / max(len(grams), 4))


def _grams(word: str) -> list[str]:
    framed = f"^{word}$"
    return [framed[start : start + 3] for start in range(len(framed) - 2)]


@functools.cache
def _learnt() -> dict[str, float]:
    """How much more likely each group of letters is in the English words than in the others; made when first
    asked for, which takes 10 ms."""
    known = _english["function"] | _english["common"]
    ours = Counter(gram for word in known for gram in _grams(word))
    theirs = Counter(gram for word in _other["strong"] - known if word.isascii() for gram in _grams(word))
    ratio = (sum(theirs.values()) + 1) / (sum(ours.values()) + 1)
    grams = ours.keys() | theirs.keys()
    return {gram: log((ours[gram] + 0.5) / (theirs[gram] + 0.5) * ratio) for gram in grams}
