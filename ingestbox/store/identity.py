"""Who this box is, to an upstream."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BoxIdentity:
    """`box` never changes; `epoch` is renewed when numbers of the old one could be used twice."""

    box: str
    epoch: str
