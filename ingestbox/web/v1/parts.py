"""What the resources of `/v1` are made over."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from ingestbox.family import Family
from ingestbox.identity.derived import Derived
from ingestbox.identity.guard import Guard
from ingestbox.identity.passwords import Hasher
from ingestbox.store import Store
from ingestbox.web.v1.progress import Progress
from ingestbox.web.v1.reports import Report, Status


async def _later(erasure_id: int, seconds: float) -> None:
    """A box that does not run carries nothing out; it does so at its next start."""


def _nothing() -> None:
    """The same, of what is new."""


def _nobody(lane: str) -> None:
    """A box that does not run has no lanes at work; they see what is to be sent again at its next start."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of a box that `/v1` shows and changes; with and without a running box.

    `ring(job_id)` tells the workers of a job, `progress` those who watch it; `snapshot` (of a workspace, or
    of all: None) and `examine(quick)` make the reports that the command line shows too.
    `erase(erasure_id, seconds)` carries out an erasure that is stored, and returns when it is at rest, or
    after so long.
    `send_again(lane)` tells a lane that refused lines of it are to be sent again, `wake` all of them that
    there is something new.
    """

    store: Store
    families: Mapping[str, Family]
    guard: Guard
    derived: Derived
    hasher: Hasher
    ring: Callable[[int], None]
    snapshot: Callable[[str | None], Awaitable[Status]]
    examine: Callable[[bool], Awaitable[Report]]
    progress: Progress
    erase: Callable[[int, float], Awaitable[None]] = _later
    send_again: Callable[[str], None] = _nobody
    wake: Callable[[], None] = _nothing
