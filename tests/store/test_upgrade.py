"""Stores of every earlier release are upgraded; one that cannot be is as it was before."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from ingestbox import config
from ingestbox.clock import SystemClock
from ingestbox.config import Store as StoreSettings
from ingestbox.errors import StartupError
from ingestbox.model import record_id
from ingestbox.ops import doctor
from ingestbox.store import DATABASE, Store, migrations, snapshots, upgrade
from ingestbox.store.engine import connect_writer
from ingestbox.web.v1.reports import Report
from tests.harness import running
from tests.store import olden
from tests.store.olden import NEWEST_SCHEMA, contents, copied, looking, schema_of
from tests.store.support import with_store

KNOWN = [number for number, _ in migrations.known()]

KEPT = {
    "tickets": ("tickets", "ticket_id, record, result, crc"),
    "ticket_puts": ("tickets", "ticket_id, record, result, crc"),
    "contacts": ("contacts", "email, object_id, record_id, crc"),
    "contact_puts": ("contacts", "email, object_id, record_id, crc"),
}
"""Where rows are looked for that have another table now, and which columns they kept."""


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """A data folder of every earlier schema, with rows: nobody changes them."""
    folder = tmp_path_factory.mktemp("old")
    return {number: olden.lay(folder / str(number), number, empty) for number, empty in olden.empties(folder)}


async def nothing(_: Store) -> None: ...


def change(data: Path, *statements: str) -> None:
    with contextlib.closing(connect_writer(data / DATABASE)) as connection:
        for statement in statements:
            connection.execute(statement)


def refusal(data: Path, settings: StoreSettings | None = None) -> str:
    """What a start says that does not come about."""
    with pytest.raises(StartupError) as caught:
        with_store(data, nothing, settings=settings)
    return str(caught.value)


def notes(data: Path) -> list[str]:
    """What the data folder says of an upgrade that is not at its end."""
    return [name for name in (upgrade.UNDER_WAY, upgrade.FAILED) if (data / name).exists()]


async def examined(store: Store) -> Report:
    return await doctor.examine(store, config.Settings())


def test_every_schema_but_the_newest_has_its_rows_here() -> None:
    assert olden.LATEST == NEWEST_SCHEMA - 1, (
        "add what the last release's tables hold to tests/store/olden.py"
    )


@pytest.mark.parametrize("schema", KNOWN[:-1])
def test_a_store_of_each_earlier_schema_is_upgraded_with_all_that_it_holds(
    old: dict[int, Path], tmp_path: Path, schema: int
) -> None:
    data = copied(old[schema], tmp_path / "data")
    report = with_store(data, examined)
    wrong = [each for each in report.findings if not each.ok and each.check not in ("permissions", "disk")]
    assert not wrong, wrong
    assert schema_of(data / DATABASE) == NEWEST_SCHEMA
    with looking(data / DATABASE) as connection:
        for table, row in olden.rows_of(schema):
            place, columns = KEPT.get(table, (table, ", ".join(row)))
            wanted = tuple(row[name] for name in columns.split(", "))
            found = connection.execute(f"SELECT {columns} FROM {place}").fetchall()
            if table != "box":  # that tells that its folder is another one
                assert wanted in found, table
        if schema > 1:  # what was refused upstream is an issue now, once
            refused = connection.execute(
                "SELECT seq, record_id FROM issues WHERE lane = 'central'"
            ).fetchall()
            assert refused == [(2, record_id(1, 0))]
    (made,) = snapshots.listed(data)
    assert (made.schema, made.to) == (schema, NEWEST_SCHEMA)
    assert schema_of(made.path) == schema
    assert contents(made.path) == contents(old[schema] / DATABASE)
    assert not notes(data)


@pytest.mark.parametrize("schema", [1, 7, 19])
def test_a_box_serves_what_an_earlier_release_took_in(
    old: dict[int, Path], tmp_path: Path, schema: int
) -> None:
    (tmp_path / "box").mkdir()
    copied(old[schema], tmp_path / "box" / "data")
    with running(tmp_path / "box") as box, box.client() as client:
        job = client.get("/v1/jobs").raise_for_status().json()["jobs"][-1]
        assert (job["family"], job["total"]) == ("feedback", 2)
        (issue,) = (
            client.get("/v1/issues", params={"code": "text_required"}).raise_for_status().json()["issues"]
        )
        assert issue["record"]
        if schema > 2:
            sent = client.get("/api/tickets/T-1").raise_for_status().json()
            wanted = json.loads(olden.SENT)
            assert (sent["ticket_id"], sent["summary"], sent["description"]) == tuple(wanted.values())
            assert client.get("/api/tickets").raise_for_status().json()["total"] == 2
        if schema > 18:
            url = f"/api/audience/batch-upload/{olden.UPLOAD}"
            assert client.get(url).raise_for_status().json()["rows_processed"] == 1
            contacts = client.get("/contacts", params={"all": "true"}).raise_for_status().json()
            assert "c@example.com" in json.dumps(contacts)


PLANTED = "CREATE TABLE audience_uploads (mine TEXT)"
"""What the migration 0019 cannot be made beside."""


def test_a_migration_that_fails_puts_the_store_back_to_what_it_was(
    old: dict[int, Path], tmp_path: Path
) -> None:
    data = copied(old[17], tmp_path / "data")
    change(data, PLANTED, "INSERT INTO audience_uploads VALUES ('kept')")
    before = contents(data / DATABASE)
    for _ in range(2):  # as often as a service manager starts it
        said = refusal(data)
        assert "0019_audience.sql failed (table audience_uploads already exists)" in said
        assert "as it was before, of schema 17: start the ingestbox that ran until now" in said
        failed = data / "snapshots" / f"failed-upgrade-17-to-{NEWEST_SCHEMA}.db"
        assert f"is kept in {failed}" in said
        assert contents(data / DATABASE) == before
        assert schema_of(failed) == 18
        assert not snapshots.listed(data)
        assert not notes(data)
    change(data, "DROP TABLE audience_uploads")
    with_store(data, nothing)
    assert schema_of(data / DATABASE) == NEWEST_SCHEMA
    assert [path.name[:10] for path in (data / "snapshots").iterdir()] == ["before-upg"]


def test_without_the_snapshot_nobody_says_that_the_store_is_as_it_was(
    old: dict[int, Path], tmp_path: Path
) -> None:
    data = copied(old[17], tmp_path / "data")
    change(data, PLANTED)
    taken = data / "snapshots" / "before-upgrade-17-to-20-20260101T000000Z.db"
    plan = upgrade.Plan(taken.name, 16, NEWEST_SCHEMA)
    (data / upgrade.UNDER_WAY).write_bytes(msgspec.json.encode(plan))  # and somebody made room
    said = refusal(data)
    assert f"could not be put back to what it was: [Errno 2] there is no such snapshot: '{taken}'" in said
    assert "as it was before" not in said
    assert notes(data) == [upgrade.FAILED]
    assert "there is no such snapshot" in refusal(data), "nor does a later start"


def test_a_log_that_could_not_be_emptied_is_not_left_beside_what_was_put_back(
    old: dict[int, Path], tmp_path: Path
) -> None:
    """Somebody else reads the store meanwhile: the failed one keeps its write-ahead log."""
    data = copied(old[17], tmp_path / "data")
    change(data, PLANTED)
    before = contents(data / DATABASE)
    with looking(data / DATABASE) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM jobs").fetchall()
        assert "as it was before, of schema 17" in refusal(data)
    failed = data / "snapshots" / f"failed-upgrade-17-to-{NEWEST_SCHEMA}.db"
    assert failed.with_name(f"{failed.name}-wal").stat().st_size > 0
    assert contents(data / DATABASE) == before
    assert schema_of(failed) == 18


def test_the_box_is_the_same_after_it_was_put_back(old: dict[int, Path], tmp_path: Path) -> None:
    async def identity(store: Store) -> tuple[str, str]:
        return store.identity.box, store.identity.epoch

    data = copied(old[18], tmp_path / "data")
    with pytest.MonkeyPatch.context() as patch:
        before = migrations.known()[:18]
        patch.setattr(migrations, "known", lambda: before)
        first = with_store(data, identity)
    change(data, "CREATE TABLE knowledge_sources (mine TEXT)")
    assert "0020_knowledge.sql failed" in refusal(data)
    change(data, "DROP TABLE knowledge_sources")
    assert with_store(data, identity) == first


def test_a_first_migration_that_fails_leaves_nothing_behind(old: dict[int, Path], tmp_path: Path) -> None:
    data = copied(old[18], tmp_path / "data")
    change(data, PLANTED)
    before = contents(data / DATABASE)
    assert "as it was before, of schema 18" in refusal(data)
    assert contents(data / DATABASE) == before
    assert not list((data / "snapshots").iterdir())
    assert not notes(data)


def test_a_store_that_gets_full_while_it_is_upgraded_is_put_back(
    old: dict[int, Path], tmp_path: Path
) -> None:
    data = copied(old[7], tmp_path / "data")
    change(data, "INSERT INTO records VALUES (9, 'k', 'pending', zeroblob(600000), 0)")
    before = contents(data / DATABASE)
    said = refusal(data, StoreSettings(max_mb=1))
    assert "database or disk is full" in said
    assert "as it was before, of schema 7" in said
    assert contents(data / DATABASE) == before
    with_store(data, nothing)
    assert schema_of(data / DATABASE) == NEWEST_SCHEMA


def test_without_room_for_a_snapshot_nothing_is_begun(
    old: dict[int, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = copied(old[9], tmp_path / "data")
    monkeypatch.setattr(snapshots, "SPARE_BYTES", 1 << 60)
    said = refusal(data)
    assert "MB are free" in said
    assert "store.upgrade_snapshot = false" in said
    assert schema_of(data / DATABASE) == 9
    assert not notes(data)
    with_store(data, nothing, settings=StoreSettings(upgrade_snapshot=False))
    assert schema_of(data / DATABASE) == NEWEST_SCHEMA
    assert not list((data / "snapshots").iterdir())
    assert not notes(data)


def test_without_a_snapshot_a_migration_that_fails_says_where_the_store_is(
    old: dict[int, Path], tmp_path: Path
) -> None:
    data = copied(old[17], tmp_path / "data")
    change(data, PLANTED)
    said = refusal(data, StoreSettings(upgrade_snapshot=False))
    assert "its schema is 18" in said
    assert "there is no snapshot" in said
    change(data, "DROP TABLE audience_uploads")
    with_store(data, nothing)
    assert schema_of(data / DATABASE) == NEWEST_SCHEMA


def test_a_damaged_store_is_not_upgraded(old: dict[int, Path], tmp_path: Path) -> None:
    data = copied(old[16], tmp_path / "data")
    with looking(data / DATABASE) as connection:
        ((root,),) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'jobs'").fetchall()
    with (data / DATABASE).open("r+b") as file:
        file.seek((root - 1) * 4096)
        file.write(b"\xff" * 64)
    before = (data / DATABASE).read_bytes()
    said = refusal(data)
    assert "the store is damaged" in said
    assert "ingestbox salvage" in said
    assert (data / DATABASE).read_bytes()[100:] == before[100:]  # but for the header, which counts openings
    assert not list((data / "snapshots").iterdir())


def test_a_downgrade_names_the_way_back(
    old: dict[int, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = copied(old[17], tmp_path / "data")
    with_store(data, nothing)
    everything = migrations.known()
    (made,) = snapshots.listed(data)
    monkeypatch.setattr(migrations, "known", lambda: everything[:18])
    said = refusal(data)
    assert f"ingestbox restore {made.path} --data {data} --force" in said
    assert "came in since then is lost" in said
    monkeypatch.setattr(migrations, "known", lambda: everything[:16])
    assert "ingestbox restore FILE --force" in refusal(data)


def test_the_newest_two_snapshots_are_kept(old: dict[int, Path], tmp_path: Path) -> None:
    data = copied(old[19], tmp_path / "data")
    folder = snapshots.made(data)
    for name in ("before-upgrade-3-to-9-20240101T000000Z.db", "before-upgrade-9-to-19-20250101T000000Z.db"):
        (folder / name).touch()
    (folder / "before-upgrade-9-to-19-20250101T000000Z.db.part").touch()
    with_store(data, nothing)
    assert [each.schema for each in snapshots.listed(data)] == [9, 19]
    assert len(list(folder.iterdir())) == 2
    with_store(data, nothing)
    assert [each.schema for each in snapshots.listed(data)] == [9, 19]


def test_who_waits_for_an_upgrade_hears_of_it(old: dict[int, Path], tmp_path: Path) -> None:
    data = copied(old[17], tmp_path / "data")
    heard = _heard(data)
    assert heard[0] == "a snapshot of the store"
    assert [each.partition(",")[0] for each in heard[1:]] == [
        f"migration {number} of {NEWEST_SCHEMA}" for number in range(18, NEWEST_SCHEMA + 1)
    ]
    assert not _heard(data)


def _heard(data: Path) -> Sequence[str]:
    heard: list[str] = []

    async def main() -> None:
        async with contextlib.AsyncExitStack() as stack:
            await Store.open(
                data,
                stack,
                families={},
                settings=StoreSettings(),
                limits=config.Limits(),
                clock=SystemClock(),
                told=heard.append,
            )

    asyncio.run(main())
    return heard
