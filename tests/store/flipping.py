"""Bits that change on disk: where, and what comes of it."""

from __future__ import annotations

import contextlib
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from ingestbox.clock import SystemClock
from ingestbox.config import Settings
from ingestbox.errors import StartupError
from ingestbox.model import checksum
from ingestbox.ops import doctor
from ingestbox.ops.salvaging import SalvageReport, salvage
from ingestbox.store import DATABASE, Store
from ingestbox.store.engine import connect_writer, sqlite3
from ingestbox.store.salvage import rows
from ingestbox.store.salvage.building import NOT_COPIED
from tests.store.olden import copied, looking
from tests.store.support import with_store

Contents = dict[str, Counter[tuple[Any, ...]]]

CHECKED: dict[str, tuple[str, Callable[..., bool]]] = {
    "records": ("key, payload, crc", lambda key, payload, crc: checksum(key.encode(), payload) == crc),
    "deliveries": ("line, crc", lambda line, crc: zlib.crc32(line) == crc),
    **{
        name: ("result, record, crc", lambda result, record, crc: zlib.crc32(result + (record or b"")) == crc)
        for name in ("tickets", "audience_records", "audience_segments", "knowledge_articles")
    },
}
"""What has a checksum, and how a reader compares it."""

CHANGED = {"box": {"epoch", "place", "probed_ms"}, "tickets": {"indexed"}, "contacts": {"indexed"}}
"""Columns that a salvage sets anew."""


def contents(database: Path) -> Contents:
    """Every row of every table that a salvage copies, but for what it sets anew."""
    with looking(database) as connection:
        connection.text_factory = lambda data: data.decode(errors="replace")
        found: Contents = {}
        for table in rows.tables(connection):
            if table.name in NOT_COPIED:
                continue
            names = [name for name, _ in table.columns if name not in CHANGED.get(table.name, set())]
            columns = ", ".join(f'"{name}"' for name in names)
            told = " WHERE action <> 'box.epoch'" if table.name == "audit" else ""
            found[table.name] = Counter(connection.execute(f'SELECT {columns} FROM "{table.name}"{told}'))
        return found


def flip(path: Path, position: int, bit: int) -> None:
    """Changes one bit."""
    with path.open("r+b") as file:
        file.seek(position)
        (byte,) = file.read(1)
        file.seek(position)
        file.write(bytes([byte ^ 1 << bit]))


@dataclass
class Flipped:
    """What came of one bit. `told`: a start, the doctor, or a checksum says so; `differs`: something reads
    otherwise than before; `good`: something that has a checksum does so, and the checksum is right. `lost`
    rows are left out by a salvage, which tells `named` of them; `changed` ones are in it otherwise than they
    were."""

    place: str
    told: bool
    differs: bool
    good: bool
    lost: int
    named: int
    changed: int
    report: SalvageReport


def examine(data: Path, before: Contents) -> tuple[bool, bool, bool]:
    """Whether it is told, differs, and would be served as good."""

    async def body(store: Store) -> bool:
        return (await doctor.examine(store, Settings())).ok

    try:
        told = not with_store(data, body)
    except StartupError:
        return True, True, False
    good = False
    try:
        now = contents(data / DATABASE)
    except sqlite3.DatabaseError:
        return True, True, False
    with looking(data / DATABASE) as connection:
        for table, (columns, sound) in CHECKED.items():
            known = {tuple(row) for row in _narrowed(before, table, columns, connection)}
            for row in connection.execute(f"SELECT {columns} FROM {table}"):
                with contextlib.suppress(Exception):
                    if not sound(*row):
                        told = True
                    elif row not in known:
                        good = True
                    continue
                told = True
    return told, now != before, good


def _narrowed(before: Contents, table: str, columns: str, connection: sqlite3.Connection) -> list[Any]:
    changed = CHANGED.get(table, set())
    info = connection.execute("SELECT name, hidden FROM pragma_table_xinfo(?)", (table,)).fetchall()
    names = [name for name, hidden in info if hidden in (0, 3) and name not in changed]
    return [[row[names.index(each)] for each in columns.split(", ")] for row in before[table]]


def try_one(data: Path, before: Contents, folder: Path, file: str, position: int, bit: int) -> Flipped:
    """Flips a bit in a copy of a data folder, looks at it, and salvages it."""
    damaged = copied(data, folder / "damaged")
    flip(damaged / file, position, bit)
    report = salvage(damaged, folder / "new", Settings(), SystemClock(), "test")
    after = contents(folder / "new" / DATABASE)
    missing = sum(sum((before[table] - after[table]).values()) for table in before)
    more = sum(sum((after[table] - before[table]).values()) for table in before)
    told, differs, good = examine(damaged, before)
    place = f"{file} {position}.{bit}"
    return Flipped(place, told, differs, good, missing - more, report.lost, more, report)


def positions(data: Path, file: str, count: int, seed: int) -> list[tuple[int, int]]:
    """Places spread over a file, each in a stretch of its own."""
    random = Random(seed)
    size = (data / file).stat().st_size
    step = size / count
    return [(int(step * n + random.random() * step), random.randrange(8)) for n in range(count)]


def in_the_log(data: Path, work: Callable[[sqlite3.Connection], None], to: Path) -> Path:
    """A copy of a data folder in which a write-ahead log holds what `work` did."""
    made = copied(data, to.with_name(to.name + "-work"))
    with contextlib.closing(connect_writer(made / DATABASE)) as connection:
        work(connection)
        return copied(made, to)
