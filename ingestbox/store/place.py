"""Where the data folder is, as far as it can be told from a copy.

A box that goes on from a copy of its data would use numbers for something else that the one it was copied
from uses, too. So each start compares where the folder is with what the store remembers: another inode, time
of change or machine is a copy, however it was made (cp, rsync, tar, a backup that was restored), and begins
an epoch of its own. A folder that is moved within its file system stays the same; one that changes its owner
counts as another, which costs nothing. Each stop changes the time, so that a database that is put back into
its old folder is seen, too. Not to be seen from inside is a whole disk, or its image, that is set back: there
the upstream notices that numbers come again.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
from dataclasses import dataclass
from pathlib import Path

import msgspec

from ingestbox import ids
from ingestbox.errors import StartupError
from ingestbox.store.identity import BoxIdentity
from ingestbox.store.unit import Tx

log = logging.getLogger(__name__)

MARKER = "box.place"
"""The file in the data folder whose inode and time of change are looked at. Its text says what it is for."""

_TEXT = b"""This file tells a box whether its data folder is where it was, or a copy: leave it alone.
Without it, or in a copy, the next start begins a new epoch, which upstreams take as a box that was restored.
"""

_MACHINE_IDS = ("/etc/machine-id", "/var/lib/dbus/machine-id")

SYSTEM = "system"
"""Who renews an epoch by itself, in the audit trail."""


@dataclass(frozen=True, slots=True)
class RenewEpoch:
    """Begins a new epoch, for what sets the store back (a restore) before any number is used again: nothing
    else may work on the store, and who keeps its identity has to ask for it again."""

    reason: str
    actor: str
    now_ms: int
    weight: int = 2

    def apply(self, tx: Tx) -> BoxIdentity:
        """The identity from now on. Seqs go on."""
        return renew_epoch(tx, self.reason, self.actor, self.now_ms)


@dataclass(frozen=True, slots=True)
class KeepPlace:
    """The store remembers where its folder is."""

    place: str
    weight: int = 1

    def apply(self, tx: Tx) -> None:
        """Writes it."""
        tx.run("box.set_place", {"place": self.place})


def renew_epoch(tx: Tx, reason: str, actor: str, now_ms: int, box: str | None = None) -> BoxIdentity:
    """The same as a part of another unit; with `box` as another box. The audit trail has it."""
    row = tx.one("box.identity")
    assert row is not None  # the box's row is made with the store
    identity = BoxIdentity(box or row[0], ids.epoch(now_ms))
    tx.run("box.renew", {"box": identity.box, "epoch": identity.epoch})
    told = {"box": identity.box, "epoch": identity.epoch, "reason": reason}
    tx.run(
        "audit.insert",
        {
            "now": now_ms,
            "workspace": "",
            "actor": actor,
            "action": "box.epoch",
            "object": "box",
            "object_id": identity.box,
            "before": msgspec.json.encode({"box": row[0], "epoch": row[1]}).decode(),
            "after": msgspec.json.encode(told).decode(),
            "request_id": None,
        },
    )
    return identity


def place_of(folder: Path, machine: str) -> str:
    """Where the folder is; its marker is made if it is not there. Raises StartupError."""
    marker = folder / MARKER
    try:
        try:
            found = marker.stat(follow_symlinks=False)
        except FileNotFoundError:
            found = _made(marker)
    except OSError as error:
        raise StartupError(f"The file {marker} cannot be made or looked at: {error.strerror}.") from None
    return f"{machine}:{found.st_ino}:{found.st_ctime_ns}"


def touch(folder: Path) -> None:
    """Changes the place, before the store remembers it: what was copied of the store until now is not it any
    more. Raises OSError."""
    os.utime(folder / MARKER)


def machine_id() -> str:
    """This machine's id, hashed, for it is not to be shown; empty where there is none."""
    for name in _MACHINE_IDS:
        try:
            text = Path(name).read_bytes().strip()
        except OSError:
            continue
        if text and text != b"uninitialized":
            return hashlib.sha256(b"ingestbox:" + text).hexdigest()[:16]
    return ""


def settle(tx: Tx, place: str, now_ms: int) -> BoxIdentity:
    """Who the box is at this place, as a part of a transaction at its start.

    A store that is new, or that never knew a place, takes it for its own. A copy of one that was never used
    is another box: there was nothing to go on with, and many may be made of one image.
    """
    row = tx.one("box.place")
    if row is None:
        identity = BoxIdentity(ids.box_name(), ids.epoch(now_ms))
        tx.run("box.create", {"box": identity.box, "epoch": identity.epoch, "now": now_ms})
        tx.run("box.set_place", {"place": place})
        return identity
    box, epoch, known, unused = row
    if known == place:
        return BoxIdentity(box, epoch)
    tx.run("box.set_place", {"place": place})
    if known is None:
        return BoxIdentity(box, epoch)
    identity = renew_epoch(tx, "place", SYSTEM, now_ms, ids.box_name() if unused else None)
    log.warning(
        "The data folder is a copy, or was restored, or moved to another disk: this box begins a new epoch, "
        "so that no number is used twice. If the box that it was copied from runs, too, both send as the same"
        " box: what this one says of an object counts as the newer word.",
        extra={"box": identity.box, "epoch": identity.epoch, "old_epoch": epoch},
    )
    return identity


def _made(marker: Path) -> os.stat_result:
    """Makes the marker, on disk before the store remembers it."""
    descriptor = os.open(marker, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with contextlib.suppress(OSError):  # on a full disk it is empty, and as good
            os.write(descriptor, _TEXT)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    folder = os.open(marker.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return marker.stat(follow_symlinks=False)
