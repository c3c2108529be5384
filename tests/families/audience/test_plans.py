"""How SQLite goes about what is asked for each chunk and each page: by a whole key, however much there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ingestbox import families
from ingestbox.store import DATABASE, Store, load_queries
from ingestbox.store.engine import CACHED_STATEMENTS, connect_writer
from ingestbox.store.queries import Queries
from tests.store.support import with_store

PLANS = {
    "put_own_record": ["u USING COVERING INDEX audience_uploads_by_job (job_id=?)"],
    "firsts_record": ["r USING INDEX audience_records_first (workspace=? AND owner=? AND match=?)"],
    "upload": ["u USING INDEX audience_uploads_by_id (public_id=? AND origin=?)"],
    "there": ["audience_uploads USING INTEGER PRIMARY KEY (rowid=?)"],
    "records": [
        "r USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)",
        "a USING INTEGER PRIMARY KEY (rowid=?)",
    ],
    "results": ["a USING INTEGER PRIMARY KEY (rowid=?)"],
    "uploads_mine": ["u USING INDEX audience_uploads_of_owner (workspace=? AND owner=? AND id<?)"],
    "uploads_here": ["u USING INDEX audience_uploads_by_workspace (workspace=? AND id<?)"],
    "remove_record": ["audience_records_by_object (object_id=? AND origin=? AND workspace=?)"],
}


@pytest.fixture(scope="module")
def plans(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """The steps of each of the family's statements, in a new store."""
    folder: Path = tmp_path_factory.mktemp("plans")

    async def nothing(_: Store) -> None: ...

    with_store(folder, nothing)
    connection = connect_writer(folder / DATABASE)
    try:
        return {
            query.name.partition(".")[2]: [
                row[3]
                for row in connection.execute(f"EXPLAIN QUERY PLAN {query.sql}", [1] * len(query.names))
            ]
            for query in _queries().all()
            if query.name.startswith("audience.")
        }
    finally:
        connection.close()


def _queries() -> Queries:
    return load_queries({name: family.queries for name, family in families.load().items()})


@pytest.mark.parametrize("name", PLANS)
def test_it_is_found_by_its_whole_key(plans: dict[str, list[str]], name: str) -> None:
    for part in PLANS[name]:
        assert any(part in step for step in plans[name]), plans[name]
    assert not any("TEMP B-TREE" in step for step in plans[name]), plans[name]


def test_nothing_reads_a_whole_table_of_records(plans: dict[str, list[str]]) -> None:
    """Nor a whole index, but for the uploads that are counted or listed in order."""
    for name, steps in plans.items():
        scans = [step for step in steps if re.match(r"SCAN (r|a|records|audience_records)\b", step)]
        assert not scans, (name, steps)


def test_all_statements_of_all_families_stay_prepared() -> None:
    """A connection that keeps fewer than there are compiles a put at each call."""
    assert len(_queries().all()) < CACHED_STATEMENTS / 2
