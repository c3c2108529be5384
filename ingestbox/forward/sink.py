"""What a lane and the place it delivers to say to each other: a batch one way, a decision back.

A retry is a decision that is returned, never a loop inside a sink: the lane alone decides when.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from ingestbox.forward.batch import LaneBatch
from ingestbox.model import LaneTest
from ingestbox.store.lanes import Parked


@dataclass(frozen=True, slots=True)
class Gap:
    """Lines that the upstream misses: those strictly between two seqs of the batch's epoch."""

    after: int
    first: int


@dataclass(frozen=True, slots=True)
class Delivered:
    """The upstream has the batch, except for what it rejected; `missing` came never, from earlier ones."""

    rejected: tuple[Parked, ...] = ()
    missing: tuple[Gap, ...] = ()


@dataclass(frozen=True, slots=True)
class Retry:
    """Not now. `after` is the pause the upstream asked for, in seconds; None leaves it to the lane.

    `at_once` asks for another try without a pause: the next one will be made differently.
    """

    reason: str
    after: float | None = None
    at_once: bool = False


@dataclass(frozen=True, slots=True)
class Pause:
    """Not until somebody changed something; the lane only probes. Nothing is dropped. `words` is what the
    upstream says of it, for people: it is no part of what the decision is."""

    reason: str
    words: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Refused:
    """The upstream takes the batch not as it is, for what is in it: which of its lines that is about, the
    lane finds out by sending halves. `code` and `message` are the upstream's words."""

    code: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class TooLarge:
    """The upstream takes no batch of this size: halves may pass. `reason` also holds its words."""

    reason: str


Decision = Delivered | Retry | Pause | Refused | TooLarge


@dataclass(frozen=True, slots=True)
class Parcel:
    """A batch made ready to send. A sink adds to it what it needs; `size` is in bytes, as sent."""

    batch: LaneBatch
    size: int


class Sink(Protocol):
    """A place that batches are delivered to."""

    def pack(self, batch: LaneBatch) -> Parcel:
        """Makes the batch ready: CPU work, called in a thread while an earlier batch is on its way."""

    async def send(self, parcel: Parcel) -> Decision:
        """Sends it once. Raises only for faults of the program; what the network does is a decision."""

    async def test(self) -> LaneTest:
        """Knocks with a batch that has no lines. Raises as `send` does."""

    async def close(self) -> None:
        """Lets go of connections."""
