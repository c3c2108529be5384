"""What a stop of the power leaves of a write-ahead log is no damage, wherever a frame was cut off."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

import pytest

from ingestbox.store import walfile
from ingestbox.store.engine import connect_writer, sqlite3

OLD, NEW = 300, 60
"""Transactions of the generation before, and of the one that is there, of a page each at least."""


@pytest.fixture(scope="module")
def generations(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes, bytes]:
    """A database; its log of an older generation, and the newer one that was begun over it."""
    database = tmp_path_factory.mktemp("log") / "store.db"
    with contextlib.closing(connect_writer(database)) as connection:
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, x BLOB)")
        connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
        wal = database.with_name(f"{database.name}-wal")
        for number in range(OLD):
            connection.execute("INSERT INTO t (x) VALUES (?)", (bytes([number % 251]) * 2_000,))
        old = wal.read_bytes()
        connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
        base = tmp_path_factory.mktemp("base") / "store.db"
        shutil.copyfile(database, base)
        for _ in range(NEW):
            connection.execute("UPDATE t SET x = x || x WHERE id = 1 + abs(random()) % 100")
        new = wal.read_bytes()[: len(old)]
    return base, old, new


@pytest.mark.parametrize("cut", [0, 4, 8, 16, 20, 24, 2_000])
@pytest.mark.parametrize("frame", [1, 33, 62])
def test_a_frame_that_was_cut_off_ends_the_log_as_sqlite_has_it(
    generations: tuple[Path, bytes, bytes], tmp_path: Path, frame: int, cut: int
) -> None:
    base, old, new = generations
    at = walfile.HEADER + frame * (walfile.FRAME + walfile.PAGE_SIZE) + cut
    database = tmp_path / "store.db"
    shutil.copyfile(base, database)
    wal = tmp_path / "store.db-wal"
    wal.write_bytes(new[:at] + old[at:])
    log = walfile.read(wal)
    assert log is not None
    assert (log.damaged, log.repaired) == (0, 0)
    with contextlib.closing(sqlite3.connect(database)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        (seen,) = connection.execute("SELECT page_count FROM pragma_page_count").fetchone()
    ends = [each.commit for each in log.frames if each.commit]
    assert not ends or ends[-1] == seen
