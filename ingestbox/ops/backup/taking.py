"""Taking a backup: the store is copied while it is written to, then all is packed, and read again.

It blocks, and belongs into a thread of its own, which it makes step back for others. Until it is whole and
verified the file has another name; what is cut off leaves none.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from ingestbox import __version__
from ingestbox.clock import iso
from ingestbox.errors import IngestError
from ingestbox.ops.backup import manifest
from ingestbox.ops.backup.archive import PIECE, Packing, verify
from ingestbox.ops.backup.folder import COPY, PART
from ingestbox.ops.backup.manifest import FILES, SECRETS, DamagedBackupError, Manifest, Member
from ingestbox.store import DATABASE
from ingestbox.store.copying import (
    CancelledCopyError,
    DamagedCopyError,
    Facts,
    NoStoreError,
    copy_database,
    facts_of,
    sync,
)
from ingestbox.store.engine import sqlite3
from ingestbox.store.shelf import FULL

NICE: Final = 10
MIB: Final = 1_048_576

LOOK_BYTES: Final = 8 * MIB
"""How often the free space is looked at."""


class Taking:
    """A backup on its way; other threads may look at it, and cancel it."""

    def __init__(
        self,
        data: Path,
        target: Path,
        *,
        made_ms: int,
        scheduled: bool,
        keep_free: int = 0,
        copied: Callable[[], None] = lambda: None,
    ) -> None:
        """`target` is where it goes, in a folder that is there. `keep_free` bytes stay free in the data
        folder's file system, if it is written to; `copied` is called once the store is copied, or that has
        failed."""
        self.target = target
        self.step = "copying"
        self.done = 0
        self.total = 0
        self._data = data
        self._made_ms = made_ms
        self._number = 1
        self._scheduled = scheduled
        self._keep_free = keep_free
        self._copied = copied
        self._cancelled = threading.Event()
        self._unlooked = 0

    def cancel(self) -> None:
        """Ends it as soon as can be."""
        self._cancelled.set()

    def run(self, number: int) -> Manifest:
        """Takes it, as the box's `number` in the folder; what is in it. The caller sees to it that stored
        files stay meanwhile (`Shelf.hold`).

        Raises IngestError (storage_full, backup_unwritable, damaged), CancelledCopyError.
        """
        _step_back()
        self._number = number
        part = self.target.with_name(self.target.name + PART)
        copy = self.target.with_name(self.target.name + COPY)
        try:
            with _sentences(self.target.parent):
                if self.target.exists():
                    raise IngestError(
                        "backup_failed", f"{self.target} is there already: try again in a second."
                    )
                self._check_room()
                try:
                    copy_database(self._data / DATABASE, copy, self._copying)
                finally:
                    self._copied()
                described = self._pack(copy, part)
                copy.unlink()
                self._verify(part, described)
                part.replace(self.target)
                sync(self.target.parent)
                return described
        finally:
            for left in (part, copy):
                with contextlib.suppress(OSError):
                    left.unlink(missing_ok=True)

    def _check_room(self) -> None:
        """Whether it may fit: the copy, and an archive that is as large as half of all."""
        store = _size(self._data / DATABASE) + _size(self._data / f"{DATABASE}-wal")
        files = sum(_size(path) for path in (self._data / FILES).glob("*"))
        wanted = store + (store + files) // 2
        free = shutil.disk_usage(self.target.parent).free - self._kept_free()
        if free < wanted:
            raise _full(
                f"A backup may take {_mb(wanted)} MB in {self.target.parent}, where {_mb(max(0, free))} MB "
                "can be used."
            )

    def _kept_free(self) -> int:
        same = self.target.parent.stat().st_dev == self._data.stat().st_dev
        return self._keep_free if same else 0

    def _copying(self) -> bool:
        """After each few MB of the copy; whether to end it."""
        self._look(0)
        self._room()
        return self._cancelled.is_set()

    def _look(self, size: int) -> None:
        if self._cancelled.is_set():
            raise CancelledCopyError
        self.done += size
        self._unlooked += size
        if self._unlooked >= LOOK_BYTES:
            self._unlooked = 0
            self._room()

    def _room(self) -> None:
        if shutil.disk_usage(self.target.parent).free < self._kept_free():
            raise _full(f"The backup would leave too little free space in {self.target.parent}.")

    def _pack(self, copy: Path, part: Path) -> Manifest:
        facts = facts_of(copy)
        small = self._secrets()
        files, missing = self._files(facts)
        paths = {DATABASE: copy, **{FILES + path.name: path for path in files}}
        self.step, self.total = "hashing", sum(_size(path) for path in paths.values())
        members = [self._hashed(name, path) for name, path in paths.items()]
        members[1:1] = [
            Member(name, len(text), hashlib.sha256(text).hexdigest()) for name, text in small.items()
        ]
        described = Manifest(
            made_at=iso(self._made_ms) or "",
            made_ms=self._made_ms,
            box=facts.box,
            epoch=facts.epoch,
            schema=facts.schema,
            version=__version__,
            number=self._number,
            scheduled=self._scheduled,
            missing=missing,
            members=members,
        )
        text = msgspec.json.format(msgspec.json.encode(described), indent=1)
        manifest.read(text)  # what cannot be read is not to be written
        self.step, self.done = "packing", 0
        with _made(part) as file:
            packing = Packing(file, self._look)
            packing.add(manifest.NAME, len(text), io.BytesIO(text), self._made_ms)
            for member in members:
                if member.name in small:
                    packing.add(member.name, member.size, io.BytesIO(small[member.name]), self._made_ms)
                    continue
                with paths[member.name].open("rb", buffering=0) as source:
                    packing.add(member.name, member.size, source, self._made_ms)
            packing.finish()
        return described

    def _secrets(self) -> dict[str, bytes]:
        """In this order: a rotation writes the old ones first, so that none of them is missing here."""
        found = {}
        for name in SECRETS:
            with contextlib.suppress(FileNotFoundError):
                found[name] = (self._data / name).read_bytes()
        if SECRETS[0] not in found:
            raise IngestError("backup_failed", f"There is no {self._data / SECRETS[0]}: start the box once.")
        return found

    def _files(self, facts: Facts) -> tuple[list[Path], list[str]]:
        """The stored files that the copied rows name; and the names of those that are not there."""
        found, missing = [], []
        for name in facts.files:
            path = self._data / FILES / name
            if path.is_file():
                found.append(path)
            else:
                missing.append(FILES + name)
        return found, missing

    def _hashed(self, name: str, path: Path) -> Member:
        found, size = hashlib.sha256(), 0
        with path.open("rb", buffering=0) as file:
            while data := file.read(PIECE):
                found.update(data)
                size += len(data)
                self._look(len(data))
        return Member(name, size, found.hexdigest())

    def _verify(self, part: Path, described: Manifest) -> None:
        self.step, self.done = "verifying", 0
        if verify(part, self._look) != described:
            raise DamagedBackupError("What was read is not what was written.")


def _step_back() -> None:
    """This thread is to run when others do not need the processor; on Linux each has its own priority."""
    with contextlib.suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)


@contextlib.contextmanager
def _made(path: Path) -> Iterator[io.FileIO]:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with io.FileIO(descriptor, "wb") as file:
        yield file


@contextlib.contextmanager
def _sentences(folder: Path) -> Iterator[None]:
    """What goes wrong with a disk or a store becomes an error of the catalogue."""
    try:
        yield
    except OSError as error:
        raise of_disk(error, folder) from error
    except (DamagedCopyError, NoStoreError) as error:
        raise IngestError("damaged", f"The store cannot be backed up: {error}.") from error
    except DamagedBackupError as error:
        raise IngestError(
            "backup_failed", f"The backup was not good when it was read again: {error}"
        ) from error
    except sqlite3.Error as error:
        name = str(getattr(error, "sqlite_errorname", ""))
        if name == "SQLITE_FULL":
            raise _full(f"The disk of {folder} is full.") from error
        if name in ("SQLITE_CORRUPT", "SQLITE_NOTADB"):
            raise IngestError("damaged", f"The store cannot be backed up: {error}.") from error
        raise IngestError("backup_failed", f"The store could not be copied to {folder}: {error}.") from error


def of_disk(error: OSError, folder: Path) -> IngestError:
    """What the disk says about the folder of backups, as an error of the catalogue."""
    if error.errno in FULL:
        return _full(f"The disk of {folder} is full.")
    where = f" ({error.filename})" if error.filename else ""
    return IngestError("backup_unwritable", f"{folder}: {error.strerror or error}{where}.")


def _full(sentence: str) -> IngestError:
    return IngestError("storage_full", sentence, retry_after=60)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _mb(size: int) -> int:
    return -(-size // MIB)
