"""The two places of a Vietnamese tone in oa, oe and uy: on the first vowel (hòa), or on the second (hoà)."""

from __future__ import annotations

from typing import Final

SECOND: Final = {
    f"{toned}{second}": f"{first}{marked}"
    for first, second, firsts, seconds in (
        ("o", "a", "òóỏõọ", "àáảãạ"),
        ("o", "e", "òóỏõọ", "èéẻẽẹ"),
        ("u", "y", "ùúủũụ", "ỳýỷỹỵ"),
    )
    for toned, marked in zip(firsts, seconds, strict=True)
}
"""With the tone on the first vowel → with it on the second; lower case, NFC."""

FIRST: Final = {second: first for first, second in SECOND.items()}
"""The other way round."""


def place_tones(word: str) -> str:
    """Return `word` (lower case, NFC) with its tone on the second vowel: hòa becomes hoà."""
    if word.isascii():
        return word
    for first, second in SECOND.items():
        if first in word:
            return word.replace(first, second)
    return word


def place_all(text: str) -> str:
    """Return `text`, in lower case, with all its tones placed as `place_tones` does."""
    for first, second in SECOND.items():
        text = text.replace(first, second)
    return text
