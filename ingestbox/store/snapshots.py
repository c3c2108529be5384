"""Snapshots: what a store was before an upgrade, each a whole database in `<data>/snapshots/`.

A snapshot is one SQLite file (mode 0600). `ingestbox restore` takes it like a backup: database alone, so that
files that came in later stay, and files that went since are missing.
"""

from __future__ import annotations

import contextlib
import datetime
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ingestbox.store.copying import UNFINISHED, copy_database, sync

FOLDER = "snapshots"
"""The folder in the data folder; it lies on the same disk, so that a snapshot can take the store's place by
renaming it."""

KEPT = 2
"""Snapshots that stay after a good start; older ones go."""

SPARE_BYTES = 64 * 1_048_576
"""What has to be free beside the snapshot: a migration's log, and a box that goes on meanwhile."""

_NAME = re.compile(r"before-upgrade-(\d+)-to-(\d+)-(\d{8}T\d{6}Z)\.db")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A store before an upgrade: `schema` is the number of its last migration, `stamp` when it was made
    (UTC, `20260131T120000Z`)."""

    path: Path
    schema: int
    to: int
    stamp: str


class NoRoomError(Exception):
    """A snapshot does not fit; the text says what there is and what it takes."""


def listed(data: Path) -> list[Snapshot]:
    """The snapshots of a data folder, oldest first."""
    found = [
        Snapshot(path, int(name[1]), int(name[2]), name[3])
        for path in (data / FOLDER).glob("before-upgrade-*.db")
        if (name := _NAME.fullmatch(path.name))
    ]
    return sorted(found, key=lambda each: (each.stamp, each.schema))


def fitting(data: Path, schema: int) -> Snapshot | None:
    """The newest one that a program of this schema can open."""
    return next((each for each in reversed(listed(data)) if each.schema <= schema), None)


def take(
    database: Path, size: int, schema: int, to: int, now_ms: int, tick: Callable[[], object] = lambda: None
) -> Path:
    """Copies the database, of `size` bytes, into the folder beside it; `tick` is called every few MB. Blocks.

    Raises NoRoomError, DamagedCopyError, OSError, sqlite3.Error; nothing of it is left then.
    """
    folder = made(database.parent)
    for left in folder.glob(f"*{UNFINISHED}"):  # of one that was cut off
        left.unlink()
    free = shutil.disk_usage(folder).free
    if free < size + SPARE_BYTES:
        raise NoRoomError(f"it takes {_mb(size + SPARE_BYTES)} MB in {folder}, where {_mb(free)} MB are free")
    target = folder / f"before-upgrade-{schema}-to-{to}-{_stamp(now_ms)}.db"
    target.unlink(missing_ok=True)  # made in this very second by a start that was cut off

    def goes_on() -> bool:
        tick()
        return False

    copy_database(database, target, goes_on)
    return target


def made(data: Path) -> Path:
    """The folder of snapshots; it is made if there is none."""
    folder = data / FOLDER
    if not folder.is_dir():
        folder.mkdir(mode=0o700)
        sync(data)
    return folder


def prune(data: Path) -> None:
    """Removes all but the newest ones, and pieces of those that were cut off. What cannot go stays."""
    with contextlib.suppress(OSError):
        for each in listed(data)[:-KEPT]:
            each.path.unlink()
        for left in (data / FOLDER).glob(f"*{UNFINISHED}"):
            left.unlink()


def _stamp(now_ms: int) -> str:
    return datetime.datetime.fromtimestamp(now_ms / 1000, datetime.UTC).strftime("%Y%m%dT%H%M%SZ")


def _mb(size: int) -> int:
    return -(-size // 1_048_576)
