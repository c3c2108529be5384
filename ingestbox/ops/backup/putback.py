"""What was extracted takes the place of what is in a data folder, by renaming alone.

All of it lies in `<data>/restoring/` first. The plan there is the moment from which on the restored box
counts: without one a start removes what is there, with one it goes on with it. Renaming takes no room, and
each step may have been done before, so that a stop at any point leaves the old box or the restored one. What
was there moves to a folder beside it; nothing is deleted.

All of this is within the data folder, since that may be a mount point, or its parent closed to whoever runs
the box. So the folder, its owner and its lock stay what they are, too.
"""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path
from typing import Final

import msgspec

from ingestbox.errors import StartupError
from ingestbox.store import DATABASE
from ingestbox.store.copying import sync

STAGE: Final = "restoring"
NEW: Final = "new"
PLAN: Final = "plan.json"
ASIDE: Final = "before-restore-"

DEPENDENT: Final = (
    *(f"{DATABASE}-{end}" for end in ("wal", "shm", "journal")),
    "upgrading",
    "upgrade-failed",
)
"""What belongs to the database that was there, and must not be found beside another."""

log = logging.getLogger(__name__)


class Plan(msgspec.Struct, frozen=True):
    """What comes and what goes, by its name in the data folder: `names`, the database first, of which some
    may not be in the backup; and the folder in the data folder that all goes to which was called so."""

    names: list[str]
    aside: str


def staged(data: Path) -> Path:
    """An empty folder for what is to come. Raises OSError."""
    stage = data / STAGE
    if stage.exists():
        shutil.rmtree(stage)
    for folder in (stage, stage / NEW):
        folder.mkdir(mode=0o700)
        _own(folder, data)  # whose box ends what is cut off
    sync(data)
    return stage / NEW


def commit(data: Path, plan: Plan) -> None:
    """From now on what is staged counts. All of it is on the disk. Raises OSError."""
    stage = data / STAGE
    unfinished = stage / f"{PLAN}.part"
    unfinished.write_bytes(msgspec.json.encode(plan))
    _own(unfinished, data)
    sync(unfinished)
    sync(stage)
    unfinished.rename(stage / PLAN)
    sync(stage)


def finish(data: Path) -> Plan | None:
    """Ends a restore that was cut off, or just begun: puts what is staged in its place if it counts, and
    removes it otherwise. The plan that was carried out, or None. The caller holds the folder's lock.

    Raises OSError.
    """
    stage = data / STAGE
    try:
        plan = msgspec.json.decode((stage / PLAN).read_bytes(), type=Plan)
    except FileNotFoundError:
        if stage.exists():
            shutil.rmtree(stage)
        return None
    new, aside = stage / NEW, data / plan.aside
    aside.mkdir(mode=0o700, exist_ok=True)
    _own(aside, data)
    if (new / DATABASE).exists():  # nothing of what comes is in its place yet
        for name in (*DEPENDENT, *plan.names):
            if (data / name).exists() and not (aside / name).exists():
                (data / name).rename(aside / name)
        sync(aside)
        sync(data)
    for name in plan.names:
        if (new / name).exists():
            (new / name).rename(data / name)
            sync(data)
    if not any(aside.iterdir()):
        aside.rmdir()
    (stage / PLAN).unlink()
    shutil.rmtree(stage)
    sync(data)
    return plan


def resume(data: Path) -> None:
    """The same for a start: what it did is in the log. Raises StartupError."""
    try:
        plan = finish(data)
    except (OSError, msgspec.DecodeError) as error:
        raise StartupError(
            f"A restore into {data} was cut off, and cannot be ended: {error}. Remove the reason and start "
            f"again, or do the restore again. Leave {data / STAGE} where it is: the store may be in it."
        ) from error
    if plan is not None:
        log.warning("A restore that was cut off was ended.", extra={"aside": str(data / plan.aside)})


def adopt(data: Path, *paths: Path) -> None:
    """Gives these, and what is in them, to the owner of the data folder, if an administrator does this: the
    box that has to read them is somebody else. Raises OSError."""
    for path in paths:
        _own(path, data)
        for each in path.rglob("*"):
            _own(each, data)


def _own(path: Path, data: Path) -> None:
    if os.geteuid() == 0:
        owner = data.stat()
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
