"""Whether objects that are the same thing are told apart as they should be, in the database itself."""

from __future__ import annotations

import json
import zlib
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ingestbox.store.engine import connect_reader


def rows(database: Path, sql: str) -> list[tuple[Any, ...]]:
    connection = connect_reader(database)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def right(database: Path, *, settled: bool) -> None:
    """Each has one first; a duplicate names it, or it is on the list of those to be told (unless all is
    `settled`). What upstream was told last is what is stored."""
    connection = connect_reader(database)
    try:
        connection.execute("BEGIN")  # all of one moment
        live = connection.execute(
            "SELECT id, workspace, owner, object_id, match, duplicate_of, CAST(result AS BLOB), version, crc"
            " FROM audience_records"
        ).fetchall()
        departed = connection.execute("SELECT workspace, owner, object_id, after FROM departed").fetchall()
        lines = connection.execute(
            "SELECT object_id, version, op, CAST(line AS BLOB), crc FROM deliveries"
            " WHERE family = 'audience' AND kind = 'record' ORDER BY seq"
        ).fetchall()
    finally:
        connection.close()
    waiting = {row[:3]: row[3] for row in departed}
    at = {(row[1], row[2], row[3]): (row[4], row[5]) for row in live}
    groups = defaultdict(list)
    for rid, workspace, owner, object_id, match, of, result, _, crc in live:
        groups[workspace, owner, match].append(of)
        assert json.loads(result)["_duplicate_of"] == of
        assert zlib.crc32(result) == crc
        if of is None or at.get((workspace, owner, of)) == (match, None):
            continue
        assert not settled, f"{object_id} is a duplicate of {of}, which is none"
        assert waiting[workspace, owner, of] < rid, f"nobody will tell {object_id}"
    assert all(found.count(None) <= 1 for found in groups.values())
    if settled:
        assert not waiting
        assert all(found.count(None) == 1 for found in groups.values())
        _upstream(lines, {row[3]: (row[7], row[6]) for row in live})


def _upstream(lines: list[tuple[Any, ...]], live: Mapping[str, tuple[int, bytes]]) -> None:
    told: dict[str, tuple[int, bytes | None]] = {}
    for object_id, version, op, line, crc in lines:
        assert version > told.get(object_id, (0, None))[0], "versions go up"
        assert zlib.crc32(line) == crc
        said = op == "put" and b'"op":"skip"' not in line  # what an erasure took back
        result = line[line.index(b'"result":') + 9 : line.index(b',"lineage"')] if said else None
        told[object_id] = (version, result)
    assert {name: each for name, each in told.items() if each[1] is not None} == dict(live)
