"""Gaps: what the upstream says that it misses, of what it was sent."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

from ingestbox.forward.batch import LaneBatch
from ingestbox.forward.sink import Gap
from ingestbox.store.lanes import Position

log = logging.getLogger(__name__)


class Gaps:
    """The gap that a lane fills before it goes on: the first of those that the upstream reported last."""

    def __init__(self, lane: str) -> None:
        self._lane = lane
        self._filled: tuple[str, int] | None = None
        self.gap: Gap | None = None
        self.epoch = ""

    def filling(self) -> None:
        """The gap is sent now."""
        assert self.gap is not None  # it is what is sent
        self._filled = (self.epoch, self.gap.after)

    def forget(self) -> None:
        """The lane goes on; what is still missed is reported again."""
        self.gap = None

    def reported(self, batch: LaneBatch, missing: Sequence[Gap], place: Position) -> bool:
        """Turns to the first gap in the answer to a batch. True when filling it did not help.

        Each try must find the gap further on than the last; an upstream that reports the same one again
        would otherwise have the lane send in circles.
        """
        known = [part for gap in missing for part in _sent(gap, place)]
        self.gap = min(known, key=lambda gap: gap.after, default=None)
        self.epoch = batch.epoch
        if self.gap is None:
            if batch.way == "next":
                self._filled = None
            return False
        log.info(
            "The upstream misses lines; they are sent again.",
            extra={"lane": self._lane, "after": self.gap.after, "first": self.gap.first},
        )
        if self._filled is not None and self._filled[0] == batch.epoch and self.gap.after <= self._filled[1]:
            self._filled = None  # the probe may try once more
            return True
        return False


def _sent(gap: Gap, place: Position) -> Iterator[Gap]:
    """The parts of a gap that were sent: up to where the lane is, and what went ahead of its turn.

    What lies between is missed rightly, and comes. A gap that begins there is looked at once that is done.
    """
    part = Gap(gap.after, min(gap.first, place.cursor + 1))
    if part.after + 1 < part.first:
        yield part
    first, last = place.fresh_first, place.fresh_last
    if first is not None and last is not None and gap.after >= first - 1:
        part = Gap(gap.after, min(gap.first, last + 1))
        if part.after + 1 < part.first:
            yield part
