"""A store that is put back: what has to be done to it before a box goes on from it."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

from ingestbox.store import load_queries
from ingestbox.store.copying import sync
from ingestbox.store.engine import connect_reader, connect_writer, sqlite3
from ingestbox.store.identity import BoxIdentity
from ingestbox.store.migrations import migrate
from ingestbox.store.place import renew_epoch
from ingestbox.store.unit import Tx

REASON = "restore"

AHEAD = 1_000_000
"""What users' generations go on by: further than they can have come since the copy was made, so that no token
that ended meanwhile is good again because its number comes round."""


@dataclass(frozen=True, slots=True)
class TakenBack:
    """A deed that a restored copy does not know of: what was done, to which thing, and when (Unix ms)."""

    action: str
    object: str
    object_id: str
    at_ms: int


def prepare(database: Path, place: str, now_ms: int, actor: str) -> BoxIdentity:
    """Upgrades the copy if it is of an older program, begins a new epoch, and ends what lets people in:
    sessions, tokens of logins, links. `place` is where the folder will be (`place.place_of`). Blocks.

    Raises StartupError as `migrate` does, and sqlite3.Error.
    """
    with contextlib.closing(connect_writer(database)) as connection:
        migrate(connection, now_ms)
        connection.execute("BEGIN IMMEDIATE")
        tx = Tx(connection, load_queries({}))
        identity = renew_epoch(tx, REASON, actor, now_ms)
        tx.run("box.set_place", {"place": place})
        tx.run("sessions.end_all")
        tx.run("invitations.revoke_all")
        tx.run("users.end_all_logins", {"ahead": AHEAD})
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    sync(database)
    return identity


def box_of(database: Path) -> str | None:
    """The name of the box whose store this is; None when that cannot be read. Nothing writes to it."""
    with contextlib.suppress(sqlite3.Error, OSError), contextlib.closing(connect_reader(database)) as reader:
        row = reader.execute("SELECT box FROM box").fetchone()
        return None if row is None else str(row[0])
    return None


def last_deed_ms(database: Path) -> int:
    """When the newest entry of a copy's audit trail was made (Unix ms); 0 without one. What the file's own
    times say is gone with the next `cp`. Raises sqlite3.Error."""
    query = load_queries({})["audit.newest"]
    with contextlib.closing(connect_reader(database)) as reader:
        return int(reader.execute(query.sql).fetchone()[0])


def taken_back(database: Path, copy_ms: int, most: int) -> list[TakenBack]:
    """What was done in this store since then that a copy of then does not know of, erasures first, then the
    oldest; nothing when it cannot be read."""
    query = load_queries({})["audit.relied_on"]
    with contextlib.suppress(sqlite3.Error, OSError), contextlib.closing(connect_reader(database)) as reader:
        rows = reader.execute(query.sql, query.bind({"since": copy_ms, "limit": most}))
        return [TakenBack(*row) for row in rows]
    return []
