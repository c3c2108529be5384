"""Uploaded files in the data folder: written to `incoming/`, whole and synced in `files/`.

A file is called by a random name of ours, never by what its client called it. What lies in these two folders
under such a name and is in nobody's hands and in no row of the store is left over from a crash; the sweep
removes it, and touches nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Awaitable, Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from ingestbox.errors import IngestError, StartupError

T = TypeVar("T")

EXTENSIONS = ("csv", "tsv", "txt", "xlsx")
"""What a stored file's name can end in: what the client's file was."""

ROWS = "rows"
"""The ending of what was made of a file that cannot be read in place (UTF-16, a workbook)."""

PART = f"{ROWS}.part"
"""The same while it is being made; it stays behind when its maker is killed."""

BUFFER_BYTES = 262_144
"""Handed to the disk at once. A file in hand takes two of these: one fills while one is written."""

SYNC_BYTES = 8 * 1_048_576
"""Synced each time so much is written: the last sync of a large file then takes no longer than that of a
small one, and a power loss meets little. The free space is looked at as often."""

THREADS = 4
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
RETRY_SECONDS = 60

_OURS = re.compile(rf"[0-9a-f]{{32}}\.({'|'.join((*EXTENSIONS, ROWS, re.escape(PART)))})")


def is_stored(name: str) -> bool:
    """Whether a stored file can be called so, in `files/`."""
    return _OURS.fullmatch(name) is not None


class Shelf:
    """The two folders. Belongs to one event loop; `close` it."""

    def __init__(self, folder: Path, *, keep_free_bytes: int = 0) -> None:
        """Makes the folders where they are not there. An upload has to leave `keep_free_bytes` of the disk
        free. Raises StartupError."""
        self._incoming, self._files = folder / "incoming", folder / "files"
        self._keep_free = keep_free_bytes
        self._in_hand: set[str] = set()  # stems of the names that requests are at
        self._holds = 0
        self._coming: dict[str, int] = {}  # by name: bytes that were announced and have not come
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="uploads")
        try:
            self._make_folders()
        except OSError as error:
            raise StartupError(f"The folder {error.filename} cannot be made: {error.strerror}.") from None

    def close(self) -> None:
        """Waits for what is being written, which is little."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    def path(self, name: str) -> Path:
        """Where a stored file is. Raises ValueError for a name that is none of ours."""
        if not _OURS.fullmatch(name):
            raise ValueError(f"{name!r} is no stored file")
        return self._files / name

    async def begin(self, extension: str, announced: int | None) -> Incoming:
        """A new file in hand, of which about `announced` bytes are to come (None: not known).

        Raises IngestError: storage_full, store_unavailable.
        """
        name = f"{secrets.token_hex(16)}.{extension}"
        self._in_hand.add(_stem(name))
        self._coming[name] = announced or 0
        opening = self._threads.submit(lambda: self._open(name))
        try:
            return await asyncio.shield(asyncio.wrap_future(opening))
        except BaseException as error:
            opening.add_done_callback(_forget)  # a request that was cut off leaves nothing open
            self.release(name)
            if isinstance(error, OSError):
                raise of_disk(error) from error
            raise

    def check_room(self, more: int) -> None:
        """Raises IngestError `storage_full` unless `more` bytes fit, beside all that is still to come."""
        free = shutil.disk_usage(self._incoming).free
        if free - sum(list(self._coming.values())) - more < self._keep_free:
            raise _full("The disk has no room for this file.")

    def came(self, name: str, size: int) -> None:
        """Of what was announced for a file, so much is on the disk."""
        if name in self._coming:
            self._coming[name] = max(0, self._coming[name] - size)

    def release(self, name: str) -> None:
        """The file is in no request's hands any more: a row names it, or the sweep may have it."""
        self._in_hand.discard(_stem(name))
        self._coming.pop(name, None)

    async def remove(self, name: str) -> None:
        """Removes a stored file, and what was made of it; the sweep does what fails here."""

        def unlink() -> None:
            for folder in (self._incoming, self._files):
                for each in (name, f"{_stem(name)}.{ROWS}", f"{_stem(name)}.{PART}"):
                    with contextlib.suppress(OSError):
                        (folder / each).unlink()

        try:
            await self.run(unlink)
        finally:
            self.release(name)

    @property
    def held(self) -> bool:
        """Whether the sweep waits."""
        return self._holds > 0

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        """The sweep removes nothing for the time of a block: what any row names in it stays until its end."""
        self._holds += 1
        try:
            yield
        finally:
            self._holds -= 1

    async def settle(self) -> None:
        """Makes the names in `files/` durable, after something was made there."""
        await self.run(lambda: _sync_folder(self._files))

    async def sweep(self, named: Callable[[list[str]], Awaitable[Iterable[str]]]) -> int:
        """Removes what is in nobody's hands and not among those that `named` gives back, of the names it is
        asked about; returns how many files went."""
        if self.held:
            return 0
        found = await self.run(self._listed)
        # In this order: a file leaves a request's hands only after its row is there.
        left = [name for name in found if _stem(name) not in self._in_hand]
        if not left:
            return 0
        kept = {_stem(name) for name in await named(left)}
        if self.held:  # by now: a backup may copy rows from before the answer
            return 0
        gone = [name for name in left if _stem(name) not in kept]
        for name in gone:
            await self.remove(name)
        return len(gone)

    async def run(self, work: Callable[[], T]) -> T:
        """Runs `work` in a thread; the disk's errors become those of the catalogue."""
        try:
            return await asyncio.wrap_future(self._threads.submit(work))
        except OSError as error:
            raise of_disk(error) from error

    def submit(self, work: Callable[[], None]) -> Future[None]:
        """The same without waiting for it, and with its errors as they are."""
        return self._threads.submit(work)

    def _make_folders(self) -> None:
        for each in (self._incoming, self._files):
            each.mkdir(mode=0o700, exist_ok=True)

    def _open(self, name: str) -> Incoming:
        self._make_folders()  # somebody may have removed them by hand
        self.check_room(0)
        path = self._incoming / name
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        return Incoming(self, name, path, self._files / name, fd)

    def _listed(self) -> list[str]:
        names: dict[str, None] = {}
        self._make_folders()
        for folder in (self._incoming, self._files):
            with os.scandir(folder) as entries:
                for entry in entries:
                    if _OURS.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                        names[entry.name] = None
        return list(names)


