"""One spelling for texts that are written in many: composed letters, and letters without their marks."""

from __future__ import annotations

import unicodedata
from typing import Final


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


def nfc(text: str) -> str:
    """The text with its letters composed (Unicode NFC); linear in its length."""
    if text.isascii() or unicodedata.is_normalized("NFC", text):
        return text
    return unicodedata.normalize("NFC", text)


def fold(text: str) -> str:
    """The text in lower case and without diacritics: `Đơn` and `don`, `Straße` and `strasse` become one.

    Composed and decomposed spellings fold alike. Full-width and other compatibility forms become the plain
    ones; a lone surrogate stays. Linear in the length of the text, and folding twice changes nothing.
    """
    if text.isascii():
        return text.lower()
    return text.translate(_folds)


def _folded(character: str) -> str:
    """One character: case folded (ß is ss), taken apart, its marks dropped."""
    # Case folding and taking apart can each make work for the other (ẞ, ﬁ, İ), so once more.
    for _ in range(2):
        apart = unicodedata.normalize("NFKD", character.casefold())
        character = "".join(_SPECIAL.get(each, each) for each in apart if not unicodedata.combining(each))
    return character


_folds: Final = _Folds()
