"""A consistent copy of a store's database, taken while it is written to.

SQLite's own backup, from one read transaction that stays open until it is done: writers go on, and their
write-ahead log grows meanwhile. The copy is folded, checked and on disk when `copy_database` returns; until
then it has another name, so that a copy that was cut off is never taken for one.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from ingestbox.store.engine import connect_reader, sqlite3

PAGES = 2_048
"""Pages copied at once, 8 MB: in between the copy can be cancelled."""

UNFINISHED = ".part"


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
        _check(part)
        sync(part)
        part.replace(target)
        sync(target.parent)
    finally:
        part.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Brings a file, or the names in a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _fill(source: Path, part: Path, cancelled: Callable[[], bool]) -> None:
    def progress(status: int, remaining: int, total: int) -> None:
        if cancelled():
            raise CancelledCopyError

    with contextlib.closing(connect_reader(source)) as reader, _alone(part) as copy:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # the moment that is copied
        reader.backup(copy, pages=PAGES, progress=progress, sleep=0)
        # A copy that is one file: it has no write-ahead log until a box opens it.
        copy.execute("PRAGMA journal_mode = DELETE")


def _check(part: Path) -> None:
    with _alone(part) as copy:
        try:
            found = [row[0] for row in copy.execute("PRAGMA quick_check(5)")]
        except sqlite3.DatabaseError as error:
            found = [str(error)]
    if found != ["ok"]:
        raise DamagedCopyError("; ".join(found))


def _alone(path: Path) -> contextlib.closing[sqlite3.Connection]:
    return contextlib.closing(sqlite3.connect(path, isolation_level=None))
