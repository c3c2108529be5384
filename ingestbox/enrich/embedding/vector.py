"""Vectors of length one, as bytes (float32, little endian); and their signs, by which near ones are found."""

from __future__ import annotations

import array
import functools
import math
import struct
import sys
from collections.abc import Iterable, Sequence
from operator import mul
from typing import Final, NamedTuple

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
    length = math.hypot(*values)
    if length == 0.0:
        return bytes(WIDTH * len(values))
    return _form(len(values)).pack(*[value / length for value in values])


def unpacked(numbers: bytes) -> tuple[float, ...]:
    """The numbers again."""
    return _form(len(numbers) // WIDTH).unpack(numbers)


def signs(numbers: bytes) -> bytes:
    """Bits of which the more differ the wider the angle between two vectors is: on which side of each of some
    planes the vector lies. None are set of a vector of zeros, nor of one of other things than numbers.

    The planes are the same for all vectors of a dimension: those of a Hadamard matrix, taken several times
    with other numbers negated. There are more of them than numbers, for what the bits say of the angle is an
    estimate, whose error goes with the root of how many there are.
    """
    values = unpacked(numbers)
    size = 1 << max(3, (len(values) - 1).bit_length())
    turns = _turns(size)
    most = sum(map(abs, values))
    if not 0.0 < most < math.inf:
        return bytes(turns.lanes // 8)
    # All sums are made at once, each in its place of one long number, from 0 to 2 * _MIDDLE there: a tenth of
    # the time that sums of Python's floats take.
    scale = (_MIDDLE - size) / most
    whole = [*map(int, map(scale.__mul__, values)), *[0] * (size - len(values))]
    lanes = int.from_bytes(struct.pack(f"<{size}i", *whole) * (turns.lanes // size), "little")
    lanes = ((lanes ^ turns.top ^ turns.negated) + turns.ones_negated) - turns.middle
    for shift, mask, middle in turns.steps:
        one, other = lanes & mask, lanes >> shift & mask
        lanes = (one + other - middle) | (one + middle - other) << shift
    above = (lanes + turns.middle - turns.one).to_bytes(WIDTH * turns.lanes, "little")[WIDTH - 1 :: WIDTH]
    return int(above.translate(_DIGITS), 2).to_bytes(turns.lanes // 8, "big")


_MIDDLE: Final = 1 << 30
"""What stands for zero in a place of 32 bits."""

_DIGITS: Final = b"0" * 128 + b"1" * 128
"""Whether the highest bit of a place is set."""


class _Turns(NamedTuple):
    """What is the same for all vectors of a size; long numbers have `lanes` places of 32 bits.

    `steps` are those of the transform: how far apart the two are that are added and subtracted, where the
    first ones are, and the middle there.
    """

    lanes: int
    one: int
    middle: int
    top: int
    negated: int
    ones_negated: int
    steps: tuple[tuple[int, int, int], ...]


@functools.lru_cache(maxsize=4)
def _turns(size: int) -> _Turns:
    turns = max(1, BITS // size)
    count, bits = size * turns, 8 * WIDTH
    flips = [
        place
        for place in range(count)
        if not xxhash.xxh64_intdigest((place % size).to_bytes(4, "little"), place // size) & 1
    ]

    def each(places: Iterable[int], value: int) -> int:
        found = array.array("I", bytes(WIDTH * count))
        for place in places:
            found[place] = value
        if sys.byteorder == "big":
            found.byteswap()
        return int.from_bytes(found.tobytes(), "little")

    every, full = range(count), (1 << bits) - 1
    steps = []
    for step in range(size.bit_length() - 1):
        firsts = [place for place in every if not place >> step & 1]
        steps.append((bits << step, each(firsts, full), each(firsts, _MIDDLE)))
    return _Turns(
        count, each(every, 1), each(every, _MIDDLE), each(every, 1 << bits - 1), each(flips, full),
        each(flips, 1), tuple(steps),
    )  # fmt: skip


def cosine(one: Sequence[float], other: Sequence[float]) -> float:
    """How near two vectors are: 1 for the same direction, 0 for nothing in common. Both are of length one."""
    return float(sum(map(mul, one, other)))
