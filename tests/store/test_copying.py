"""Copies of a database that is written to: of one moment, whole, or not there at all."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from ingestbox.store import DATABASE
from ingestbox.store.copying import (
    CancelledCopyError,
    DamagedCopyError,
    NoStoreError,
    copy_database,
    facts_of,
    fold_aside,
)
from ingestbox.store.engine import connect_writer, sqlite3
from tests.store.support import with_store

PAIR = "INSERT INTO {} (n, filler) VALUES (?, randomblob(3000))"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A database with two tables whose rows are written in pairs, and pages enough for several steps."""
    path = tmp_path / "source.db"
    connection = connect_writer(path)
    for table in ("one", "other"):
        connection.execute(f"CREATE TABLE {table} (n INTEGER, filler BLOB)")
    connection.execute("PRAGMA user_version = 7")
    for number in range(20):
        _pairs(connection, number * 100, 100)
    connection.close()
    return path


def _pairs(connection: sqlite3.Connection, first: int, count: int) -> None:
    connection.execute("BEGIN IMMEDIATE")
    for table in ("one", "other"):
        connection.executemany(PAIR.format(table), [(first + n,) for n in range(count)])
    connection.execute("COMMIT")


def _rows(path: Path) -> tuple[int, int]:
    connection = sqlite3.connect(path)
    try:
        one, other = (connection.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in ("one", "other"))
        return one, other
    finally:
        connection.close()


def test_a_copy_is_of_one_moment_whatever_is_written_meanwhile(source: Path, tmp_path: Path) -> None:
    wrote, ended = threading.Event(), threading.Event()

    def write() -> None:
        connection = connect_writer(source)
        number = 2_000
        while not ended.is_set():
            _pairs(connection, number, 5)
            number += 5
            wrote.set()
        connection.close()

    writer = threading.Thread(target=write)
    writer.start()
    steps = 0

    def each_step() -> bool:
        nonlocal steps
        steps += 1
        wrote.clear()
        assert wrote.wait(20), "a writer waits for the copy"
        return False

    try:
        target = tmp_path / "copy.db"
        copy_database(source, target, each_step)
    finally:
        ended.set()
        writer.join()
    one, other = _rows(target)
    assert one == other >= 2_000
    assert steps > 3
    assert _rows(source)[0] > one
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert sorted(each.name for each in tmp_path.glob("copy.db*")) == ["copy.db"]
    assert target.read_bytes()[18:20] == b"\1\1"  # no write-ahead log belongs to it


def test_a_copy_that_is_cut_off_leaves_nothing(source: Path, tmp_path: Path) -> None:
    with pytest.raises(CancelledCopyError):
        copy_database(source, tmp_path / "copy.db", lambda: True)
    assert not list(tmp_path.glob("copy.db*"))


def test_a_copy_never_goes_over_a_file(source: Path, tmp_path: Path) -> None:
    (tmp_path / "copy.db").write_text("somebody's")
    with pytest.raises(FileExistsError):
        copy_database(source, tmp_path / "copy.db")
    assert (tmp_path / "copy.db").read_text() == "somebody's"


def test_what_is_damaged_is_not_copied_as_if_it_were_sound(source: Path, tmp_path: Path) -> None:
    with source.open("r+b") as file:
        file.seek(4096 * 200)
        file.write(os.urandom(4096 * 5))
    with pytest.raises(DamagedCopyError):
        copy_database(source, tmp_path / "copy.db")
    assert not list(tmp_path.glob("copy.db*"))


def test_a_long_log_is_moved_beside_the_writer(source: Path) -> None:
    connection = connect_writer(source)
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    _pairs(connection, 5_000, 1_000)
    before = source.stat().st_size
    fold_aside(source)
    ((_, log, done),) = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
    assert log == done
    assert source.stat().st_size > before
    _pairs(connection, 6_000, 1)  # it begins anew at the log's start
    assert connection.execute("PRAGMA quick_check").fetchall() == [("ok",)]
    connection.close()


def test_a_store_says_who_it_is_and_which_files_it_names(tmp_path: Path, source: Path) -> None:
    async def nothing(store: object) -> None: ...

    with_store(tmp_path, nothing)
    connection = connect_writer(tmp_path / DATABASE)
    insert = (
        "INSERT INTO files (job_id, stored, rows_file, rows_size, blocks, sha256, form, plan, position, "
        "about, total, created_ms, removed_ms) VALUES (?, ?, ?, 1, '', '', '{}', '{}', '{}', '{}', 1, 1, ?)"
    )
    connection.execute("PRAGMA foreign_keys = OFF")
    for job, stored, rows, removed in (
        (1, "a.csv", "a.csv", None),
        (2, "b.csv", "b.rows", None),
        (3, "c.csv", "c", 5),
    ):
        connection.execute(insert, (job, stored, rows, removed))
    (box,) = connection.execute("SELECT box FROM box").fetchone()
    connection.close()
    found = facts_of(tmp_path / DATABASE)
    assert (found.box, found.files) == (box, ("a.csv", "b.csv", "b.rows"))
    with pytest.raises(NoStoreError):
        facts_of(source)
