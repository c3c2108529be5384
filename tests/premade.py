"""What every start makes anew and alike, made once a process: a store's tables, parsed statements, texts.

The tables come from the program's own migrations, all of them, and are copied page by page into each new
store. Stores that hold anything, tests that bring other migrations, and boxes that are not forked do without;
so does everything with `TESTS_FORK=0`.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from ingestbox import store
from ingestbox.console import texts
from ingestbox.identity import passwords
from ingestbox.store import migrations
from ingestbox.store.engine import sqlite3
from ingestbox.store.queries import Queries

KNOWN = migrations.known()

DEAR_PASSWORDS = {"TESTS_DEAR_PASSWORDS": "1"}
"""The environment of a forked box that takes as long to hash a password as boxes do."""

_really = migrations.migrate
_load_queries = store.load_queries
_copying = threading.Lock()


def use() -> None:
    """From now on, in this process and in those that are forked from it."""
    if os.environ.get("TESTS_FORK") == "0":
        return
    migrations.migrate = migrate
    store.load_queries = load_queries
    texts.load = functools.cache(texts.load)


def migrate(
    connection: sqlite3.Connection,
    now_ms: int,
    before: Callable[[int, Path], object] = lambda number, path: None,
) -> int:
    """In place of `migrations.migrate`."""
    (things,) = connection.execute("SELECT COUNT(*) FROM sqlite_schema").fetchone()
    if things or migrations.known() != KNOWN:
        return _really(connection, now_ms, before)
    for number, path in KNOWN:
        before(number, path)
    with _copying:
        template().backup(connection)
    connection.execute("UPDATE migrations SET applied_ms = ?", (now_ms,))
    return len(KNOWN)


@functools.cache
def template() -> sqlite3.Connection:
    """A store that nothing has been written to."""
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA foreign_keys = ON")
    _really(connection, 0)
    return connection


def load_queries(families: Mapping[str, Path]) -> Queries:
    """In place of `store.load_queries`."""
    return _loaded(tuple(families.items()))


@functools.cache
def _loaded(families: tuple[tuple[str, Path], ...]) -> Queries:
    return _load_queries(dict(families))


def cheapen_passwords() -> None:
    """A hash takes 0.1 s of a core so that nobody can try many; tests sign in hundreds of people."""
    cheap = passwords.Cost(4, 8, 1)
    passwords.COST = cheap
    passwords.hashed.__defaults__ = (None, cheap)
