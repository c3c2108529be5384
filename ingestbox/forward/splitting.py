"""Splitting: a batch that the upstream does not take whole is sent as halves, in order, down to one line."""

from __future__ import annotations

from collections import deque
from itertools import accumulate
from typing import Literal

from msgspec.structs import replace

from ingestbox.forward.batch import LaneBatch

By = Literal["lines", "bytes"]
"""What halves are halves of: of the lines where one is wrong, of the bytes where there are too many."""


class Splitting:
    """The pieces of a batch that are still to be sent. A piece stays the first until it is decided.

    Pieces hold what carries a delivery alone: a skip may be what the upstream does not take, and it says
    nothing. What was decided is committed piece by piece, so that a kill repeats little.
    """

    def __init__(self, batch: LaneBatch) -> None:
        self.told = False  # the log says that the upstream did not take it
        self.parked = 0
        self._chain = batch.after
        self._again = batch.way == "again"
        self._pieces = deque([batch])

    @property
    def done(self) -> bool:
        """Whether nothing is left to be sent."""
        return not self._pieces

    def piece(self) -> LaneBatch:
        """The first piece that is left. Its `after` is what was taken of the batch before it."""
        first = self._pieces[0]
        after = first.first - 1 if self._again and first.seqs else self._chain
        return replace(first, after=after)

    def split(self, by: By) -> None:
        """The first piece becomes two, or at least loses its skips."""
        first = bare(self._pieces.popleft())
        self._pieces.extendleft(reversed(halves(first, by)))

    def first_alone(self) -> None:
        """The first piece becomes one line and the rest."""
        first = bare(self._pieces.popleft())
        self._pieces.extendleft(reversed(_cut(first, 1) if len(first.seqs) > 1 else (first,)))

    def decided(self, *, taken: bool) -> None:
        """The first piece is done with; `taken` by the upstream, or left out of the chain."""
        piece = self._pieces.popleft()
        if taken and piece.seqs:
            self._chain = piece.last


def bare(batch: LaneBatch) -> LaneBatch:
    """The batch without its skips. It still goes through to where it went, and parks what is damaged."""
    if len(batch.open) == len(batch.seqs):
        return batch
    kept = [(seq, line) for seq, line in zip(batch.seqs, batch.lines, strict=True) if seq in batch.open]
    return replace(batch, seqs=tuple(seq for seq, _ in kept), lines=tuple(line for _, line in kept))


def halves(batch: LaneBatch, by: By) -> tuple[LaneBatch, ...]:
    """A bare batch in two, in order; one that has a line alone (or none) as it is."""
    count = len(batch.lines)
    if count < 2:
        return (batch,)
    if by == "lines":
        return _cut(batch, count // 2)
    sums = list(accumulate(map(len, batch.lines)))
    under = sum(1 for each in sums if each * 2 <= sums[-1])
    return _cut(batch, min(max(under, 1), count - 1))


def _cut(batch: LaneBatch, at: int) -> tuple[LaneBatch, LaneBatch]:
    """The first `at` lines and the others. What is damaged goes with the piece that goes through it."""
    seqs, lines = batch.seqs, batch.lines
    through = seqs[at] - 1
    damaged = [each for each in batch.damaged if each.seq <= through]
    lost = batch.size - sum(map(len, lines))  # the bytes of what is damaged
    first = replace(
        batch,
        seqs=seqs[:at],
        lines=lines[:at],
        open=batch.open & frozenset(seqs[:at]),
        damaged=tuple(damaged),
        through=through,
        size=sum(map(len, lines[:at])) + (lost if damaged else 0),
        more=True,
    )
    second = replace(
        batch,
        seqs=seqs[at:],
        lines=lines[at:],
        open=batch.open & frozenset(seqs[at:]),
        damaged=tuple(batch.damaged[len(damaged) :]),
        size=batch.size - first.size,
    )
    return first, second
