"""The built-in embedder: hashed pieces of words. Pure, and the same everywhere.

A text is its folded words, so that letters with and without marks are one; each word is itself and its pieces
of three to five letters, so that a slip changes little; two words that follow each other are one thing more,
for in Vietnamese most words have two syllables. Each of these has a place and a sign by its hash. Function
words count for little, and a word that is repeated for less each time.
"""

from __future__ import annotations

import functools
import math
import struct
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from operator import add
from typing import Final

import xxhash

from ingestbox.enrich.embedding.vector import packed
from ingestbox.enrich.folding import fold
from ingestbox.enrich.memory import Memory
from ingestbox.enrich.searched import both, folded, written
from ingestbox.enrich.wordlists import wordlist

DIMENSION: Final = 256
MODEL: Final = "hashed-ngrams/2"
"""The number changes whenever a vector can."""

_SHORTEST: Final = 3
_LONGEST: Final = 5
_WORD: Final = 40
"""Letters of a word that count."""

_PIECES: Final = 0.8
_PAIR: Final = 0.6
"""What all pieces of a word weigh together, and a word with the one after it; the word itself weighs one."""

_FULL: Final = 160
_WEAK: Final = _FULL // 2
_STOP: Final = _FULL // 10
"""What words weigh: any, those of little meaning, and function words."""

_TIMES: Final = 10_000
"""How often a word counts at most."""

_BITS: Final = 32
_FINE: Final = 2_048
"""What is one in the numbers of a word, which are whole ones side by side in a long one: such are added up
in a tenth of the time that floats take."""

_ROOM: Final = (1 << _BITS - 1) // (10 * _FINE)
"""Weights that words have together at most, so that no number leaves its bits; ten is more than a number of
one word comes to, were all of its pieces at one place."""

_HALF: Final = 1 << _BITS - 1
_HALVES: Final = sum(_HALF << _BITS * place for place in range(DIMENSION))
_form: Final = struct.Struct(f"<{DIMENSION}I")
_signed: Final = struct.Struct(f"<{DIMENSION}i")


def embed(text: str) -> bytes:
    """The vector of a text (`embedding.vector`). Linear in its length: 1,000 characters take under 0.3 ms."""
    words = both(text).folded
    weights = _weights()
    alike: dict[int, list[str]] = {}
    paired: dict[str, tuple[int, int, int]] = {}
    for word, count in Counter(words).items():
        weight = weights.get(word, _FULL)
        if weight > _STOP:
            paired[word] = (weight, *_sides(word))
        if count > 1:
            weight = round(weight * math.sqrt(min(count, _TIMES)))
        if weight in alike:
            alike[weight].append(word)
        else:
            alike[weight] = [word]
    numbers = _summed(alike)
    for (first, second), count in Counter(pairwise(words)).items():
        if first in paired and second in paired:
            weight, place, _ = paired[first]
            other, _, turned = paired[second]
            share = _PAIR * _FINE * (weight if weight < other else other)
            if count > 1:
                share *= math.sqrt(count)
            place ^= turned
            if place < DIMENSION:
                numbers[place] += share
            else:
                numbers[place - DIMENSION] -= share
    return packed(numbers)


def _summed(alike: Mapping[int, Sequence[str]]) -> list[float]:
    """The sum of words' numbers, each times its weight."""
    numbers: list[float] = [0.0] * DIMENSION
    total, room = 0, _ROOM
    for weight, words in alike.items():
        most = _ROOM // weight
        for start in range(0, len(words), most):
            some = words[start : start + most]
            if room < weight * len(some):
                numbers = [*map(add, numbers, _apart(total))]
                total, room = 0, _ROOM
            total += weight * sum(map(_learnt, some))
            room -= weight * len(some)
    return [*map(add, numbers, _apart(total))]


def _apart(total: int) -> tuple[int, ...]:
    """The numbers that are side by side in a long one."""
    return _signed.unpack((total + _HALVES ^ _HALVES).to_bytes(_signed.size, "little"))


def _hash(piece: str) -> int:
    return xxhash.xxh64_intdigest(piece.encode("utf-8", "surrogatepass"))


def _learn(word: str) -> int:
    """The numbers of a word: where it and its pieces go, and with what weight."""
    word = word[:_WORD]
    marked = f"<{word}>"
    pieces = [
        marked[start : start + size]
        for size in range(_SHORTEST, _LONGEST + 1)
        for start in range(len(marked) - size + 1)
        if size < len(marked)
    ]
    numbers = [_HALF] * DIMENSION
    share = round(_FINE * _PIECES / math.sqrt(len(pieces))) if pieces else 0
    for piece, weight in ((f"={word}", _FINE), *((f"~{piece}", share) for piece in pieces)):
        hashed = _hash(piece)
        numbers[hashed % DIMENSION] += weight if hashed >> 63 else -weight
    return int.from_bytes(_form.pack(*numbers), "little") - _HALVES


def _learn_sides(word: str) -> tuple[int, int]:
    """What a word gives to the place (and the sign, the highest bit) of a pair of which it is the first, and
    of one of which it is the second."""
    hashed = _hash(f"+{word}")
    return hashed % (2 * DIMENSION), (hashed >> 32) % (2 * DIMENSION)


_learnt: Final = Memory(_learn, most=8_192).__getitem__
_sides: Final = Memory(_learn_sides).__getitem__


@functools.cache
def _weights() -> dict[str, int]:
    """What words weigh that are not worth a whole one; made when first asked for."""
    found: dict[str, int] = {}
    for name in ("english", "vietnamese"):
        lists = wordlist(f"stop_{name}")
        for section, weight in (("weak", _WEAK), ("stop", _STOP)):
            for word in lists.get(section, ()):
                for part in folded(written(word)) if section == "stop" else [fold(word)]:
                    found[part] = weight
    return found
