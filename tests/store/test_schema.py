"""Schema, queries and migrations prove each other."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest

from ingestbox import families
from ingestbox.errors import StartupError
from ingestbox.store import DATABASE, Store, load_queries, migrations
from ingestbox.store.engine import connect_writer, has_wal_reset_bug, sqlite3
from ingestbox.store.nearest import learn
from ingestbox.store.queries import Query
from tests.store.support import with_store


async def nothing(_: Store) -> None: ...


def test_every_query_is_valid_against_the_schema(tmp_path: Path) -> None:
    with_store(tmp_path, nothing)
    connection = connect_writer(tmp_path / DATABASE)
    queries = load_queries({name: family.queries for name, family in families.load().items()})
    learn(connection)  # as readers do
    try:
        assert len(queries.all()) > 40
        for query in queries.all():
            connection.execute(f"EXPLAIN {query.sql}", [None] * len(query.names))
    finally:
        connection.close()


def test_statements_stay_prepared_also_where_the_store_was_just_made(tmp_path: Path) -> None:
    """A put that is compiled at each call costs four times as much."""
    queries = load_queries({name: family.queries for name, family in families.load().items()})
    compiled: list[int] = []

    def authorize(action: int, *_: object) -> int:
        compiled.append(action)
        return 0

    connection = connect_writer(tmp_path / DATABASE)
    try:
        migrations.migrate(connection, 1)
        connection.set_authorizer(authorize)
        for _ in range(2):
            compiled.clear()
            for query in queries.all():
                # Of reads, and of a LIMIT, the plan may depend on what is bound.
                if not re.search(r"^SELECT|LIMIT \?", query.sql):
                    connection.execute(f"EXPLAIN {query.sql}", [None] * len(query.names))
        assert not compiled
    finally:
        connection.close()


def test_lists_and_look_ups_use_an_index(tmp_path: Path) -> None:
    """No query that runs per request or per chunk reads a whole growing table."""
    with_store(tmp_path, nothing)
    connection = connect_writer(tmp_path / DATABASE)
    queries = load_queries({name: family.queries for name, family in families.load().items()})
    many = ("tickets", "totals", "entities", "staged", "contacts", "refused", "uploads")
    scanning = {  # the doctor's count, and what is done once to a store that is put back
        "audit.relied_on",
        "users.end_all_logins",
        *(f"tallies.true_{what}" for what in ("jobs", "objects", "issues", *many)),
        *(f"tallies.kept_{what}" for what in many),
    }
    # Parts of jobs.due and staging.to_recheck; sync.boxes; distinct.departed, in the order of its key; a
    # stretch of records that a filter looks at.
    limited = ("ready", "lost", "fresh", "edited", "failed", "both", "latest", "departed", "seen")
    tallies = ("job_tallies", "object_tallies", "issue_tallies", "contact_tallies")
    counted = (*tallies, "alarms", "alarm_notices", "migrations")
    fixed = ("pragma_", "owned", "late", "unfinished", "times")
    boxes = ("lanes", "box", "sync_boxes", "sync_gaps", "api_keys", "private_families")
    tables = (*boxes, "knowledge_models", "knowledge_leaving", "hits")
    small = (*tables, *counted, *fixed, "CONSTANT", "(subquery", "found", "waiting", *limited)
    learn(connection)
    try:
        for query in queries.all():
            if query.name in scanning:
                continue
            plan = [
                row[3]
                for row in connection.execute(f"EXPLAIN QUERY PLAN {query.sql}", [1] * len(query.names))
            ]
            scans = [
                line
                for line in plan
                if line.startswith("SCAN") and "USING" not in line and not line.split()[1].startswith(small)
                if not re.search(r"VIRTUAL TABLE INDEX (1:|153[79]:|\d+:=?M)", line)  # json_each, words
            ]
            assert not scans, (query.name, plan)
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("feedback.ticket", ["(workspace=? AND ticket_id=?)"]),
        ("files.repeats", ["(origin=? AND workspace=? AND family=? AND kind=? AND object_id=?)"]),
        ("jobs.newest", ["jobs_listed (workspace=? AND family=? AND state=?)"]),
        ("jobs.due", ["jobs_queued (retry_ms<?)", "jobs_queued (retry_ms>?)", "jobs_queued (retry_ms=?)"]),
    ],
)
def test_what_is_asked_for_often_is_found_by_its_whole_key(
    tmp_path: Path, query: str, wanted: list[str]
) -> None:
    """An index that serves only the key's beginning would read a workspace, or all that is queued."""
    with_store(tmp_path, nothing)
    connection = connect_writer(tmp_path / DATABASE)
    statement = load_queries({name: family.queries for name, family in families.load().items()})[query]
    try:
        plan = [
            row[3]
            for row in connection.execute(f"EXPLAIN QUERY PLAN {statement.sql}", [1] * len(statement.names))
        ]
        for part in wanted:
            assert any(part in line for line in plan), plan
        assert not any("TEMP B-TREE" in line for line in plan), plan
    finally:
        connection.close()


