"""The built-in embedder: hashed pieces of words. Pure, and the same everywhere.

A text is its folded words, so that letters with and without marks are one; each word is itself and its pieces
of three to five letters, so that a slip changes little; two words that follow each other are one thing more,
for in Vietnamese most words have two syllables. Each of these has a place and a sign by its hash. Function
words count for little, and a word that is repeated for less each time.
"""

from __future__ import annotations

import functools
import math
import re
from collections import Counter
from itertools import pairwise
from typing import Final

import xxhash

from ingestbox.enrich.embedding.vector import packed
from ingestbox.enrich.folding import fold
from ingestbox.enrich.memory import Memory
from ingestbox.enrich.wordlists import wordlist

DIMENSION: Final = 256
MODEL: Final = "hashed-ngrams/1"
"""The number changes whenever a vector can."""

_SHORTEST: Final = 3
_LONGEST: Final = 5
_WORD: Final = 40
"""Letters of a word that count."""

_WHOLE: Final = 1.0
_PIECES: Final = 0.8
_PAIR: Final = 0.6
"""What a word weighs, all its pieces together, and a word with the one after it."""

_STOP: Final = 0.1
_WEAK: Final = 0.5
"""What function words, and words of little meaning, weigh."""

_PLACES: Final = DIMENSION - 1

_words = re.compile(r"[^\W_]+").findall


def embed(text: str) -> bytes:
    """The vector of a text (`embedding.vector`). Linear in its length: 1,000 characters take under 1 ms."""
    words = _words(fold(text))
    weights = _weights()
    numbers = [0.0] * DIMENSION
    for word, count in Counter(words).items():
        weight = weights.get(word, 1.0)
        if count > 1:
            weight *= math.sqrt(count)
        for place, share in _learnt(word):
            numbers[place] += weight * share
    for (first, second), count in Counter(pairwise(words)).items():
        weight = min(weights.get(first, 1.0), weights.get(second, 1.0))
        if weight > _STOP:
            place, share = _pairs(f"{first} {second}")
            numbers[place] += share * weight * math.sqrt(count)
    return packed(numbers)


def _spot(piece: str, weight: float) -> tuple[int, float]:
    hashed = xxhash.xxh64_intdigest(piece.encode("utf-8", "surrogatepass"))
    return hashed & _PLACES, weight if hashed >> 63 else -weight


def _learn(word: str) -> tuple[tuple[int, float], ...]:
    """Where a word and its pieces go, and with what weight; those at one place together."""
    word = word[:_WORD]
    marked = f"<{word}>"
    pieces = [
        marked[start : start + size]
        for size in range(_SHORTEST, _LONGEST + 1)
        for start in range(len(marked) - size + 1)
        if size < len(marked)
    ]
    found: Counter[int] = Counter()
    share = _PIECES / math.sqrt(len(pieces)) if pieces else 0.0
    for place, weight in (_spot(f"={word}", _WHOLE), *(_spot(f"~{piece}", share) for piece in pieces)):
        found[place] += weight  # type: ignore[assignment]
    return tuple(found.items())


_learnt: Final = Memory(_learn).__getitem__
_pairs: Final = Memory(lambda pair: _spot(f"+{pair}", _PAIR), most=32_768).__getitem__


@functools.cache
def _weights() -> dict[str, float]:
    """What words weigh that are not worth a whole one; made when first asked for."""
    found: dict[str, float] = {}
    for name in ("english", "vietnamese"):
        lists = wordlist(f"stop_{name}")
        for section, weight in (("weak", _WEAK), ("stop", _STOP)):
            for word in lists.get(section, ()):
                for part in _words(fold(word)) if section == "stop" else [fold(word)]:
                    found[part] = weight
    return found
