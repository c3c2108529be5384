"""How large a lane's batches are: as configured, or what has turned out to pass."""

from __future__ import annotations

import math

from ingestbox import config

GROWTH = 1.25
GROW_AFTER, GROW_QUICKLY = 32, 2
"""Batches that have to pass before a larger one is tried: quickly far below a size that was refused, slowly
near it. An upstream that takes only so much refuses one batch in thirty then."""
SPARE = 0.9
"""How much of the compressed limit a batch is meant to fill: not all lines compress alike."""
TELLING = 0.25
"""A batch compressed to less than this much of the limit says little about how larger ones compress."""


class Sizing:
    """The most bytes of a batch before compression, adapted to what the upstream takes and to the limit on
    compressed bytes."""

    def __init__(self, lane: config.Lane) -> None:
        self._most = lane.batch_kb * 1024
        self._packed_most = lane.batch_compressed_kb * 1024
        self._taken = self._fitting = self._most
        self._passed = 0
        self._largest = 0  # that passed, as far as is known
        self._ever = 0  # that passed at all
        self._refused: float = math.inf  # the size that was, last

    @property
    def size(self) -> int:
        """The most bytes to read for a batch."""
        return min(self._taken, self._fitting)

    def fits(self, size: int, packed: int) -> bool:
        """Whether a batch of these sizes, before and after compression, is within the compressed limit."""
        if size and packed > TELLING * self._packed_most:
            self._fitting = max(1, min(self._most, int(size * SPARE * self._packed_most / packed)))
        return packed <= self._packed_most

    def explains(self, size: int) -> bool:
        """Whether a line of so many bytes may be refused for its size by an upstream that is well: any client
        can make such lines, many in a row. One that is smaller than batches that passed is none."""
        return size > self._most or 0 < self._ever < size

    def refused(self, size: int) -> None:
        """A batch of several lines with so many bytes was too large for the upstream."""
        if self._largest >= size:
            self._largest = 0
        self._passed = 0
        self._refused = size
        self._taken = max(1, min(self._taken, self._largest or size // 2))

    def passed(self, size: int) -> None:
        """The upstream took a batch of so many bytes."""
        self._ever = max(self._ever, size)
        if self._taken == self._most:
            return
        self._largest = max(self._largest, size)
        if size >= self._refused:
            self._refused = math.inf
        self._passed += 1
        grown = int(self._taken * GROWTH) + 1
        if self._passed >= (GROW_QUICKLY if grown * GROWTH <= self._refused else GROW_AFTER):
            self._passed = 0
            self._taken = min(self._most, grown)
