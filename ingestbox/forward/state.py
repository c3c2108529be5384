"""How a lane is, and who hears of what became of its batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from ingestbox.store.lanes import ON_HOLD

OUTSIDE_WINDOW = "outside_window"
"""The reason of a lane that runs, while its schedule lets nothing leave."""


@dataclass(frozen=True, slots=True)
class LaneState:
    """How a lane is. `since_ms` is when it came into this state; `next_try_ms` when it tries again."""

    name: str
    url: str
    state: Literal["running", "retrying", "paused"]
    reason: str | None
    since_ms: int
    next_try_ms: int | None

    @property
    def refused(self) -> bool:
        """Whether it is paused by itself: who put a lane on hold knows."""
        return self.state == "paused" and self.reason != ON_HOLD


Outcome = Literal["delivered", "retried", "split", "refused"]


class Observe(Protocol):
    """Hears what became of the batches."""

    def sent(self, lane: str, outcome: Outcome) -> None:
        """A batch was sent; `retried` ones go again, `split` ones in pieces; after `refused` the lane pauses,
        or the batch's one line is parked."""

    def delivered(self, lane: str, lines: int, parked: int) -> None:
        """Lines were decided for the first time: so many delivered, so many parked."""
