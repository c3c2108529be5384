"""A look into the files of boxes, for what no answer shows: that every effect is there exactly once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ingestbox.store import DATABASE
from ingestbox.store.engine import sqlite3


def rows(data: Path, sql: str) -> list[tuple[Any, ...]]:
    """All rows of a statement, from a read-only connection."""
    connection = sqlite3.connect(f"{(data / DATABASE).absolute().as_uri()}?mode=ro", uri=True)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def change(data: Path, sql: str, params: tuple[object, ...] = ()) -> int:
    """Changes the file of a box that does not run; returns how many rows."""
    connection = sqlite3.connect(data / DATABASE)
    try:
        with connection:
            return connection.execute(sql, params).rowcount
    finally:
        connection.close()


def check_effects(data: Path, upstream: Path | None = None) -> dict[str, int]:
    """Asserts that each effect happened once, here and upstream; returns counts to report.

    One put for each (object, version), versions and seqs without a gap, a delivery for every record that
    is done and none for a superseded one, no record left pending.
    """
    states = dict(rows(data, "SELECT state, COUNT(*) FROM records GROUP BY state"))
    assert set(states) <= {"done", "superseded"}, states
    ((made, first, last),) = rows(data, "SELECT COUNT(*), MIN(seq), MAX(seq) FROM deliveries")
    assert (first, last) == (1, made)
    assert made == states["done"]
    one = "workspace, family, kind, object_id"
    assert not rows(data, f"SELECT {one} FROM deliveries GROUP BY {one}, version HAVING COUNT(*) > 1")
    assert not rows(data, "SELECT record_id FROM deliveries GROUP BY record_id HAVING COUNT(*) > 1")
    heads = f"SELECT {one}, MAX(version) FROM deliveries GROUP BY {one} HAVING COUNT(*) = MAX(version)"
    objects = rows(data, f"SELECT {one}, version FROM objects WHERE origin = '' AND deleted = 0")
    assert sorted(rows(data, heads)) == sorted(objects)
    assert not rows(data, "SELECT key FROM idempotency GROUP BY scope, key HAVING COUNT(*) > 1")
    assert not rows(data, "SELECT id FROM jobs WHERE state = 'receiving'")
    if upstream is not None:
        ((applied,),) = rows(upstream, "SELECT COUNT(*) FROM sync_lines")
        assert applied == made
        above = rows(upstream, f"SELECT {one}, version FROM objects WHERE origin <> '' AND deleted = 0")
        assert sorted(above) == sorted(objects)
    return {"records": sum(states.values()), "superseded": states.get("superseded", 0), "deliveries": made}
