"""Rows of a table, out of the pages of its tree."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ingestbox.store.engine import sqlite3
from ingestbox.store.salvage.pages import DamagedError, Page, Pages, varint

Value = int | float | str | bytes | None

_FIXED: Final = {0: 0, 1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8, 7: 8, 8: 0, 9: 0}

_KINDS: Final[dict[str, tuple[type, ...]]] = {
    "INTEGER": (int,),
    "REAL": (int, float),
    "TEXT": (str,),
    "BLOB": (bytes,),
}
"""What a column of a type holds in a store; a bit that changed may make another of it."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table as a new store has it. `columns` are the stored ones, with their types; `defaults` what those
    have that came with a later migration. `alias` is the place of the column that is the rowid, or None.
    `keyed` are the columns of the primary key of a table without rowids, in its order, else nothing.
    """

    name: str
    root: int
    columns: tuple[tuple[str, str], ...]
    defaults: tuple[Value, ...]
    optional: tuple[bool, ...]
    alias: int | None
    keyed: tuple[int, ...]

    @property
    def order(self) -> tuple[int, ...]:
        """The columns' places as a row has them: of a table without rowids its key comes first."""
        if not self.keyed:
            return tuple(range(len(self.columns)))
        rest = [place for place in range(len(self.columns)) if place not in self.keyed]
        return (*self.keyed, *rest)


@dataclass(frozen=True, slots=True)
class Found:
    """A row (its values in the order of the columns), or what could not be read: `key` tells which as far as
    is known, `wrong` why."""

    key: str
    values: tuple[Value, ...] | None
    wrong: str = ""


def tables(connection: sqlite3.Connection) -> list[Table]:
    """The tables of a store in the order they were made, without those that full text keeps for itself."""
    found = []
    rows = connection.execute(
        "SELECT name, rootpage, sql FROM sqlite_schema WHERE type = 'table' ORDER BY rowid"
    ).fetchall()
    words = [name for name, root, _ in rows if not root]
    for name, root, sql in rows:
        if not root or any(name.startswith(f"{each}_") for each in words):
            continue
        # Generated columns (hidden 2 and 3) that are virtual are stored nowhere.
        info = connection.execute("SELECT * FROM pragma_table_xinfo(?)", (name,)).fetchall()
        stored = [each for each in info if each[6] in (0, 3)]
        columns = tuple((each[1], each[2]) for each in stored)
        defaults = tuple(
            None if each[4] is None else connection.execute(f"SELECT {each[4]}").fetchone()[0]
            for each in stored
        )
        plain = "WITHOUT ROWID" not in (sql or "").upper()
        keys = sorted((each[5], place) for place, each in enumerate(stored) if each[5])
        alias = keys[0][1] if plain and len(keys) == 1 and columns[keys[0][1]][1] == "INTEGER" else None
        optional = tuple(not each[3] and not (each[5] and not plain) for each in stored)
        keyed = () if plain else tuple(place for _, place in keys)
        found.append(Table(name, root, columns, defaults, optional, alias, keyed))
    return found


def read(pages: Pages, table: Table, root: int) -> Iterator[Found]:
    """Every row that can be read, and a word about each that cannot."""
    for page in pages.tree(root, table=not table.keyed):
        yield from _of_page(page, table)


def _of_page(page: Page, table: Table) -> Iterator[Found]:
    for unread in page.unread:
        yield Found("?" if unread < 0 else str(unread), None, "; ".join(page.wrong))
    if page.interior and page.wrong and not page.unread:
        yield Found("", None, "; ".join(page.wrong))
    for cell in page.cells:
        if cell.payload is None:
            continue
        key = "?" if table.keyed else str(cell.key)
        try:
            values = _values(cell.payload, cell.key, table)
            yield Found(key_of(table, values, cell.key), values)
        except (DamagedError, IndexError, struct.error, UnicodeDecodeError) as error:
            yield Found(key, None, str(error))


def key_of(table: Table, values: tuple[Value, ...], rowid: int = 0) -> str:
    """What a row is called in the report."""
    if table.keyed:
        return "/".join(str(values[place]) for place in table.keyed)
    return str(rowid if table.alias is None else values[table.alias])


def _values(payload: bytes, rowid: int, table: Table) -> tuple[Value, ...]:
    stored = decode(payload)
    order = table.order
    if len(stored) > len(order):
        raise DamagedError("the row has too many columns")
    values: list[Value] = list(table.defaults)
    for place, value in zip(order, stored, strict=False):
        values[place] = value
    if table.alias is not None:
        if values[table.alias] is not None:
            raise DamagedError("the row has its key twice")
        values[table.alias] = rowid
    for (name, kind), optional, value in zip(table.columns, table.optional, values, strict=True):
        if value is None and optional:
            continue
        if not isinstance(value, _KINDS.get(kind, (int, float, str, bytes))):
            raise DamagedError(f"{name} is of another type")
    return tuple(values)


def decode(payload: bytes) -> list[Value]:
    """The values of a record, which has to be exactly as long as it says. Raises DamagedError."""
    size, at = varint(payload, 0)
    kinds = []
    while at < size:
        kind, at = varint(payload, at)
        kinds.append(kind)
    if at != size:
        raise DamagedError("the row's head has another length")
    values: list[Value] = []
    for kind in kinds:
        if kind in (10, 11):
            raise DamagedError("the row has a value of no type")
        length = _FIXED[kind] if kind < 10 else (kind - 12) // 2
        data = payload[at : at + length]
        if len(data) < length:
            raise DamagedError("the row ends early")
        at += length
        if kind == 0:
            values.append(None)
        elif kind in (8, 9):
            values.append(kind - 8)
        elif kind == 7:
            values.append(struct.unpack(">d", data)[0])
        elif kind < 7:
            values.append(int.from_bytes(data, "big", signed=True))
        elif kind % 2:
            values.append(data.decode())
        else:
            values.append(data)
    if at != len(payload):
        raise DamagedError("the row goes on after its end")
    return values