def test_a_new_store(tmp_path: Path) -> None:
    async def body(store: Store) -> tuple[str, str]:
        return store.identity.box, store.identity.epoch

    box, epoch = with_store(tmp_path, body)
    assert (box[0], len(box), epoch[0]) == ("b", 17, "e")
    assert stat.S_IMODE((tmp_path / DATABASE).stat().st_mode) == 0o600
    assert with_store(tmp_path, body) == (box, epoch)  # the same box after a restart
    connection = connect_writer(tmp_path / DATABASE)
    try:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
        assert connection.execute("PRAGMA auto_vacuum").fetchone() == (2,)
        assert connection.execute("PRAGMA mmap_size").fetchone() in [(0,), None]
        applied = connection.execute("SELECT number, name FROM migrations ORDER BY number").fetchall()
        assert applied == [(number, path.name) for number, path in migrations.known()]
    finally:
        connection.close()


def test_migrations_are_numbered_without_gaps() -> None:
    assert [number for number, _ in migrations.known()] == list(range(1, len(migrations.known()) + 1))


def test_a_changed_migration_and_a_newer_store_are_refused(tmp_path: Path) -> None:
    with_store(tmp_path, nothing)
    connection = connect_writer(tmp_path / DATABASE)
    connection.execute("UPDATE migrations SET sha256 = 'other' WHERE number = 1")
    connection.close()
    with pytest.raises(StartupError, match="0001_ledger"):
        with_store(tmp_path, nothing)
    connection = connect_writer(tmp_path / DATABASE)
    connection.execute("PRAGMA user_version = 900")
    connection.close()
    with pytest.raises(StartupError, match="newer ingestbox"):
        with_store(tmp_path, nothing)


def test_a_migration_that_fails_leaves_the_store_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_store(tmp_path, nothing)
    bad = tmp_path / "0099_bad.sql"
    bad.write_text("CREATE TABLE half (a);\nINSERT INTO nowhere VALUES (1);\n")
    connection = connect_writer(tmp_path / DATABASE)
    everything = migrations.known()
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "known", lambda: [*everything, (99, bad)])
        with pytest.raises(sqlite3.OperationalError, match="nowhere"):
            migrations.migrate(connection, 1)
    assert connection.execute("PRAGMA user_version").fetchone() == (everything[-1][0],)
    assert not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'half'").fetchall()
    connection.close()


def test_a_file_that_is_no_database_is_refused_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / DATABASE).write_bytes(b"not a database, but long enough to be looked at " * 100)
    with pytest.raises(StartupError, match="damaged"):
        with_store(tmp_path, nothing)


@pytest.mark.parametrize(
    ("version", "bug"),
    [
        ("3.53.4", False),
        ("3.51.3", False),
        ("3.51.2", True),
        ("3.50.7", False),
        ("3.50.6", True),
        ("3.44.6", False),
        ("3.44.5", True),
        ("3.45.1", True),
        ("3.40.1", True),
        ("4.0.0", False),
    ],
)
def test_which_sqlite_has_the_wal_reset_bug(version: str, bug: bool) -> None:
    assert has_wal_reset_bug(version) is bug


def test_named_parameters_are_numbered_by_first_appearance() -> None:
    query = Query("q", "-- why: not :this\nSELECT :b, ':not', a::text, :a, :b\nFROM t;")
    assert query.sql == "SELECT ?1, ':not', a::text, ?2, ?1\nFROM t"
    assert query.names == ("b", "a")
    assert query.bind({"a": 1, "b": 2, "more": 0}) == (2, 1)
    assert query.bind((5, 6)) == (5, 6)


def test_a_migration_whose_last_statement_has_no_end_is_not_cut_short() -> None:
    assert len(migrations.statements("CREATE TABLE a (b);\n-- a comment; at the end\n")) == 1
    with pytest.raises(ValueError, match="does not end"):
        migrations.statements("CREATE TABLE a (b);\nCREATE INDEX c ON a (b)\n")
