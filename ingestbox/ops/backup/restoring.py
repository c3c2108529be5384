"""Putting a backup back, or a snapshot that an upgrade made. All of it is verified before anything
changes."""

from __future__ import annotations

import datetime
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from ingestbox.clock import Clock
from ingestbox.errors import StartupError
from ingestbox.identity.secretfile import load_secrets
from ingestbox.ops.backup.archive import Look, Unpacking
from ingestbox.ops.backup.manifest import FILES, SECRETS, DamagedBackupError, Manifest, Member
from ingestbox.ops.backup.putback import ASIDE, Plan, adopt, commit, finish, staged
from ingestbox.store import DATABASE
from ingestbox.store.copying import DamagedCopyError, Facts, NoStoreError, check, facts_of, sync
from ingestbox.store.engine import sqlite3
from ingestbox.store.lock import FILE as LOCK
from ingestbox.store.lock import DataLock
from ingestbox.store.migrations import known
from ingestbox.store.place import MARKER, machine_id, place_of, touch
from ingestbox.store.restored import TakenBack, box_of, last_deed_ms, prepare, taken_back

SPARE_BYTES: Final = 64 * 1_048_576
"""What stays free beside what is put back: a migration's log, and a box that starts."""

TOLD: Final = 100
"""Of what is taken back so many are told one by one; `Restored.taken_back` has one more if there are more."""

_SQLITE = b"SQLite format 3\0"


class RestoreError(Exception):
    """It cannot be done; nothing was changed. The text is a sentence, with what to do in it."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What was put back.

    `manifest` is None of a snapshot. `aside` is where what was there lies now, None if there was nothing;
    `secret` whether the backup's secret signs from now on, not the folder's. `taken_back` was done after the
    backup was made, as far as the store that was there tells.
    """

    box: str
    epoch: str
    manifest: Manifest | None
    aside: Path | None
    secret: bool
    missing: tuple[str, ...]
    taken_back: tuple[TakenBack, ...]


def restore(
    file: Path, data: Path, *, force: bool, clock: Clock, actor: str, look: Look = lambda size: None
) -> Restored:
    """Puts the backup, or the snapshot, in the place of what is in the data folder, which is made if it is
    not there. Over a store that is there only with `force`; it is moved aside.

    Blocks, for as long as reading and writing all of it takes. Raises RestoreError, StartupError (a box runs
    there), DamagedBackupError, OSError.
    """
    with _opened(file) as (source, archive):
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = DataLock.take(data)
        try:
            finish(data)
            if (data / DATABASE).exists() and not force:
                raise RestoreError(
                    f"There is a store in {data}. To put the backup in its place: --force. What is there now "
                    f"is moved aside, into {data / ASIDE}…, and not deleted."
                )
            restoring = _Restoring(data, clock, actor)
            try:
                if archive is None:
                    return restoring.snapshot(file, source)
                return restoring.backup(archive, look)
            except BaseException:
                restoring.give_up()
                raise
        finally:
            lock.release()


