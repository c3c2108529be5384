"""One spelling for texts that are written in many: composed letters, and letters without their marks."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

UNSEEN: Final = re.compile("[\u00ad\u200b-\u200f\u2060-\u2064\ufeff]")
"""Characters that take no room, and come along when a text is copied."""


class _Folds(dict[int, str]):
    """For `str.translate`: each character as it is folded by itself, found once.

    Bounded by the characters that there are; a text of every one of them costs some 60 MB once, so that only
    the alphabets in use are kept.
    """

    _KEPT: Final = 0x3000

    def __missing__(self, code: int) -> str:
        folded = _folded(chr(code))
        if code < self._KEPT:
            self[code] = folded
        return folded


_SPECIAL: Final = {
    "đ": "d",
    "ð": "d",
    "ø": "o",
    "ł": "l",
    "ħ": "h",
    "ı": "i",
    "ŧ": "t",
    "æ": "ae",
    "œ": "oe",
    "þ": "th",
}
"""Letters whose mark is no combining character; Unicode leaves them whole."""


MARKS: Final = 30
"""Marks on one letter that count, where they are very many (Unicode annex 15, Stream-Safe Text Format)."""

_STRIDE: Final = 64
_HIDDEN_MARKS: Final = frozenset("\u0f73\u0f75\u0f81")
"""Marks that come apart into others, and are said to be of no class themselves."""


def nfc(text: str) -> str:
    """The text with its letters composed (Unicode NFC); linear in its length.

    Putting the marks of one letter in order takes time by the square of their number: of a letter with more
    than a hundred the first MARKS are kept.
    """
    if text.isascii() or unicodedata.is_normalized("NFC", text):
        return text
    return unicodedata.normalize("NFC", _thinned(text) if _has_long_run(text) else text)


def _is_mark(character: str) -> bool:
    return unicodedata.combining(character) != 0 or character in _HIDDEN_MARKS


def _has_long_run(text: str) -> bool:
    """Whether so many marks follow each other that some place of every stride is among them, and those before
    it are too. Texts of people have one or two."""
    for place in range(_STRIDE - 1, len(text), _STRIDE):
        if _is_mark(text[place]) and all(map(_is_mark, text[place - _STRIDE + 1 : place])):
            return True
    return False


def _thinned(text: str) -> str:
    kept: list[str] = []
    marks = 0
    for character in text:
        marks = marks + 1 if _is_mark(character) else 0
        if marks <= MARKS:
            kept.append(character)
    return "".join(kept)


def fold(text: str) -> str:
    """The text in lower case and without diacritics: `Đơn` and `don`, `Straße` and `strasse` become one.

    Composed and decomposed spellings fold alike. Full-width and other compatibility forms become the plain
    ones; a lone surrogate stays. Linear in the length of the text, and folding twice changes nothing.
    """
    if text.isascii():
        return text.lower()
    return text.translate(_folds)


def lowered(text: str) -> str:
    """The text in lower case, each character at its place: one that would become several stays."""
    lower = text.lower()
    if len(lower) == len(text):
        return lower
    return "".join([small if len(small := letter.lower()) == 1 else letter for letter in text])


def _folded(character: str) -> str:
    """One character: case folded (ß is ss), taken apart, its marks dropped."""
    # Case folding and taking apart can each make work for the other (ẞ, ﬁ, İ), so once more.
    for _ in range(2):
        apart = unicodedata.normalize("NFKD", character.casefold())
        character = "".join(_SPECIAL.get(each, each) for each in apart if not unicodedata.combining(each))
    return character


_folds: Final = _Folds()
