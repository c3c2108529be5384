"""What can be read of a damaged store goes into a new one; the damaged one stays as it is."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from ingestbox.cli.commands import cli
from ingestbox.clock import SystemClock
from ingestbox.config import Settings
from ingestbox.errors import StartupError
from ingestbox.model import checksum
from ingestbox.ops.salvaging import SalvageError, SalvageReport, TableReport, salvage
from ingestbox.store import DATABASE, Store, walfile
from ingestbox.store.engine import connect_writer, sqlite3
from ingestbox.store.lock import DataLock
from ingestbox.store.salvage import rows
from ingestbox.store.salvage.building import OtherSchemaError
from ingestbox.store.salvage.pages import Pages
from tests.harness import running, until
from tests.store import olden
from tests.store.filled import fill
from tests.store.flipping import Contents, contents, flip, in_the_log, positions, try_one
from tests.store.olden import copied, looking
from tests.store.support import with_store

PAGE = 4096
SCALE = 40


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of a box with something of everything in it: nobody changes it."""
    return fill(tmp_path_factory.mktemp("filled"), SCALE)


@pytest.fixture(scope="module")
def before(filled: Path) -> Contents:
    return contents(filled / DATABASE)


def save(data: Path, to: Path) -> SalvageReport:
    return salvage(data, to, Settings(), SystemClock(), "test")


def told(report: SalvageReport, table: str) -> TableReport:
    (found,) = [each for each in report.tables if each.table == table]
    return found


def missing(before: Contents, data: Path) -> dict[str, int]:
    """How many rows of each table are not in a new store as they were."""
    after = contents(data / DATABASE)
    lost = {table: sum((before[table] - after[table]).values()) for table in before}
    return {table: count for table, count in lost.items() if count}


def pages_of(data: Path, table: str) -> list[int]:
    """The pages of a table's tree, its root first."""
    with looking(data / DATABASE) as connection:
        (found,) = [each for each in rows.tables(connection) if each.name == table]
    pages = Pages(data / DATABASE, PAGE)
    with contextlib.closing(pages):
        return [page.number for page in pages.tree(found.root, table=not found.keyed)]


def overwrite(data: Path, page: int, content: bytes, at: int = 0) -> None:
    with (data / DATABASE).open("r+b") as file:
        file.seek((page - 1) * PAGE + at)
        file.write(content)


