"""A unit of work: data, and what it does to the store inside a transaction of the writer's."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol, TypeVar

from ingestbox.store.engine import sqlite3
from ingestbox.store.queries import Params, Queries

T_co = TypeVar("T_co", covariant=True)


class Tx:
    """What a unit sees: named statements on the writer's connection, inside the transaction."""

    __slots__ = ("_connection", "_queries", "redacted")

    def __init__(
        self, connection: sqlite3.Connection, queries: Queries, redacted: frozenset[str] = frozenset()
    ) -> None:
        """`redacted` are the families whose personal data is hidden in what is forwarded."""
        self._connection = connection
        self._queries = queries
        self.redacted = redacted

    def run(self, query: str, params: Params = ()) -> int:
        """Runs a statement; returns how many rows it changed."""
        statement = self._queries[query]
        return self._connection.execute(statement.sql, statement.bind(params)).rowcount

    def many(self, query: str, rows: Iterable[Params]) -> int:
        """Runs a statement for each row; returns how many rows were changed in all."""
        statement = self._queries[query]
        bound = [row if type(row) is tuple else statement.bind(row) for row in rows]
        return self._connection.executemany(statement.sql, bound).rowcount if bound else 0

    def one(self, query: str, params: Params = ()) -> tuple[Any, ...] | None:
        """The only row of a statement (SELECT, or RETURNING), or None."""
        statement = self._queries[query]
        # All rows are fetched: a statement left half-read would still be running at COMMIT.
        rows = self._connection.execute(statement.sql, statement.bind(params)).fetchall()
        return rows[0] if rows else None

    def all(self, query: str, params: Params = ()) -> list[tuple[Any, ...]]:
        """Every row of a statement."""
        statement = self._queries[query]
        return self._connection.execute(statement.sql, statement.bind(params)).fetchall()

    def has(self, query: str) -> bool:
        """Whether there is a statement of this name (a family may leave optional ones out)."""
        return query in self._queries


class Unit(Protocol[T_co]):
    """A piece of work for the writer: data, and what it does to the store. It may run more than once."""

    @property
    def weight(self) -> int:
        """About how many rows it touches, large ones counting for more (`weight_of`); no unit holds the
        writer over 20 ms (about 1,500 rows)."""

    def apply(self, tx: Tx) -> T_co:
        """Does the work; what it raises undoes this unit alone and reaches the caller."""


def weight_of(size: int) -> int:
    """What `size` bytes of payload add to a unit's weight: writing 2 KiB costs about what a row does."""
    return size >> 11
