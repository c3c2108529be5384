"""Migrations: numbered SQL files, each applied once in a transaction, with a checksum remembered.

`user_version` holds the number of the last one applied. A file that was changed after it was applied, or a
store that a newer program has migrated, is refused with a sentence.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from ingestbox.errors import StartupError
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


def migrate(connection: sqlite3.Connection, now_ms: int) -> int:
    """Brings the store up to this program's schema; returns how many migrations ran.

    Each runs in its own transaction together with its row in `migrations` and its `user_version`: a crash
    leaves the store at one version or the next. Raises StartupError.
    """
    (current,) = connection.execute("PRAGMA user_version").fetchone()
    brought = known()
    if current > brought[-1][0]:
        raise StartupError(
            f"This store was written by a newer ingestbox (its schema is {current}, this one's is"
            f" {brought[-1][0]}). Start the newer program, or restore the backup made before the upgrade."
        )
    ran = 0
    for number, path in brought:
        text = path.read_text("utf-8")
        digest = hashlib.sha256(text.encode()).hexdigest()
        if number <= current:
            _check_unchanged(connection, number, path, digest)
            continue
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in statements(text):
                connection.execute(statement)
            connection.execute(
                "INSERT INTO migrations (number, name, sha256, applied_ms) VALUES (?, ?, ?, ?)",
                (number, path.name, digest, now_ms),
            )
            connection.execute(f"PRAGMA user_version = {number}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        ran += 1
    return ran


def _check_unchanged(connection: sqlite3.Connection, number: int, path: Path, digest: str) -> None:
    row = connection.execute("SELECT sha256 FROM migrations WHERE number = ?", (number,)).fetchone()
    if row is None or row[0] != digest:
        raise StartupError(
            f"The migration {path.name} differs from the one this store was made with. "
            "Install the release that matches the store, or restore a backup."
        )
