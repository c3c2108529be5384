"""Which SQLite runs, and how a connection is opened.

SQLite before 3.51.3 (bar the backports 3.44.6 and 3.50.7) can corrupt a WAL database when two connections
write or checkpoint at once. `pysqlite3` carries a current SQLite; this module puts it in the place of the
standard library's `sqlite3` before aiosqlite or Huey import that; `sqlite3` is to be had from here alone.
"""

from __future__ import annotations

import sys
from pathlib import Path

from ingestbox.store.conditions import folded
from ingestbox.store.nearest import learn

try:
    import pysqlite3
except ImportError:  # no wheel and no compiler here: the system's library has to do; doctor says so
    pass
else:
    sys.modules["sqlite3"] = pysqlite3
    sys.modules["sqlite3.dbapi2"] = pysqlite3.dbapi2

import sqlite3

__all__ = [
    "connect_checker",
    "connect_reader",
    "connect_writer",
    "has_wal_reset_bug",
    "is_too_old",
    "sqlite3",
    "version",
]

BUSY_MS = 5_000
"""Only a backup tool of the operator's can hold the file; wait for it this long."""

WRITER_CACHE_KIB = 16_384
READER_CACHE_KIB = 4_096
CACHED_STATEMENTS = 2_048
"""Statements that a connection keeps prepared: all that there are, and those of the migrations. pysqlite3
lets go of the one used least, so that in a full cache new ones drive each other out, and two that take turns
are compiled at each call: a put, with its triggers, takes four times as long then."""

CHECKPOINT_PAGES = 4_000
"""WAL size that starts a checkpoint: 16 MB, so that bulk intake does not sync the database every 4 MB."""


LEAST = (3, 43, 0)
"""The first SQLite whose full text can forget what it does not keep (`contentless_delete`)."""


def is_too_old(text: str) -> bool:
    """Whether this SQLite version cannot run the store."""
    return tuple(int(part) for part in text.split(".")) < LEAST


def version() -> str:
    """The SQLite version that runs, for example `3.53.4`."""
    return sqlite3.sqlite_version


def has_wal_reset_bug(text: str) -> bool:
    """Whether this SQLite version has the WAL-reset bug (fixed in 3.51.3, 3.50.7 and 3.44.6)."""
    parts = tuple(int(part) for part in text.split("."))
    fixed_in_branch = (parts[:2] == (3, 44) and parts >= (3, 44, 6)) or (
        parts[:2] == (3, 50) and parts >= (3, 50, 7)
    )
    return parts < (3, 51, 3) and not fixed_in_branch


def connect_writer(path: Path) -> sqlite3.Connection:
    """The one connection that writes: WAL, FULL, no mmap. A new file gets incremental auto-vacuum."""
    connection = sqlite3.connect(
        path, isolation_level=None, check_same_thread=False, cached_statements=CACHED_STATEMENTS
    )
    try:
        _pragmas(connection, WRITER_CACHE_KIB)
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # takes effect on an empty file alone
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        # What is deleted is overwritten in pages that are written anyway; erasures see to whole free ones.
        connection.execute("PRAGMA secure_delete = FAST")
    except BaseException:
        connection.close()
        raise
    return connection


def connect_reader(path: Path, statements: int = CACHED_STATEMENTS) -> sqlite3.Connection:
    """A connection that cannot write, and keeps so many statements prepared. It knows the function `folded`
    (`store.conditions`), and how far apart vectors are (`store.nearest`)."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=statements,
    )
    try:
        _pragmas(connection, READER_CACHE_KIB)
        connection.create_function("folded", 1, folded, deterministic=True)
        learn(connection)
        connection.execute("PRAGMA query_only = ON")
    except BaseException:
        connection.close()
        raise
    return connection


def connect_checker(path: Path) -> sqlite3.Connection:
    """A connection to look through the database with SQLite's own check, which sees nothing of what `CHECK`
    says over one that is opened to read only. It does not write."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None, check_same_thread=False
    )
    try:
        _pragmas(connection, READER_CACHE_KIB)
        connection.execute("PRAGMA query_only = ON")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
    except BaseException:
        connection.close()
        raise
    return connection


def _pragmas(connection: sqlite3.Connection, cache_kib: int) -> None:
    connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
    connection.execute("PRAGMA mmap_size = 0")  # a mapped file turns a disk error into SIGBUS
    connection.execute(f"PRAGMA cache_size = -{cache_kib}")
    connection.execute("PRAGMA temp_store = MEMORY")
