"""How much of two texts is the same, told by a short number of each: one-permutation MinHash over their
words, taken three at a time.

Sources: Li, Owen and Zhang, One Permutation Hashing (2012); Shrivastava, Optimal Densification for Fast and
Accurate Minwise Hashing (2017); Li and König, b-Bit Minwise Hashing (2010).
"""

from __future__ import annotations

import random
import re
from bisect import bisect_left
from itertools import islice
from typing import Final

import msgspec
from xxhash import xxh3_64_intdigest

from ingestbox.enrich.folding import nfc

VERSION: Final = "01"
"""How every fingerprint begins; it changes whenever an answer can, and others are like none."""

RULES: Final = f"fingerprint/{int(VERSION, 16)}"

_BINS: Final = 64
_SHINGLE: Final = 3
BANDS: Final = 10
"""Parts of a fingerprint by which it is found: who shares one with it may be near it."""

BAND_DIGITS: Final = 6
"""Hexadecimal digits of a band: three of the 64 bytes behind the version."""

NEAR: Final = 0.4
"""Texts that are at least so alike are near-duplicates."""

MOST_WORDS: Final = 100_000
"""Words of a text that are read."""

_LONG_WORDS: Final = 25
"""Characters for each word in a text that has next to no blanks between its words."""

_PUNCTUATION: Final = b"!\"#%&'()*,-./:;<=>?@[]^_`{|}~"
_SHIFT: Final = 58
_WHOLE: Final = re.compile(rf"{VERSION}[0-9a-f]{{128}}")
_CHANCE: Final = 1 / 256


def _detours() -> list[list[int]]:
    """For each bin, in which order others are asked in its place."""
    order = random.Random(9)  # noqa: S311 - the same for ever
    return [order.sample(range(_BINS), _BINS) for _ in range(_BINS)]


_DETOURS: Final = _detours()


class Fingerprint(msgspec.Struct, frozen=True):
    """Of a text: `hex` is all of it, 130 hexadecimal digits, or nothing for a text without words."""

    hex: str

    @property
    def bands(self) -> list[str]:
        """By which it is found in an index, the first to the last; the index makes the same from `hex`."""
        start = len(VERSION)
        return (
            [self.hex[at : at + BAND_DIGITS] for at in range(start, start + BANDS * BAND_DIGITS, BAND_DIGITS)]
            if self.hex
            else []
        )


def fingerprint(text: str) -> Fingerprint:
    """The fingerprint of a text, without regard to case, white space and punctuation around words.

    Linear in the length of the text, of which the first `MOST_WORDS` words are read.
    """
    found = _words(text)
    if not found:
        return Fingerprint("")
    shingles = zip(found, found[1:], found[2:], strict=False) if len(found) >= _SHINGLE else [tuple(found)]
    hashes = sorted(map(xxh3_64_intdigest, map(b" ".join, shingles)))
    least: dict[int, int] = {}
    for place in range(_BINS):
        at = bisect_left(hashes, place << _SHIFT)
        if at < len(hashes) and hashes[at] >> _SHIFT == place:
            least[place] = hashes[at] & 255
    if len(least) < _BINS:
        least |= {
            place: next(least[other] for other in _DETOURS[place] if other in least)
            for place in range(_BINS)
            if place not in least
        }
    return Fingerprint(VERSION + bytes(least[place] for place in range(_BINS)).hex())


def _words(text: str) -> list[bytes]:
    """The words of a text; of one with hardly any blanks, its letters."""
    text = nfc(text).lower()
    pieces = text.encode("utf-8", "surrogatepass").split(None, MOST_WORDS)[:MOST_WORDS]
    if len(text) > _LONG_WORDS * len(pieces):
        letters = filter(str.isalnum, text)
        return [letter.encode() for letter in islice(letters, MOST_WORDS)]
    return [word for piece in pieces if (word := piece.strip(_PUNCTUATION))]


def checked(value: object) -> str:
    """A fingerprint's digits as another program tells them; nothing if they are none."""
    return value if isinstance(value, str) and _WHOLE.fullmatch(value) else ""


def similarity(one: Fingerprint, other: Fingerprint) -> float:
    """About how much of two texts is the same: the groups of words that both have, of those that either has
    (0 to 1; the standard error is 0.06 at most). 0 if a fingerprint is empty or of another version."""
    if not (one.hex.startswith(VERSION) and other.hex.startswith(VERSION)):
        return 0.0
    pairs = zip(bytes.fromhex(one.hex)[1:], bytes.fromhex(other.hex)[1:], strict=True)
    same = sum([first == second for first, second in pairs]) / _BINS
    return max(0.0, (same - _CHANCE) / (1 - _CHANCE))
