"""What the box holds and does, in numbers (`ingestbox status`, `GET /v1/stats`)."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

from ingestbox import __version__
from ingestbox.clock import iso
from ingestbox.model import JobState
from ingestbox.store import Store, alarms, lanes, tallies
from ingestbox.store.alarms import Raised
from ingestbox.store.engine import version
from ingestbox.web.v1.reports import IssuerStatus, Live, Objects, Status, StoreStatus

__all__ = ["IssuerStatus", "Live", "Objects", "Status", "StoreStatus", "snapshot"]


async def snapshot(
    store: Store,
    workspace: str | None = None,
    live: Live | None = None,
    raised: Sequence[Raised] | None = None,
) -> Status:
    """Reads it all, in a few milliseconds whatever the store holds.

    Jobs, records, issues and objects are those of `workspace` (None: of all); the rest is the box's: an
    administrator of one workspace may see how the box is that it relies on, and nothing of what others have
    in it. `raised` are the alarms as a running box knows them, otherwise they are read.
    """
    found = await store.read_with(lambda tx: tallies.read(tx, workspace))
    if raised is None:
        raised, _ = await alarms.load(store)
    stats = store.stats
    jobs: dict[str, int] = dict.fromkeys(JobState, 0)
    for each in found.jobs:
        jobs[each.state] += each.jobs
    return Status(
        version=__version__,
        box=store.identity.box,
        epoch=store.identity.epoch,
        epoch_since=iso(store.identity.since_ms),
        workspace=workspace,
        jobs=jobs,
        records=sum(each.records for each in found.jobs),
        processed=sum(each.processed for each in found.jobs),
        open_issues=sum(found.issues.values()),
        objects=[Objects(each.family, each.kind, each.remote, each.objects) for each in found.objects],
        alarms=list(raised),
        lanes=await lanes.overview(store),
        store=StoreStatus(
            bytes=store.bytes_on_disk(),
            waiting=store.waiting,
            groups=stats.groups,
            units=stats.units,
            largest_group=stats.largest_group,
            failed_groups=stats.failed_groups,
            sqlite=version(),
            disk_free_bytes=shutil.disk_usage(store.path.parent).free,
        ),
        live=live,
    )