def adding(count: int) -> Callable[[sqlite3.Connection], None]:
    """So many transactions that stay in the log."""

    def work(connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        for number in range(count):
            row = ("s", f"k{number}", b"f", 1, 200, None, 1)
            connection.execute("INSERT INTO idempotency VALUES (?, ?, ?, ?, ?, ?, ?)", row)

    return work


async def nothing(_: Store) -> None: ...


def fingerprint(folder: Path) -> dict[str, tuple[str, int]]:
    return {
        str(path.relative_to(folder)): (
            hashlib.sha256(path.read_bytes()).hexdigest(),
            path.stat().st_mtime_ns,
        )
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_pages_are_read_as_sqlite_reads_them(filled: Path) -> None:
    with (
        looking(filled / DATABASE) as connection,
        contextlib.closing(Pages(filled / DATABASE, PAGE)) as pages,
    ):
        read = 0
        for table in rows.tables(connection):
            columns = ", ".join(f'"{name}"' for name, _ in table.columns)
            wanted = connection.execute(f'SELECT {columns} FROM "{table.name}"').fetchall()
            found = list(rows.read(pages, table, table.root))
            assert not [each for each in found if each.values is None], table.name
            assert sorted(map(repr, (each.values for each in found))) == sorted(map(repr, wanted)), table.name
            read += len(found)
        assert read > 600


def test_a_store_that_was_upgraded_has_its_tables_where_a_new_one_has_them(tmp_path: Path) -> None:
    """What a salvage relies on where the schema itself is damaged."""
    empty = dict(olden.empties(tmp_path, 3))[3]
    data = olden.lay(tmp_path / "data", 3, empty)
    new = tmp_path / "new"
    new.mkdir()
    with_store(data, nothing)
    with_store(new, nothing)
    with looking(data / DATABASE) as old, looking(new / DATABASE) as made:
        assert rows.tables(old) == rows.tables(made)


def test_a_sound_store_is_kept_whole_and_a_box_goes_on_from_it(
    filled: Path, before: Contents, tmp_path: Path
) -> None:
    prints = fingerprint(filled)
    new = tmp_path / "box" / "data"
    report = save(filled, new)
    assert report.whole
    assert not missing(before, new)
    assert not report.made
    assert json.loads((new / "salvage.json").read_text())["whole"]
    assert fingerprint(filled) == prints
    assert {path.name for path in (filled / "files").iterdir()} == {
        path.name for path in (new / "files").iterdir()
    }
    assert not (new / "salvaging").exists()
    with looking(filled / DATABASE) as connection:
        old_box = connection.execute("SELECT box, epoch FROM box").fetchone()
    assert (report.box, report.epoch != old_box[1]) == (old_box[0], True)
    with running(tmp_path / "box") as box, box.client() as client:
        assert box.data == new
        assert client.get("/api/tickets").json()["total"] == 2 * SCALE
        assert client.get("/api/tickets/T-1").status_code == 200

        def found(kind: str, word: str) -> bool:
            hits = client.get("/v1/search", params={"q": word}).raise_for_status().json()["results"]
            return any(hit["kind"] == kind for hit in hits)

        until(lambda: found("ticket", "delivery"), "tickets are found by their words again")
        query = {"query": "sức khỏe", "limit": 5}
        until(
            lambda: (
                client.post("/knowledge-management/search", json=query).json().get("results")
                or found("article", "sức khỏe")
            ),
            "articles are found again",
        )
        assert client.get("/v1/doctor").json()["ok"]


def test_what_is_only_in_the_log_is_kept(filled: Path, tmp_path: Path) -> None:
    data = in_the_log(filled, adding(3), tmp_path / "data")
    size = (data / f"{DATABASE}-wal").stat().st_size
    assert size > 3 * PAGE
    report = save(data, tmp_path / "new")
    assert report.whole
    assert report.log.pages >= 3
    assert told(report, "idempotency").kept == 4
    assert (data / f"{DATABASE}-wal").stat().st_size == size


@pytest.mark.parametrize("place", [40, 32 + 24 + PAGE + 300, 24, 17])
def test_a_log_with_a_wrong_bit_is_not_taken_to_end_there(filled: Path, tmp_path: Path, place: int) -> None:
    """SQLite would leave out all that was committed after it, without a word."""

    data = in_the_log(filled, adding(9), tmp_path / "data")
    flip(data / f"{DATABASE}-wal", place, 2)
    log = (data / f"{DATABASE}-wal").read_bytes()
    with pytest.raises(StartupError, match=r"write-ahead log .* is damaged .* ingestbox salvage"):
        with_store(data, nothing)
    assert (data / f"{DATABASE}-wal").read_bytes() == log
    report = save(data, tmp_path / "new")
    assert (report.log.damaged, report.log.repaired) == (1, 1)
    assert report.whole
    assert told(report, "idempotency").kept == 10


def test_a_log_whose_last_transaction_never_came_to_the_disk_is_no_damage(
    filled: Path, tmp_path: Path
) -> None:
    data = in_the_log(filled, adding(3), tmp_path / "data")
    path = data / f"{DATABASE}-wal"
    with path.open("r+b") as file:
        file.seek(-PAGE // 2, os.SEEK_END)
        file.write(bytes(PAGE // 2))
    log = walfile.read(path)
    assert log is not None
    assert not log.damaged
    report = save(data, tmp_path / "new")
    assert told(report, "idempotency").kept == 3
    with_store(data, nothing)


def _interior(data: Path) -> None:
    root = pages_of(data, "deliveries")[0]
    overwrite(data, root, os.urandom(PAGE))


def _schema(data: Path) -> None:
    for page in pages_of_schema(data):
        overwrite(data, page, bytes(PAGE))


def pages_of_schema(data: Path) -> list[int]:
    with contextlib.closing(Pages(data / DATABASE, PAGE)) as pages:
        return [page.number for page in pages.tree(1, table=True)]


def _header(data: Path) -> None:
    overwrite(data, 1, os.urandom(100))


def _map(data: Path) -> None:
    overwrite(data, 2, os.urandom(PAGE))


@pytest.mark.parametrize("damage", [_interior, _schema, _header, _map])
def test_what_only_leads_to_rows_may_be_damaged_and_no_row_is_lost(
    filled: Path, before: Contents, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    data = copied(filled, tmp_path / "data")
    damage(data)
    report = save(data, tmp_path / "new")
    assert not missing(before, tmp_path / "new")
    assert not report.lost
    assert not report.wrong


def test_a_long_row_is_followed_where_one_of_its_pages_leads_elsewhere(filled: Path, tmp_path: Path) -> None:
    data = copied(filled, tmp_path / "data")
    payload = b'"%b"' % b"".join(b"%06d" % number for number in range(4_000))
    row = (999 << 24, "long", "done", payload, checksum(b"long", payload))
    with contextlib.closing(connect_writer(data / DATABASE)) as connection:
        connection.execute("INSERT INTO records VALUES (?, ?, ?, ?, ?)", row)
    page = (data / DATABASE).read_bytes().index(b"002000002001") // PAGE + 1  # one in the middle
    overwrite(data, page, struct.pack(">I", 1))
    report = save(data, tmp_path / "new")
    with looking(tmp_path / "new" / DATABASE) as connection:
        kept = connection.execute("SELECT payload FROM records WHERE key = 'long'").fetchall()
    assert kept == [(payload,)]
    assert not report.lost


def test_a_damaged_page_costs_its_own_rows_and_these_are_told(
    filled: Path, before: Contents, tmp_path: Path
) -> None:
    data = copied(filled, tmp_path / "data")
    leaves = pages_of(data, "deliveries")[1:]
    overwrite(data, leaves[1], os.urandom(PAGE))
    report = save(data, tmp_path / "new")
    lost = missing(before, tmp_path / "new")
    assert 0 < lost.pop("deliveries") < 20
    assert set(lost) <= {"lanes", "parked", "issues", "jobs"}  # which follow from it
    assert not report.whole
    assert told(report, "deliveries").lost or told(report, "deliveries").unread
    assert not report.wrong  # the lane's sums are right again
    assert [lane.lane for lane in report.lanes] == ["central"]


def test_a_damaged_payload_is_left_out_with_what_was_made_of_it(
    filled: Path, before: Contents, tmp_path: Path
) -> None:
    data = copied(filled, tmp_path / "data")
    with contextlib.closing(connect_writer(data / DATABASE)) as connection:
        changed = "CAST(replace(CAST(payload AS TEXT), 'late', 'lat3') AS BLOB)"
        connection.execute(f"UPDATE records SET payload = {changed} WHERE key = 'T-3'")
    report = save(data, tmp_path / "new")
    assert missing(before, tmp_path / "new").keys() == {"records", "tickets"}
    (lost,) = told(report, "records").lost_rows
    assert (int(lost.key) & 0xFFFFFF, lost.reason) == (3, "it does not match its checksum")
    assert told(report, "tickets").lost_rows[0].reason == "what it belongs to is lost"
    assert report.jobs
    with running(tmp_path / "box") as box:
        box.stop()
        copied(tmp_path / "new", tmp_path / "again")
        box.data = tmp_path / "again"
        box.start()
        with box.client() as client:
            assert client.get("/api/tickets/T-3").status_code == 404
            assert client.get("/api/tickets/T-4").status_code == 200


def test_what_a_line_says_too_is_put_right_by_it(filled: Path, before: Contents, tmp_path: Path) -> None:
    data = copied(filled, tmp_path / "data")
    with contextlib.closing(connect_writer(data / DATABASE)) as connection:
        connection.execute("UPDATE deliveries SET family = 'feedbAck', version = 9 WHERE seq = 4")
        connection.execute("UPDATE deliveries SET seq = 4000 WHERE seq = 6")
    report = save(data, tmp_path / "new")
    assert not missing(before, tmp_path / "new")
    assert (told(report, "deliveries").repaired, report.lost) == (2, 0)


def test_records_without_their_job_are_kept_under_a_recovered_one(
    filled: Path, before: Contents, tmp_path: Path
) -> None:
    data = copied(filled, tmp_path / "data")
    for page in pages_of(data, "jobs"):
        overwrite(data, page, struct.pack(">BHHHB", 13, 0, 0, PAGE, 0))
    report = save(data, tmp_path / "new")
    assert missing(before, tmp_path / "new").keys() <= {"jobs", "audience_uploads"}
    assert len(report.made["jobs"]) == len({row[0] >> 24 for row in before["records"]})
    with looking(tmp_path / "new" / DATABASE) as connection:
        families = connection.execute("SELECT DISTINCT family FROM jobs ORDER BY 1").fetchall()
    assert families == [("audience",), ("contacts",), ("feedback",), ("knowledge",)]
    assert not report.wrong


def test_a_box_whose_own_row_is_lost_is_known_by_its_lines_and_uses_no_number_twice(
    filled: Path, tmp_path: Path
) -> None:
    data = copied(filled, tmp_path / "data")
    with looking(data / DATABASE) as connection:
        ((box, last),) = connection.execute("SELECT box, next_seq - 1 FROM box").fetchall()
    (root,) = pages_of(data, "box")
    overwrite(data, root, bytes(PAGE))
    report = save(data, tmp_path / "new")
    assert report.box == box
    with looking(tmp_path / "new" / DATABASE) as connection:
        assert connection.execute("SELECT next_seq FROM box").fetchone()[0] > last + 100_000


def test_numbers_of_what_was_deleted_are_not_used_again(filled: Path, tmp_path: Path) -> None:
    data = copied(filled, tmp_path / "data")
    with contextlib.closing(connect_writer(data / DATABASE)) as connection:
        connection.execute("UPDATE sqlite_sequence SET seq = 5000 WHERE name = 'api_keys'")
        connection.execute("UPDATE records SET id = (7000 << 24) + (id & 16777215) WHERE id >> 24 = 1")
    save(data, tmp_path / "new")
    with looking(tmp_path / "new" / DATABASE) as connection:
        numbers = dict(connection.execute("SELECT name, seq FROM sqlite_sequence"))
    assert numbers["api_keys"] == 5000
    assert numbers["jobs"] >= 7000


def test_a_file_that_ends_early_is_read_up_to_there(filled: Path, before: Contents, tmp_path: Path) -> None:
    data = copied(filled, tmp_path / "data")
    size = (data / DATABASE).stat().st_size
    os.truncate(data / DATABASE, size - 40 * PAGE + 77)
    report = save(data, tmp_path / "new")
    assert not report.whole
    assert not report.wrong
    lost = sum(missing(before, tmp_path / "new").values())
    assert lost < sum(sum(each.values()) for each in before.values()) / 2


def test_what_was_deleted_does_not_come_back(filled: Path, tmp_path: Path) -> None:
    data = copied(filled, tmp_path / "data")
    with contextlib.closing(sqlite3.connect(data / DATABASE, isolation_level=None)) as connection:
        connection.execute("PRAGMA secure_delete = OFF")
        connection.execute("DROP TRIGGER audit_not_deleted")
        connection.execute("DELETE FROM deliveries WHERE seq > 20")
        connection.execute("DELETE FROM audit")
    assert b"T-39" in (data / DATABASE).read_bytes()
    overwrite(data, pages_of(data, "deliveries")[0], bytes(PAGE))
    report = save(data, tmp_path / "new")
    assert told(report, "deliveries").kept <= 20
    assert told(report, "audit").kept == 0


def test_a_store_of_another_release_is_not_salvaged_by_this_one(tmp_path: Path) -> None:
    empty = dict(olden.empties(tmp_path, 18))[18]
    data = olden.lay(tmp_path / "data", 18, empty)
    with pytest.raises(OtherSchemaError, match="its schema is 18"):
        save(data, tmp_path / "new")
    assert not (tmp_path / "new" / DATABASE).exists()


def test_where_it_cannot_be_done_nothing_is_begun(filled: Path, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "mine").touch()
    with pytest.raises(SalvageError, match="not empty"):
        save(filled, taken)
    with pytest.raises(SalvageError, match="left as it is"):
        save(filled, filled / "new")
    with pytest.raises(SalvageError, match="no store"):
        save(tmp_path / "nowhere", tmp_path / "new")
    data = copied(filled, tmp_path / "data")
    lock = DataLock.take(data)
    with pytest.raises(SalvageError, match="A box runs"):
        save(data, tmp_path / "new")
    lock.release()
    assert not (tmp_path / "new").exists()


def test_the_command_says_what_is_lost_by_its_exit_code(filled: Path, tmp_path: Path) -> None:
    def run(data: Path, to: Path, *more: str) -> tuple[int, str]:
        done = CliRunner().invoke(
            cli, ["salvage", "--data", str(data), "--to", str(to), *more], standalone_mode=False
        )
        code = done.return_value if done.exception is None else getattr(done.exception, "exit_code", 1)
        return code, done.stdout

    code, text = run(filled, tmp_path / "one")
    assert code == 0
    assert "Everything was kept" in text
    data = copied(filled, tmp_path / "data")
    overwrite(data, pages_of(data, "tickets")[1], os.urandom(PAGE))
    code, text = run(data, tmp_path / "two")
    assert code == 1
    assert "of tickets: " in text
    code, text = run(data, tmp_path / "three", "--json")
    assert code == 1
    assert json.loads(text)["lost"] == json.loads((tmp_path / "three" / "salvage.json").read_text())["lost"]
    assert run(data, tmp_path / "two")[0] == 2


def check(filled: Path, before: Contents, folder: Path, file: str, position: int, bit: int) -> None:
    """What holds wherever a bit changes."""
    found = try_one(filled, before, folder, file, position, bit)
    assert not found.good, found
    assert not found.report.wrong, found
    # What has no checksum may read otherwise: one row, and those that are counted from it.
    assert found.lost <= 15, found
    assert found.lost <= 0 or not found.report.whole, found


@pytest.mark.parametrize("number", range(10))
def test_a_bit_that_changed_is_never_served_as_good_and_costs_no_other_row(
    filled: Path, before: Contents, tmp_path: Path, number: int
) -> None:
    position, bit = positions(filled, DATABASE, 10, seed=3)[number]
    check(filled, before, tmp_path, DATABASE, position, bit)


@pytest.mark.soak
@pytest.mark.parametrize("number", range(100))
def test_a_hundred_bits(filled: Path, before: Contents, tmp_path: Path, number: int) -> None:
    position, bit = positions(filled, DATABASE, 100, seed=7)[number]
    check(filled, before, tmp_path, DATABASE, position, bit)
