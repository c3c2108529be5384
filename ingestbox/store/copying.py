"""A consistent copy of a store's database, taken while it is written to.

SQLite's own backup, from one read transaction that stays open until it is done: writers go on, and their
write-ahead log grows meanwhile. The copy is folded, checked and on disk when `copy_database` returns; until
then it has another name, so that a copy that was cut off is never taken for one.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ingestbox.store.engine import connect_reader, connect_writer, has_wal_reset_bug, sqlite3, version

PAGES = 512
"""Pages copied at once, 2 MB: in between the copy can be cancelled, and what was copied is synced, so that
the syncs of those who write meanwhile never wait for more than that."""

UNFINISHED = ".part"

FOLDS = 3
"""Times that a long log is gone through: each time what came meanwhile is left, which is less."""


class DamagedCopyError(Exception):
    """The copy is not sound, so the database is not, either; the text says what SQLite found."""


class CancelledCopyError(Exception):
    """Somebody did not want the copy any more."""


def copy_database(source: Path, target: Path, cancelled: Callable[[], bool] = lambda: False) -> None:
    """Copies the database to a new file (mode 0600). Blocks: call it in a thread.

    Raises DamagedCopyError, CancelledCopyError, FileExistsError, OSError, sqlite3.Error, and leaves no file
    behind then.
    """
    if target.exists():
        raise FileExistsError(f"{target} exists")
    part = target.with_name(target.name + UNFINISHED)
    part.unlink(missing_ok=True)
    try:
        part.touch(mode=0o600)
        _fill(source, part, cancelled)
        check(part)
        sync(part)
        part.replace(target)
        sync(target.parent)
    finally:
        part.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Facts:
    """What a store says of itself: who the box is, the number of its last migration, and which stored files
    its rows name (`files/`)."""

    box: str
    epoch: str
    schema: int
    files: tuple[str, ...]


class NoStoreError(Exception):
    """A database is none of a box; the text says so, for people."""


def facts_of(path: Path) -> Facts:
    """Of a database of any version that nobody writes to: a copy. Raises NoStoreError, sqlite3.Error."""
    with _alone(path) as connection:
        (schema,) = connection.execute("PRAGMA user_version").fetchone()
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        if not schema or not {"box", "migrations"} <= tables:
            raise NoStoreError(f"{path} is a database, and not that of a box.")
        row = connection.execute("SELECT box, epoch FROM box").fetchone()
        if row is None:
            raise NoStoreError(f"{path} is the store of a box that never started.")
        names: list[str] = []
        if "files" in tables:  # from the ninth migration on
            kept = "SELECT stored, rows_file FROM files WHERE removed_ms IS NULL ORDER BY job_id"
            for each in connection.execute(kept):
                names += each
        return Facts(row[0], row[1], schema, tuple(dict.fromkeys(names)))


def sync(path: Path) -> None:
    """Brings a file, or the names in a folder, to the disk."""
    with _open(path) as descriptor:
        os.fsync(descriptor)


def _fill(source: Path, part: Path, cancelled: Callable[[], bool]) -> None:
    def progress(status: int, remaining: int, total: int) -> None:
        if cancelled():
            raise CancelledCopyError
        os.fdatasync(descriptor)

    with (
        _open(part) as descriptor,
        contextlib.closing(connect_reader(source)) as reader,
        _alone(part) as copy,
    ):
        # Nobody needs what a copy that was cut off has: it takes no journal, and is synced here.
        copy.execute("PRAGMA journal_mode = OFF")
        copy.execute("PRAGMA synchronous = OFF")
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # the moment that is copied
        reader.backup(copy, pages=PAGES, progress=progress, sleep=0)
        # A copy that is one file: it has no write-ahead log until a box opens it.
        copy.execute("PRAGMA journal_mode = DELETE")


def fold_aside(path: Path) -> None:
    """Moves a write-ahead log that grew while a copy was made into the database, beside the writer, which
    goes on. Blocks. With a SQLite that must not do so (`has_wal_reset_bug`) nothing is done."""
    if has_wal_reset_bug(version()):
        return
    with contextlib.closing(connect_writer(path)) as connection:
        for _ in range(FOLDS):
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()


def check(path: Path) -> None:
    """SQLite's own look at every page of a database that nobody writes to. Raises DamagedCopyError."""
    with _alone(path) as copy:
        try:
            found = [row[0] for row in copy.execute("PRAGMA quick_check(5)")]
        except sqlite3.DatabaseError as error:
            found = [str(error)]
    if found != ["ok"]:
        raise DamagedCopyError("; ".join(found))


@contextlib.contextmanager
def _open(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _alone(path: Path) -> contextlib.closing[sqlite3.Connection]:
    return contextlib.closing(sqlite3.connect(path, isolation_level=None))
