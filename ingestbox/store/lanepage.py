"""What a lane reads to send, and what it could not deliver."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Page:
    """Deliveries of one epoch that a lane takes, one after the other, in columns.

    `parked` are the seqs that the lane has parked before, `damaged` those whose bytes do not match their
    checksum. The lane has looked at all up to `through`, also what it leaves out; `more` is whether there is
    anything after that. Without seqs nothing up to there is the lane's.
    """

    epoch: str
    seqs: tuple[int, ...]
    lines: tuple[bytes, ...]
    parked: frozenset[int]
    damaged: frozenset[int]
    more: bool
    through: int = 0


@dataclass(frozen=True, slots=True)
class Parked:
    """A delivery that could not be delivered, and why."""

    seq: int
    code: str
    message: str
