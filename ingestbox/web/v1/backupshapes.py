"""How backups look on the wire."""

from __future__ import annotations

from typing import Literal

import msgspec


class BackupLine(msgspec.Struct, frozen=True):
    """A backup in the folder. `made_at` and what follows are null of a file that is damaged, or none.
    `missing` is how many uploaded files the store names that were not there to be put in."""

    name: str
    bytes: int
    made_at: str | None = None
    box: str | None = None
    epoch: str | None = None
    schema: int | None = None
    version: str | None = None
    scheduled: bool | None = None
    files: int | None = None
    data_bytes: int | None = None
    missing: int | None = None


class BackupRunning(msgspec.Struct, frozen=True):
    """A backup that is being taken: what it is at, and of how many bytes it has done how many at that."""

    name: str
    scheduled: bool
    started_at: str
    step: str
    done_bytes: int
    total_bytes: int


class BackupEnd(msgspec.Struct, frozen=True):
    """How the last backup since the box was started ended; `code` and `detail` say why it failed."""

    name: str
    scheduled: bool
    ended_at: str
    state: Literal["taken", "failed", "cancelled"]
    code: str | None
    detail: str | None


class BackupList(msgspec.Struct, frozen=True):
    """The backups of this box in its folder, the newest first; how the schedule does."""

    folder: str
    schedule: str
    keep: int
    overdue: bool
    running: BackupRunning | None
    last: BackupEnd | None
    backups: list[BackupLine]


class BackupBegun(msgspec.Struct, frozen=True):
    """A backup that was asked for: `backup` is null while it is not taken yet."""

    name: str
    backup: BackupLine | None
