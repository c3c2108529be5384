"""How near vectors are found in SQL: by sqlite-vec and without it, with the same answers."""

from __future__ import annotations

import random
import sqlite3 as system
from pathlib import Path
from typing import Any

import pytest

from ingestbox.store import nearest
from ingestbox.store.engine import connect_reader, connect_writer, sqlite3

ORDER = """
SELECT id, vec_distance_hamming(vec_bit(bits), vec_bit(?1)) FROM things
ORDER BY vec_distance_hamming(vec_bit(bits), vec_bit(?1)), id LIMIT ?2
"""


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of 500 things with 128 bits each, many of them as far from anything as others."""
    made = tmp_path_factory.mktemp("vectors") / "x.db"
    connection = connect_writer(made)
    connection.execute("CREATE TABLE things (id INTEGER PRIMARY KEY, bits BLOB NOT NULL)")
    chance = random.Random(7)
    rows = [(number, chance.randbytes(2) * 8) for number in range(500)]
    connection.execute("BEGIN")
    connection.executemany("INSERT INTO things VALUES (?, ?)", rows)
    connection.execute("COMMIT")
    connection.close()
    return made


def found(path: Path, bits: bytes, most: int, *, extension: bool) -> list[Any]:
    connection = sqlite3.connect(path)
    try:
        version = nearest.learn(connection, extension=extension)
        assert (version != nearest.FALLBACK) == extension
        return connection.execute(ORDER, (bits, most)).fetchall()
    finally:
        connection.close()


def test_both_give_the_same_answers(path: Path) -> None:
    chance = random.Random(8)
    for most in (1, 7, 100, 1000):
        for _ in range(10):
            bits = chance.randbytes(16)
            here, there = (found(path, bits, most, extension=each) for each in (True, False))
            assert here == there
            assert len(here) == min(most, 500)
            assert here == sorted(here, key=lambda row: (row[1], row[0]))


@pytest.mark.parametrize("extension", [True, False])
@pytest.mark.parametrize("bits", [b"\x00", None, "text", 5])
def test_bits_of_another_length_are_an_error_and_no_answer(path: Path, bits: Any, extension: bool) -> None:
    with pytest.raises(sqlite3.Error):
        found(path, bits, 3, extension=extension)


def test_readers_know_how_and_can_load_nothing_else(path: Path) -> None:
    reader = connect_reader(path)
    try:
        assert len(reader.execute(ORDER, (b"\x00" * 16, 3)).fetchall()) == 3
        with pytest.raises(sqlite3.OperationalError, match="not authorized"):
            reader.execute("SELECT load_extension('vec0')")
    finally:
        reader.close()


def test_without_the_library_readers_know_how_too(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sqlite_vec

    monkeypatch.setattr(sqlite_vec, "loadable_path", lambda: "/nowhere/vec0")
    reader = connect_reader(path)
    try:
        with pytest.raises(sqlite3.OperationalError):
            reader.execute("SELECT vec_version()")
        assert len(reader.execute(ORDER, (b"\x00" * 16, 3)).fetchall()) == 3
        with pytest.raises(sqlite3.OperationalError, match="not authorized"):
            reader.execute("SELECT load_extension('vec0')")
    finally:
        reader.close()


def test_a_python_without_extensions_does_without() -> None:
    class Plain:
        """What the system's module is where it was built without them."""

        def __init__(self) -> None:
            self._inner = system.connect(":memory:")
            self.create_function = self._inner.create_function
            self.execute = self._inner.execute
            self.close = self._inner.close

    connection: Any = Plain()
    assert nearest.learn(connection) == nearest.FALLBACK
    query = "SELECT vec_distance_hamming(vec_bit(x'ff'), vec_bit(x'0f'))"
    assert connection.execute(query).fetchone() == (4.0,)
    connection.close()