class _Restoring:
    """One restore, under the folder's lock."""

    def __init__(self, data: Path, clock: Clock, actor: str) -> None:
        self._data = data
        self._now_ms = clock.now_ms()
        self._actor = actor
        self._committed = False

    def backup(self, archive: Unpacking, look: Look) -> Restored:
        """An archive."""
        manifest = archive.manifest
        _check_schema(manifest.schema)
        if os.path.ismount(self._data / FILES):
            raise RestoreError(
                f"{self._data / FILES} is a disk of its own, and cannot be moved aside. Restore into another "
                "folder (--data). Nothing was changed."
            )
        self._check_room(manifest.bytes)
        new = staged(self._data)
        _extract(archive, new, look)
        keep = self._keeps_secret(manifest.box)
        names = [DATABASE, FILES.rstrip("/")]
        if keep:
            for name in SECRETS:
                (new / name).unlink(missing_ok=True)
        else:
            load_secrets(new)  # a box could not start with others
            names += SECRETS
        return self._put(new, names, manifest, manifest.made_ms, _facts(new / DATABASE, "The backup").files)

    def snapshot(self, file: Path, source: IO[bytes]) -> Restored:
        """A bare database: files and secret stay as they are."""
        if any(file.with_name(file.name + end).exists() for end in ("-wal", "-journal")):
            raise RestoreError(
                f"{file} is a database that is in use, or was not closed: beside it lies what was written "
                "last. Give a backup, or a snapshot."
            )
        size = os.fstat(source.fileno()).st_size
        self._check_room(size)
        new = staged(self._data)
        target = new / DATABASE
        with _made(target) as out:
            shutil.copyfileobj(source, out, 1 << 20)
        facts = _facts(target, str(file))
        _check_schema(facts.schema)
        return self._put(new, [DATABASE], None, last_deed_ms(target), facts.files)

    def give_up(self) -> None:
        """Leaves nothing behind, unless it counts already."""
        if not self._committed:
            finish(self._data)

    def _put(
        self, new: Path, names: list[str], manifest: Manifest | None, made_ms: int, files: tuple[str, ...]
    ) -> Restored:
        old = self._data / DATABASE
        lost = taken_back(old, made_ms, TOLD + 1) if box_of(old) == box_of(new / DATABASE) else []
        # The database that was there is not the one of this place any more, wherever somebody puts it.
        place_of(self._data, machine_id())
        touch(self._data)
        adopt(self._data, new, self._data / MARKER, self._data / LOCK)
        try:
            identity = prepare(new / DATABASE, place_of(self._data, machine_id()), self._now_ms, self._actor)
        except sqlite3.Error as error:
            raise RestoreError(f"The store in the backup cannot be gone on from: {error}.") from error
        if (new / FILES).exists():
            sync(new / FILES)
        sync(new)
        plan = Plan(names, self._aside())
        commit(self._data, plan)
        self._committed = True
        finish(self._data)
        aside = self._data / plan.aside
        return Restored(
            box=identity.box,
            epoch=identity.epoch,
            manifest=manifest,
            aside=aside if aside.exists() else None,
            secret=SECRETS[0] in names,
            missing=tuple(name for name in files if not (self._data / FILES / name).is_file()),
            taken_back=tuple(lost),
        )

    def _keeps_secret(self, box: str) -> bool:
        """Whether the folder's secret stays: if it is the same box's, it is the newer one, and what was ended
        by rotating it stays ended. A store that cannot be read is taken for the same box's."""
        if not all((self._data / name).exists() for name in (DATABASE, SECRETS[0])):
            return False
        there = box_of(self._data / DATABASE)
        if there is not None and there != box:
            return False
        try:
            load_secrets(self._data)
        except StartupError:
            return False
        return True

    def _check_room(self, size: int) -> None:
        free = shutil.disk_usage(self._data).free
        if free < size + SPARE_BYTES:
            raise RestoreError(
                f"It takes {_mb(size + SPARE_BYTES)} MB in {self._data}, where {_mb(free)} MB are free. "
                "Nothing was changed."
            )

    def _aside(self) -> str:
        moment = datetime.datetime.fromtimestamp(self._now_ms / 1000, datetime.UTC)
        name = f"{ASIDE}{moment:%Y%m%dT%H%M%SZ}"
        extra = ""
        while (self._data / f"{name}{extra}").exists():
            extra = f"-{int(extra[1:] or 1) + 1}"
        return f"{name}{extra}"


def _extract(archive: Unpacking, new: Path, look: Look) -> None:
    """Writes every member to the disk; good only when this returns."""
    (new / FILES).mkdir(mode=0o700)
    with ExitStack() as stack:
        open_now = ""
        file: IO[bytes] | None = None

        def write(member: Member, data: bytes) -> None:
            nonlocal open_now, file
            if file is None or open_now != member.name:
                stack.close()  # the one before is whole
                open_now, file = member.name, stack.enter_context(_made(new / member.name))
            file.write(data)

        archive.members(write, look)


@contextmanager
def _opened(file: Path) -> Iterator[tuple[IO[bytes], Unpacking | None]]:
    """The file, and what is in it; None of a bare database. Raises RestoreError, DamagedBackupError,
    OSError."""
    if not file.is_file():
        raise RestoreError(f"There is no file {file}.")
    with file.open("rb", buffering=0) as source:
        is_database = source.read(len(_SQLITE)) == _SQLITE
        source.seek(0)
        yield source, None if is_database else Unpacking(source)


@contextmanager
def _made(path: Path) -> Iterator[IO[bytes]]:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb", buffering=0) as file:
        yield file
        os.fsync(file.fileno())


def _facts(database: Path, what: str) -> Facts:
    """What a database that was brought is, if it is sound. Raises DamagedBackupError."""
    try:
        check(database)
        return facts_of(database)
    except (NoStoreError, DamagedCopyError, sqlite3.Error) as error:
        raise DamagedBackupError(f"{what} is damaged, or no store: {error}.") from error


def _check_schema(schema: int) -> None:
    newest = known()[-1][0]
    if schema > newest:
        raise RestoreError(
            f"The backup is of a newer ingestbox (its schema is {schema}, this one's is {newest}). Restore "
            "it with that one, or a later one. Nothing was changed."
        )


def _mb(size: int) -> int:
    return -(-size // 1_048_576)
