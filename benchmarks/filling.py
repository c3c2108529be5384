"""A store with a million objects in some minutes: the program's own puts, many to a transaction, unsynced."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from pathlib import Path

from ingestbox import families
from ingestbox.store import DATABASE, load_queries
from ingestbox.store.engine import connect_writer
from ingestbox.store.unit import Tx

PUTS = 5_000
"""In one transaction: full text is written once for all of them, and has fewer parts to merge."""

CACHE_KIB = 262_144


def fill(folder: Path, rows: Iterable[dict[str, object]], put: str = "feedback.put_ticket") -> None:
    """Puts tickets, or what else a query puts, into a store that exists already and that nobody has open."""
    queries = load_queries({name: family.queries for name, family in families.load().items()})
    connection = connect_writer(folder / DATABASE)
    try:
        connection.execute("PRAGMA synchronous = OFF")  # of the store of a benchmark, while it is made
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        tx = Tx(connection, queries)
        rest = iter(rows)
        while some := list(itertools.islice(rest, PUTS)):
            connection.execute("BEGIN IMMEDIATE")
            tx.many(put, some)
            connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint (TRUNCATE)")
    finally:
        connection.close()
