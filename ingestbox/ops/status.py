"""What the box holds and does, in numbers (`ingestbox status`, `GET /v1/stats`)."""

from __future__ import annotations

import msgspec

from ingestbox import __version__
from ingestbox.model import JobState
from ingestbox.store import Store, lanes


class Objects(msgspec.Struct, frozen=True):
    """How many objects of a kind there are; `remote` ones came from other boxes."""

    family: str
    kind: str
    remote: bool
    count: int


class StoreStatus(msgspec.Struct, frozen=True):
    """The store since it was opened: `groups` transactions held `units` units of work."""

    bytes: int
    waiting: int
    groups: int
    units: int
    largest_group: int
    failed_groups: int


class Live(msgspec.Struct, frozen=True):
    """What only a running box knows."""

    url: str
    queue_depth: int
    worker_restarts: int
    children: int
    child_restarts: int


class Status(msgspec.Struct, frozen=True):
    """The whole; `live` is null when no box runs on the data folder."""

    version: str
    box: str
    epoch: str
    jobs: dict[str, int]
    records: int
    processed: int
    open_issues: int
    objects: list[Objects]
    lanes: list[lanes.LaneStatus]
    store: StoreStatus
    live: Live | None


async def snapshot(store: Store, live: Live | None = None) -> Status:
    """Reads it all; the counts are exact and cost a scan of jobs and objects."""
    states = {row[0]: row for row in await store.read("jobs.by_state")}
    objects = await store.read("objects.counts")
    ((open_issues,),) = await store.read("issues.open_count")
    stats = store.stats
    return Status(
        version=__version__,
        box=store.identity.box,
        epoch=store.identity.epoch,
        jobs={state: states[state][1] if state in states else 0 for state in JobState},
        records=sum(row[2] for row in states.values()),
        processed=sum(row[3] for row in states.values()),
        open_issues=open_issues,
        objects=[Objects(family, kind, bool(remote), count) for family, kind, remote, count in objects],
        lanes=await lanes.overview(store),
        store=StoreStatus(
            bytes=store.bytes_on_disk(),
            waiting=store.waiting,
            groups=stats.groups,
            units=stats.units,
            largest_group=stats.largest_group,
            failed_groups=stats.failed_groups,
        ),
        live=live,
    )
