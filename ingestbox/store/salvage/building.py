"""The new store: rows of the image that are sound, in their tables."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ingestbox import ids
from ingestbox.store import load_queries, migrations, walfile
from ingestbox.store.engine import connect_writer, sqlite3
from ingestbox.store.place import renew_epoch
from ingestbox.store.queries import Queries
from ingestbox.store.salvage.checks import put_right, sound
from ingestbox.store.salvage.pages import FREE, DamagedError, Pages
from ingestbox.store.salvage.rows import Found, Table, read, tables
from ingestbox.store.unit import Tx

REASON: Final = "salvage"

ROWS: Final = 5_000
"""Rows of one transaction."""

KEYS: Final = 1_000
"""Keys of lost rows that the report has of each table; of others it has the number."""

BEYOND: Final = 1_000_000
"""How far numbers go on where the row is lost that knew the last one."""

DERIVED: Final = frozenset(
    {
        *("job_tallies", "object_tallies", "issue_tallies", "ticket_days", "ticket_totals"),
        *("contact_tallies", "contact_companies", "contact_days", "entities", "ticket_entities"),
        *("knowledge_bands", "knowledge_indexed", "knowledge_leaving", "knowledge_passages"),
        *("knowledge_signs", "knowledge_vectors", "knowledge_models"),
    }
)
"""Tables that are made anew from others, now or in the background."""

NOT_COPIED: Final = DERIVED | {"alarms", "alarm_notices", "migrations", "sessions", "sqlite_sequence"}
"""What holds still alarms again, and who was signed in at the console signs in again."""


@dataclass(slots=True)
class Kept:
    """What became of a table: how many rows are in the new store (of these `repaired` with something put
    right), how many are known to be lost, which (key and reason), and what of its pages could not be read, of
    which the rows are not known."""

    table: str
    kept: int = 0
    repaired: int = 0
    lost: int = 0
    keys: list[tuple[str, str]] = field(default_factory=list)
    pages: list[str] = field(default_factory=list)

    def lose(self, key: str, why: str) -> None:
        """Counts a row that is lost."""
        self.lost += 1
        if len(self.keys) < KEYS:
            self.keys.append((key, why))


@dataclass(slots=True)
class Built:
    """The new store, table by table.

    `made` are the keys of rows that stand in for lost ones, by what they are; `short` jobs with fewer records
    than came in; `schema` says which tables were found although the old store did not say where they are.
    """

    tables: list[Kept]
    made: dict[str, list[str]]
    short: list[str]
    schema: list[str]
    box: str
    epoch: str

    @property
    def lost(self) -> int:
        """Rows that are lost, in all."""
        return sum(each.lost for each in self.tables)


class OtherSchemaError(Exception):
    """The damaged store is of another release; the text is a sentence."""


def build(
    image: Path,
    database: Path,
    place: str,
    now_ms: int,
    actor: str,
    told: Callable[[str, int], None] = lambda table, rows: None,
) -> Built:
    """Makes a new store at `database` from what can be read of the image; `place` is where its folder is
    (`store.place`), `told(table, rows)` hears how far it is. Blocks.

    Raises OtherSchemaError, OSError, sqlite3.Error.
    """
    pages = Pages(image, walfile.PAGE_SIZE)
    database.touch(mode=0o600, exist_ok=False)
    with contextlib.closing(connect_writer(database)) as connection, contextlib.closing(pages):
        # Until it is whole nobody uses it: a salvage that is cut off is begun again.
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA foreign_keys = OFF")
        migrations.migrate(connection, now_ms)
        known = tables(connection)
        roots, odd = _roots(pages, known)
        _check_schema(pages, known, roots)
        triggers = _without_triggers(connection)
        kept = [
            _fill(connection, table, _rows(pages, table, roots[table.name]), told)
            for table in known
            if table.name not in NOT_COPIED
        ]
        numbers_known = _numbers(connection, pages, known, roots)
        made = _mend(connection, kept, now_ms, whole=numbers_known)
        short = _short(connection, kept)
        for sql in triggers:
            connection.execute(sql)
        box, epoch = _begin_epoch(connection, place, now_ms, actor)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return Built(kept, made, short, odd, box, epoch)


def _roots(pages: Pages, known: list[Table]) -> tuple[dict[str, int], list[str]]:
    """Where each table begins: where the old store says, or, where it does not, as in a new one, since
    migrations make the same tables in the same order."""
    own = {table.name: table.root for table in known}
    schema = Table(
        "sqlite_schema",
        1,
        (("type", "TEXT"), ("name", "TEXT"), ("tbl_name", "TEXT"), ("rootpage", "INTEGER"), ("sql", "TEXT")),
        (None,) * 5,
        (False, False, False, False, True),
        None,
        (),
    )
    said: dict[str, int] = {}
    with contextlib.suppress(DamagedError):
        for row in read(pages, schema, 1):
            if row.values is not None and row.values[0] == "table" and isinstance(row.values[3], int):
                said[str(row.values[1])] = row.values[3]
    differ = [name for name, root in own.items() if said.get(name) != root]
    if not differ:
        return own, []
    others = [name for name in differ if name in said]
    if len(others) > len(own) // 2:  # tables that were made in another order
        missing = [f"{name} is not in its schema" for name in own if name not in said]
        return {**own, **{name: said[name] for name in others}}, missing
    return own, [f"its schema does not say where {name} is" for name in differ]


def _check_schema(pages: Pages, known: list[Table], roots: dict[str, int]) -> None:
    newest = migrations.known()[-1][0]
    (table,) = [each for each in known if each.name == "migrations"]
    found = [row.values[0] for row in _rows(pages, table, roots["migrations"]) if row.values is not None]
    numbers = [number for number in found if isinstance(number, int)]
    with contextlib.suppress(DamagedError):
        numbers.append(int.from_bytes(pages.raw(1)[60:64], "big"))
    if numbers and newest not in numbers and len(set(numbers)) > newest // 2:
        raise OtherSchemaError(
            f"The store is of another release (its schema is {max(numbers)}, this program's is {newest}). "
            "Salvage it with the program that it was written by."
        )


def _rows(pages: Pages, table: Table, root: int) -> Iterator[Found]:
    kind = pages.kind(root)
    if kind is not None and kind[0] == FREE:
        yield Found("", None, f"page {root}, where it begins, is free")
        return
    yield from read(pages, table, root)


def _without_triggers(connection: sqlite3.Connection) -> list[str]:
    """Takes the triggers out; their statements."""
    found = connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
    for name, _ in found:
        connection.execute(f'DROP TRIGGER "{name}"')
    return [sql for _, sql in found]


def _fill(
    connection: sqlite3.Connection,
    table: Table,
    found: Iterator[Found],
    told: Callable[[str, int], None],
) -> Kept:
    kept = Kept(table.name)
    columns = ", ".join(f'"{name}"' for name, _ in table.columns)
    marks = ", ".join("?" * len(table.columns))
    insert = f'INSERT INTO "{table.name}" ({columns}) VALUES ({marks})'  # noqa: S608
    connection.execute("BEGIN")
    for row in found:
        if row.values is None:
            if row.key:
                kept.lose(row.key, row.wrong)
            elif row.wrong not in kept.pages:
                kept.pages.append(row.wrong)
            continue
        if not sound(table, row.values):
            kept.lose(row.key, "it does not match its checksum")
            continue
        values = put_right(table, row.values)
        try:
            connection.execute(insert, values)
        except sqlite3.IntegrityError as error:
            kept.lose(row.key, f"it contradicts the others ({error})")
            continue
        except OverflowError:
            kept.lose(row.key, "it has a number that no row has")
            continue
        kept.kept += 1
        kept.repaired += values != row.values
        if kept.kept % ROWS == 0:
            connection.execute("COMMIT")
            told(table.name, kept.kept)
            connection.execute("BEGIN")
    connection.execute("COMMIT")
    return kept


def _numbers(connection: sqlite3.Connection, pages: Pages, known: list[Table], roots: dict[str, int]) -> bool:
    """What AUTOINCREMENT gave last, as far as it can be read; whether that is all of it."""
    (table,) = [each for each in known if each.name == "sqlite_sequence"]
    whole = True
    connection.execute("BEGIN")
    have = dict(connection.execute("SELECT name, seq FROM sqlite_sequence").fetchall())
    for row in _rows(pages, table, roots["sqlite_sequence"]):
        name, seq = row.values or (None, None)
        if not isinstance(name, str) or not isinstance(seq, int) or name not in roots:
            whole = False
        elif name in have:
            connection.execute("UPDATE sqlite_sequence SET seq = MAX(seq, ?) WHERE name = ?", (seq, name))
        else:
            connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (name, seq))
    connection.execute("COMMIT")
    return whole


def _mend(
    connection: sqlite3.Connection, kept: list[Kept], now_ms: int, *, whole: bool
) -> dict[str, list[str]]:
    """Removes what lost what it belongs to, and makes and counts anew what follows from the rest."""
    by_name = {each.table: each for each in kept}
    made: dict[str, list[str]] = {}
    box = by_name["box"]
    params = {
        "now": now_ms,
        "box": ids.box_name(),
        "epoch": ids.epoch(now_ms),
        "beyond": 0 if whole and box.kept else BEYOND,
    }
    for query in _steps().all():
        _, _, step = query.name.partition(".")
        action, _, what = step.partition("_")
        if action not in ("make", "drop", "count"):
            continue
        connection.execute("BEGIN")
        rows = connection.execute(query.sql, query.bind(params)).fetchall()
        connection.execute("COMMIT")
        keys = [str(row[0]) for row in rows]
        if action == "drop":
            for key in keys:
                by_name[what].kept -= 1
                by_name[what].lose(key, "what it belongs to is lost")
        elif action == "make" and keys:
            made[what] = keys
    return made


def _short(connection: sqlite3.Connection, kept: list[Kept]) -> list[str]:
    (records,) = [each for each in kept if each.table == "records"]
    if not records.lost and not records.pages:
        return []
    query = _steps()[f"{REASON}.short"]
    return [str(row[0]) for row in connection.execute(query.sql, query.bind({"most": KEYS}))]


def _steps() -> Queries:
    queries = Queries()
    queries.add_file(REASON, Path(__file__).with_name("mend.sql"))
    return queries


def _begin_epoch(connection: sqlite3.Connection, place: str, now_ms: int, actor: str) -> tuple[str, str]:
    """No number is used twice: whatever was lost may have been told upstream."""
    connection.execute("BEGIN IMMEDIATE")
    tx = Tx(connection, load_queries({}))
    identity = renew_epoch(tx, REASON, actor, now_ms)
    tx.run("box.set_place", {"place": place})
    connection.execute("COMMIT")
    return identity.box, identity.epoch
