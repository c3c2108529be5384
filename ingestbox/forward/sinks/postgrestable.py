"""The tables that a PostgreSQL lane writes to: their statements, and how they are made."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import asyncpg

from ingestbox.forward.sink import Pause
from ingestbox.forward.sinks.postgresanswers import MOST_REASON
from ingestbox.forward.words import clean
from ingestbox.store.queries import Queries

_ENDINGS = {"table": "", "epochs": "_epochs", "received": "_received", "made": "_at"}
"""What the names of the tables and indexes end in, after the name of the lane's table."""

_CREATE = {"table": ("create_table", "index_received", "index_at"), "epochs": ("create_epochs",)}

_MEANWHILE = ("23505", "42P07", "42710", "XX000")
"""Somebody else made the same in the same moment: unique violations are those of the catalogue."""

_MAY_NOT = ("42501", "3F000")
"""Permission denied; there is no schema that it could be made in."""


class Table:
    """A lane's table, and the one beside it that ranks epochs."""

    def __init__(self, name: str) -> None:
        """Names are quoted here, whatever the settings let through."""
        queries = Queries()
        queries.add_file("postgres", Path(__file__).with_name("postgres.sql"))
        self._names = {key: _quoted(name + ending) for key, ending in _ENDINGS.items()}
        self._sql = {query.name.partition(".")[2]: self._named(query.sql) for query in queries.all()}
        self._lock = f"SELECT pg_advisory_xact_lock({zlib.crc32(name.encode())})"
        self.put = self._sql["put"]

    async def create(self, connection: Any, begin: str, *, keep: bool = True) -> Pause | None:
        """Makes what is missing, in a transaction that `begin` begins; why not, if that may not be.

        Without `keep` the transaction stays open, for a try that is taken back. Boxes that come at once wait
        for each other; when somebody else was faster all the same, there is nothing left to do.
        """
        try:
            await connection.execute(begin)
            await connection.execute(self._lock)
            for key, statements in _CREATE.items():
                # Not IF NOT EXISTS: that asks for the right to make what is there already.
                if not await connection.fetchval(self._sql["exists"], self._names[key]):
                    for each in statements:
                        await connection.execute(self._sql[each])
            if keep:
                await commit(connection)
        except asyncpg.PostgresError as error:
            if error.sqlstate not in (*_MEANWHILE, *_MAY_NOT):
                raise
            await connection.execute("ROLLBACK")
            if error.sqlstate in _MAY_NOT:
                return Pause(clean(f"no_table: {error.message} ({error.sqlstate})", MOST_REASON))
        return None

    def _named(self, sql: str) -> str:
        for key, name in self._names.items():
            sql = sql.replace(f"{{{key}}}", name)
        return sql


async def commit(connection: Any) -> None:
    """Commits; raises ConnectionError when the server answers that it rolled back."""
    if await connection.execute("COMMIT") != "COMMIT":
        raise ConnectionError("the transaction was rolled back")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
