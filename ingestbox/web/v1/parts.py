"""What the resources of `/v1` are made over."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from ingestbox.family import Family
from ingestbox.identity.guard import Guard
from ingestbox.store import Store


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of a box that `/v1` shows and changes; with and without a running box.

    `ring(job_id)` tells the workers of a job; `snapshot` and `examine` make the reports that the command
    line shows too.
    """

    store: Store
    families: Mapping[str, Family]
    guard: Guard
    ring: Callable[[int], None]
    snapshot: Callable[[], Awaitable[object]]
    examine: Callable[[], Awaitable[object]]