class Incoming:
    """A file that is being written. `keep` or `discard` it."""

    def __init__(self, shelf: Shelf, name: str, path: Path, final: Path, fd: int) -> None:
        self.name = name
        self.size = 0
        self._shelf = shelf
        self._path, self._final, self._fd = path, final, fd
        self._hash = hashlib.sha256()
        self._buffer = bytearray()
        self._unsynced = 0
        self._writing: Future[None] | None = None

    def add(self, data: bytes | memoryview) -> bool:
        """Adds bytes; whether it is time to `flush`."""
        self._buffer += data
        self.size += len(data)
        return len(self._buffer) >= BUFFER_BYTES

    async def flush(self) -> None:
        """Begins to write what was added, once what was before it is written.

        Raises IngestError: storage_full, store_unavailable.
        """
        await self._written()
        data, self._buffer = self._buffer, bytearray()
        self._writing = self._shelf.submit(lambda: self._put(data))

    async def keep(self) -> str:
        """Syncs the file and moves it to `files/`, which is synced too; returns its SHA-256 (hex)."""
        await self.flush()
        await self._written()

        def finish() -> None:
            os.fsync(self._fd)
            self._close()
            self._path.rename(self._final)
            _sync_folder(self._final.parent)
            _sync_folder(self._path.parent)

        self._writing = self._shelf.submit(finish)
        await self._written()
        self._shelf.came(self.name, self.size)
        return self._hash.hexdigest()

    async def discard(self) -> None:
        """Removes it, wherever it is."""
        before, self._writing = self._writing, None

        def end() -> None:
            if before is not None:  # it began earlier, so this waits for the disk alone
                with contextlib.suppress(OSError, CancelledError, IngestError):
                    before.result()
            self._close()

        try:
            await self._shelf.run(end)
        finally:
            await self._shelf.remove(self.name)

    async def _written(self) -> None:
        if self._writing is None:
            return
        try:
            # Shielded: a request that is cut off must not take back what may be half-written.
            await asyncio.shield(asyncio.wrap_future(self._writing))
        except OSError as error:
            raise of_disk(error) from error
        self._writing = None

    def _put(self, data: bytearray) -> None:
        """In a thread: writes and hashes, both of which let others run."""
        view = memoryview(data)
        while view:
            view = view[os.write(self._fd, view) :]
        self._hash.update(data)
        self._unsynced += len(data)
        self._shelf.came(self.name, len(data))
        if self._unsynced >= SYNC_BYTES:
            self._unsynced = 0
            os.fdatasync(self._fd)
            self._shelf.check_room(0)

    def forget(self) -> None:
        """Closes it as it is; the sweep takes the rest."""
        self._close()

    def _close(self) -> None:
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)


def _forget(opening: Future[Incoming]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().forget()


def of_disk(error: OSError) -> IngestError:
    """What the disk's error is to a client."""
    if error.errno in FULL:
        return _full("The disk is full.")
    return IngestError("store_unavailable", "The file cannot be written to the disk.", retry_after=2)


def _full(sentence: str) -> IngestError:
    return IngestError("storage_full", sentence, retry_after=RETRY_SECONDS)


def _stem(name: str) -> str:
    return name.partition(".")[0]


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
