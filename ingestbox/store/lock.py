"""One process holds the data folder; a lock file says who.

The lock is the kernel's (`flock`), so it ends with the process, however that ends. What the file says (pid,
address) is for people and for the command line, which talks to the box that holds the lock.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from pathlib import Path

import msgspec

from ingestbox.errors import StartupError

FILE = "lock"

TRIES = 5
PAUSE_SECONDS = 0.02


class Holder(msgspec.Struct, frozen=True):
    """Who holds the folder; `url` is empty until the box listens, and for commands that hold it briefly.

    `certificate` (PEM) is what a box with TLS shows.
    """

    pid: int
    url: str = ""
    certificate: str = ""


class DataLock:
    """The lock on a data folder, held until `release`."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def take(cls, folder: Path) -> DataLock:
        """Takes the lock or raises StartupError that names the holder."""
        descriptor = os.open(folder / FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if not _locked(descriptor, TRIES):
            os.close(descriptor)
            holder = read_holder(folder)
            who = f"process {holder.pid}" if holder else "another process"
            where = f" ({holder.url})" if holder and holder.url else ""
            raise StartupError(
                f"The data folder {folder} is in use by {who}{where}. Stop it first, or use another --data."
            )
        lock = cls(descriptor)
        lock.say("")
        return lock

    def say(self, url: str, certificate: str = "") -> None:
        """Writes who holds the lock, where it listens, and what it shows there."""
        text = msgspec.json.encode(Holder(os.getpid(), url, certificate))
        os.pwrite(self._descriptor, text, 0)
        os.ftruncate(self._descriptor, len(text))

    def release(self) -> None:
        """Gives the folder back. The file stays: removing it would race with the next holder."""
        os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)


def read_holder(folder: Path) -> Holder | None:
    """What the lock file says, or None when nobody wrote to it."""
    with contextlib.suppress(OSError, msgspec.DecodeError):
        return msgspec.json.decode((folder / FILE).read_bytes(), type=Holder)
    return None


def is_held(folder: Path) -> bool:
    """Whether a living process holds the folder."""
    try:
        descriptor = os.open(folder / FILE, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return not _locked(descriptor, tries=1)
    finally:
        os.close(descriptor)


def _locked(descriptor: int, tries: int) -> bool:
    """Takes the lock; tries again a moment later, for `is_held` takes it too, for an instant."""
    for left in reversed(range(tries)):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if left:
                time.sleep(PAUSE_SECONDS)
        else:
            return True
    return False
