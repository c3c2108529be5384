"""Vectors of length one, as bytes (float32, little endian); and their signs, by which near ones are found."""

from __future__ import annotations

import functools
import math
import struct
from collections.abc import Sequence
from operator import add, mul, sub
from typing import Final

import msgspec
import xxhash

WIDTH: Final = 4
"""Bytes of one number."""

MOST: Final = 4_096
"""Numbers that a vector may have."""

BITS: Final = 1_024
"""Signs that a vector has; a longer one has as many as it has numbers, up to the next power of two."""


class Vector(msgspec.Struct, frozen=True, array_like=True):
    """What a text became: by which model (a name that changes whenever a vector of it can), and its numbers.

    A text that says nothing has a vector of zeros, which is near nothing.
    """

    model: str
    numbers: bytes

    @property
    def dimension(self) -> int:
        """How many numbers there are."""
        return len(self.numbers) // WIDTH


@functools.lru_cache(maxsize=16)
def _form(count: int) -> struct.Struct:
    return struct.Struct(f"<{count}f")


def packed(values: Sequence[float]) -> bytes:
    """The numbers, divided by the length of the vector that they make."""
    length = math.sqrt(math.fsum(map(mul, values, values)))
    if length == 0.0:
        return bytes(WIDTH * len(values))
    share = 1.0 / length
    return _form(len(values)).pack(*[value * share for value in values])


def unpacked(numbers: bytes) -> tuple[float, ...]:
    """The numbers again."""
    return _form(len(numbers) // WIDTH).unpack(numbers)


def signs(numbers: bytes) -> bytes:
    """Bits of which the more differ the wider the angle between two vectors is: on which side of each of some
    planes the vector lies.

    The planes are the same for all vectors of a dimension: those of a Hadamard matrix, taken several times
    with other numbers negated. There are more of them than numbers, for what the bits say of the angle is an
    estimate, whose error goes with the root of how many there are.
    """
    values = unpacked(numbers)
    size = 1 << max(3, (len(values) - 1).bit_length())
    padded = [*values, *[0.0] * (size - len(values))]
    bits: list[str] = []
    for flips in _flips(size):
        turned = [*map(mul, padded, flips)]
        for _ in range(size.bit_length() - 1):
            even, odd = turned[::2], turned[1::2]
            turned = [*map(add, even, odd), *map(sub, even, odd)]
        bits += ["1" if value > 0.0 else "0" for value in turned]
    return int("".join(bits), 2).to_bytes(len(bits) // 8, "big")


@functools.lru_cache(maxsize=4)
def _flips(size: int) -> tuple[tuple[float, ...], ...]:
    """Which numbers are negated, for each turn."""
    return tuple(
        tuple(
            1.0 if xxhash.xxh64_intdigest(place.to_bytes(4, "little"), turn) & 1 else -1.0
            for place in range(size)
        )
        for turn in range(max(1, BITS // size))
    )


def cosine(one: Sequence[float], other: Sequence[float]) -> float:
    """How near two vectors are: 1 for the same direction, 0 for nothing in common. Both are of length one."""
    return float(sum(map(mul, one, other)))
