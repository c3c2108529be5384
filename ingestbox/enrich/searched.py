"""What full text is made of: a text's words, as they are written and as they are folded.

Index and query are cut by the same functions, so the engine's own tokenizer only has to split at blanks.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Final

from ingestbox.enrich.folding import fold, nfc

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

_KEPT: Final = 0x3000
_ALONE: Final = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_ONES: Final = ("So",)
_INSIDE: Final = ("L", "M", "N")
_VARIANTS: Final = frozenset((*range(0xFE00, 0xFE10), *range(0x1F3FB, 0x1F400)))
"""How the character before is shown: as text or picture, and the colour of a skin."""

_TONE: Final = re.compile("[ou][àáảãạèéẻẽẹỳýỷỹỵ]")
_OLD: Final = {
    new: old
    for news, olds in (
        ("oà oá oả oã oạ", "òa óa ỏa õa ọa"),
        ("oè oé oẻ oẽ oẹ", "òe óe ỏe õe ọe"),
        ("uỳ uý uỷ uỹ uỵ", "ùy úy ủy ũy ụy"),
    )
    for new, old in zip(news.split(), olds.split(), strict=True)
}


class _Cuts(dict[int, str]):
    """For `str.translate`: a character of a word stays; the others go, or become a blank.

    Scripts without blanks between words (Han, Kana) are cut into characters, and so are emoji.
    """

    def __missing__(self, code: int) -> str:
        character = chr(code)
        category = unicodedata.category(character)
        if code in _VARIANTS or category == "Cf":
            cut = ""
        elif category in _ONES or _ALONE.match(character):
            cut = f" {character} "
        else:
            cut = character if category[0] in _INSIDE else " "
        if code < _KEPT:
            self[code] = cut
        return cut


_cuts: Final = _Cuts()

_LATIN: Final = [*map(chr, (*range(0x80, 0x300), *range(0x1E00, 0x1F00), *range(0x2010, 0x2027)))]
_other = re.compile(
    rf"[^\x00-\x7f{''.join(each for each in _LATIN if _cuts[ord(each)] in (each, ' '))}]"
).search
"""Whether there is a character that more than `_words` is needed for."""

_words = re.compile(r"[^\W_]+").findall


def written(text: str) -> list[str]:
    """The words of a text as they are written, but for case, composition (NFC) and the place of a
    Vietnamese tone (`hoà` is `hòa`). Linear in the length of the text."""
    if text.isascii():
        return _cut(text.lower())
    return _cut(_TONE.sub(_as_old, nfc(nfc(text).lower())))


def folded(words: Sequence[str]) -> list[str]:
    """Words, as `written` gives them, without their diacritics: `đã` is `da`. There may be more of them
    afterwards (`½`). Linear in their length."""
    text = fold(" ".join(words))
    return text.split() if text.isascii() and text.replace(" ", "").isalnum() else _cut(text)


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
    bare = (
        lines if plain else [f" {BREAK} ".join(" ".join(folded(each)) for each in texts) for texts in found]
    )
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
    words: list[str] = text.translate(_cuts).split() if _other(text) else _words(text)
    if len(max(words, key=len, default="")) > WORD:
        return [word[:WORD] for word in words]
    return words


def _as_old(match: re.Match[str]) -> str:
    return _OLD.get(match[0], match[0])
