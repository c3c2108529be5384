"""What full text is made of: a text's words, as they are written and as they are folded.

Index and query are cut by the same functions, so the engine's own tokenizer only has to split at blanks.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Final, NamedTuple

from ingestbox.enrich.folding import fold, nfc
from ingestbox.enrich.memory import Memory
from ingestbox.enrich.tones import FIRST

SEARCHED: Final = 10_000
"""Characters of one object that are searched, its first ones: what one put costs stays bounded."""

WORD: Final = 64
"""Characters of a word that count: enough for any, and a file in base64 is not worth more."""

FOLDED: Final = "~"
"""Before a word's folded form: no word holds this character, so the two never meet."""

BREAK: Final = "."
"""Between texts, so that no phrase reaches from one into the next; no word is this either."""

FACET: Final = ":"
"""Before what is not text but can be asked for with it, such as a ticket's sentiment."""

_PASSAGE: Final = 1_200
"""Characters of the longest text that is remembered."""

_KEPT: Final = 0x3000
_ALONE: Final = (
    *((0x3040, 0x30FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF)),
    *((0xF900, 0xFAFF), (0x20000, 0x3FFFF)),
)
"""First and last characters of what is written without blanks between words."""
_ONES: Final = ("So",)
_INSIDE: Final = ("L", "M", "N")
_VARIANTS: Final = frozenset((*range(0xFE00, 0xFE10), *range(0x1F3FB, 0x1F400)))
"""How the character before is shown: as text or picture, and the colour of a skin."""

_TONE: Final = re.compile(r"[ou][^\x00-\x7f]")
"""Where the tone may stand in either place."""


class _Cuts(dict[int, str]):
    """For `str.translate`: a character of a word stays; the others go, or become a blank.

    Scripts without blanks between words (Han, Kana) are cut into characters, and so are emoji.
    """

    def __missing__(self, code: int) -> str:
        character = chr(code)
        category = unicodedata.category(character)
        if code in _VARIANTS or category == "Cf":
            cut = ""
        elif category in _ONES or any(first <= code <= last for first, last in _ALONE):
            cut = f" {character} "
        else:
            cut = character if category[0] in _INSIDE else " "
        if code < _KEPT:
            self[code] = cut
        return cut


_cuts: Final = _Cuts()

_words = re.compile(r"[^\W_]+").findall


def written(text: str) -> list[str]:
    """The words of a text as they are written, but for case, composition (NFC) and the place of a
    Vietnamese tone (`hoà` is `hòa`). Linear in the length of the text."""
    return list(chain.from_iterable(map(_written, text.split())))


def folded(words: Sequence[str]) -> list[str]:
    """Words, as `written` gives them, without their diacritics: `đã` is `da`. There may be more of them
    afterwards (`½`). Linear in their length."""
    return list(chain.from_iterable(map(_folded, words)))


class Both(NamedTuple):
    """The words of a text, as `written` and as `folded` gives them."""

    written: Sequence[str]
    folded: Sequence[str]


def both(text: str) -> Both:
    """The words of a text in both ways. One no longer than a passage is remembered for the moment: full text
    asks for it and so does its vector, and for a title every passage of its article does."""
    return _remembered(text) if len(text) <= _PASSAGE else _both(text)


def _both(text: str) -> Both:
    words = written(text)
    return Both(words, folded(words))


_remembered: Final = functools.lru_cache(maxsize=256)(_both)


def _learn_written(piece: str) -> tuple[str, ...]:
    """The words of what stands between two blanks."""
    if piece.isascii():
        return tuple(_cut(piece.lower()))
    return tuple(_cut(_TONE.sub(_as_first, nfc(nfc(piece).lower()))))


def _learn_folded(word: str) -> tuple[str, ...]:
    bare = fold(word)
    if bare == word:
        bare = word  # remembered once
    return (bare,) if bare.isascii() and bare.isalnum() else tuple(_cut(bare))


_written: Final = Memory(_learn_written).__getitem__
_folded: Final = Memory(_learn_folded).__getitem__


def entry(parts: Iterable[Sequence[str]], facets: Sequence[str] = ()) -> list[str]:
    """What the index gets for the parts of one object (its title, its body), each of some texts.

    Folded forms are added for all of it if any of its words has one of its own. The first SEARCHED characters
    count.
    """
    room = SEARCHED
    found: list[list[list[str]]] = []
    plain = True
    for texts in parts:
        found.append([])
        for text in texts:
            taken = text if len(text) <= room else _whole(text, room)
            room -= len(taken)
            plain = plain and taken.isascii()
            found[-1].append(written(taken))
    lines = [f" {BREAK} ".join(map(" ".join, texts)) for texts in found]
    if not plain:
        bare = [f" {BREAK} ".join(" ".join(folded(each)) for each in texts) for texts in found]
        if bare != lines:
            lines = [f"{line} {BREAK} {_marked(one)}" for line, one in zip(lines, bare, strict=True)]
    lines[0] = " ".join([lines[0], *(FACET + facet for facet in facets)])
    return lines


def _marked(line: str) -> str:
    return FOLDED + line.replace(" ", " " + FOLDED) if line else ""


def _whole(text: str, room: int) -> str:
    """The first `room` characters without the word that does not end there: half a word is another word."""
    taken = text[:room]
    return taken.rpartition(" ")[0] or taken


def _cut(text: str) -> list[str]:
    plain = text.isascii() or not _others().search(text)
    words: list[str] = _words(text) if plain else text.translate(_cuts).split()
    if len(max(words, key=len, default="")) > WORD:
        return [word[:WORD] for word in words]
    return words


@functools.cache
def _others() -> re.Pattern[str]:
    """A character that more than `_words` is needed for; made when first asked for, which takes 4 ms."""
    latin = map(chr, (*range(0x80, 0x300), *range(0x1E00, 0x1F00), *range(0x2010, 0x2027)))
    return re.compile(rf"[^\x00-\x7f{''.join(each for each in latin if _cuts[ord(each)] in (each, ' '))}]")


def _as_first(match: re.Match[str]) -> str:
    return FIRST.get(match[0], match[0])
