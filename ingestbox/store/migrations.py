"""Migrations: numbered SQL files, each applied once in a transaction, with a checksum remembered.

`user_version` holds the number of the last one applied. A file that was changed after it was applied, or a
store that a newer program has migrated, is refused with a sentence.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from ingestbox.errors import StartupError
from ingestbox.store import snapshots
from ingestbox.store.engine import sqlite3

FOLDER = Path(__file__).parent / "sql" / "migrations"


def known() -> list[tuple[int, Path]]:
    """The migrations this program brings, in order."""
    return [(int(path.name[:4]), path) for path in sorted(FOLDER.glob("[0-9][0-9][0-9][0-9]_*.sql"))]


def statements(text: str) -> list[str]:
    """A script cut into statements, as SQLite sees their ends. Raises ValueError if the last has none."""
    found: list[str] = []
    pending = ""
    for line in text.splitlines(keepends=True):
        pending += line
        if line.rstrip().endswith(";") and sqlite3.complete_statement(pending):
            found.append(pending)
            pending = ""
    if any(line.strip() and not line.lstrip().startswith("--") for line in pending.splitlines()):
        raise ValueError(f"this statement does not end: {pending.strip()[:80]}")
    return found


def check(connection: sqlite3.Connection, data: Path | None = None) -> int:
    """The store's schema, if this program can go on from it. `data` is its folder, where a snapshot may be
    that leads back. Raises StartupError."""
    (current,) = connection.execute("PRAGMA user_version").fetchone()
    brought = known()
    if current > brought[-1][0]:
        raise StartupError(
            f"This store was written by a newer ingestbox (its schema is {current}, this one's is"
            f" {brought[-1][0]}). Start the newer program, or {_way_back(data, brought[-1][0])}"
        )
    for number, path in brought:
        if number <= current:
            _check_unchanged(connection, number, path)
    return int(current)


def migrate(
    connection: sqlite3.Connection,
    now_ms: int,
    before: Callable[[int, Path], object] = lambda number, path: None,
) -> int:
    """Brings the store up to this program's schema; returns how many migrations ran.

    Each runs in its own transaction together with its row in `migrations` and its `user_version`: a crash
    leaves the store at one version or the next. `before(number, path)` is called before each. Raises
    StartupError, and what a migration raises.
    """
    current = check(connection)
    ran = 0
    for number, path in known():
        if number <= current:
            continue
        before(number, path)
        text = path.read_text("utf-8")
        mark = digest(path)
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in statements(text):
                connection.execute(statement)
            connection.execute(
                "INSERT INTO migrations (number, name, sha256, applied_ms) VALUES (?, ?, ?, ?)",
                (number, path.name, mark, now_ms),
            )
            connection.execute(f"PRAGMA user_version = {number}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        ran += 1
    return ran


def digest(path: Path) -> str:
    """What is remembered of a migration: the SHA-256 of its file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _way_back(data: Path | None, schema: int) -> str:
    """How to go back to a store of this schema, as the end of a sentence and what that costs."""
    found = None if data is None else snapshots.fitting(data, schema)
    lost = "What came in since then is lost by that."
    if found is None:
        return f"restore a backup that was made before the upgrade: ingestbox restore FILE --force. {lost}"
    return (
        f"go back to how it was before the upgrade (schema {found.schema}, {found.stamp}): ingestbox restore "
        f"{found.path} --data {data} --force. {lost}"
    )


def _check_unchanged(connection: sqlite3.Connection, number: int, path: Path) -> None:
    row = connection.execute("SELECT sha256 FROM migrations WHERE number = ?", (number,)).fetchone()
    if row is None or row[0] != digest(path):
        raise StartupError(
            f"The migration {path.name} differs from the one this store was made with. "
            "Install the release that matches the store, or restore a backup."
        )
