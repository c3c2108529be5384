"""What `/v1/stats` and `/v1/doctor` answer, and `ingestbox status` and `doctor` print."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from ingestbox.store.alarms import Raised
from ingestbox.store.lanes import LaneStatus

Count = Annotated[int, Meta(ge=0)]


class Finding(msgspec.Struct, frozen=True):
    """One check: `ok`, what was seen, and the remedy if it is not."""

    check: str
    ok: bool
    message: str
    remedy: str = ""


class SqliteReport(msgspec.Struct, frozen=True):
    """Which SQLite runs: `pysqlite3` is the one the box brings, `system` the one of this Python."""

    version: str
    source: Literal["pysqlite3", "system"]


class Report(msgspec.Struct, frozen=True):
    """All checks; `ok` when each one is."""

    ok: bool
    sqlite: SqliteReport
    findings: list[Finding]


class Objects(msgspec.Struct, frozen=True):
    """How many objects of a kind there are; `remote` ones came from other boxes."""

    family: str
    kind: str
    remote: bool
    count: Count


class StoreStatus(msgspec.Struct, frozen=True):
    """The store since it was opened: `groups` transactions held `units` units of work."""

    bytes: Annotated[int, Meta(ge=0, description="Size on disk.")]
    waiting: Annotated[int, Meta(ge=0, description="Units that wait to be written.")]
    groups: Count
    units: Count
    largest_group: Count
    failed_groups: Count
    sqlite: Annotated[str, Meta(description="Which SQLite runs.")]
    disk_free_bytes: Annotated[int, Meta(ge=0, description="Free space on its disk.")]


class IssuerStatus(msgspec.Struct, frozen=True):
    """An issuer of tokens: `ok` while its keys can be had, otherwise `detail` says why not."""

    name: str
    ok: bool
    detail: str


class Live(msgspec.Struct, frozen=True):
    """What only a running box knows."""

    url: str
    queue_depth: Annotated[int, Meta(ge=0, description="Jobs that wait for a worker.")]
    worker_restarts: Count
    children: Annotated[int, Meta(ge=0, description="Processes for CPU work that are alive.")]
    child_restarts: Count
    uptime_seconds: Annotated[float, Meta(ge=0, description="Since it was started.")]
    issuers: list[IssuerStatus]


class Status(msgspec.Struct, frozen=True):
    """The whole; `live` is null when no box runs on the data folder."""

    version: str
    box: Annotated[str, Meta(description="The box's id.")]
    epoch: Annotated[str, Meta(description="Which life of the box's store this is.")]
    epoch_since: Annotated[
        str | None,
        Meta(description="When it began: with the box, or when a copy or a restored store was started."),
    ]
    workspace: Annotated[
        str | None, Meta(description="Whose jobs, records, issues and objects are counted; null: everyone's.")
    ]
    jobs: Annotated[dict[str, Count], Meta(description="How many there are, by state.")]
    records: Count
    processed: Annotated[int, Meta(ge=0, description="Records that are not pending any more.")]
    open_issues: Count
    objects: list[Objects]
    alarms: Annotated[list[Raised], Meta(description="What is wrong now, the longest first.")]
    lanes: list[LaneStatus]
    store: StoreStatus
    live: Live | None
