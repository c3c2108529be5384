"""The store: all SQL, one writer, read-only readers. Nothing outside knows which engine runs."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, TypeVar

from ingestbox.clock import Clock
from ingestbox.config import Limits
from ingestbox.config import Store as StoreSettings
from ingestbox.errors import IngestError, StartupError
from ingestbox.store import walfile
from ingestbox.store.cap import Cap
from ingestbox.store.engine import connect_checker, connect_reader, is_too_old, sqlite3, version
from ingestbox.store.identity import BoxIdentity
from ingestbox.store.place import KeepPlace, machine_id, place_of, settle, touch
from ingestbox.store.queries import Params, Queries
from ingestbox.store.readers import Readers, ReadTx
from ingestbox.store.unit import Tx, Unit
from ingestbox.store.upgrade import Upgrade, UpgradeError
from ingestbox.store.writer import Writer, WriterStats

__all__ = ["BoxIdentity", "ReadTx", "Store", "load_queries"]

T = TypeVar("T")

DATABASE = "ingestbox.db"

MADE_STATEMENTS = 32
"""Of those that are made as they are needed, kept prepared: what strangers ask for takes no more memory."""


def load_queries(families: Mapping[str, Path]) -> Queries:
    """The store's own statements and each family's (`families`: name → its queries.sql)."""
    queries = Queries()
    queries.add_folder(Path(__file__).parent / "sql")
    for name, path in families.items():
        queries.add_file(name, path)
    return queries


class Store:
    """The ledger of one data folder. Made by `open`, which must be called on the event loop that uses it."""

    def __init__(
        self,
        writer: Writer,
        readers: Readers,
        apart: Readers,
        identity: BoxIdentity,
        clock: Clock,
        path: Path,
        cap: Cap,
    ) -> None:
        self._writer = writer
        self._readers = readers
        self._apart = apart
        self.identity = identity
        self.clock = clock
        self.path = path
        self.cap = cap

    @classmethod
    async def open(
        cls,
        folder: Path,
        stack: AsyncExitStack,
        *,
        families: Mapping[str, Path],
        settings: StoreSettings,
        limits: Limits,
        clock: Clock,
        observe: Callable[[int, float], None] = lambda units, seconds: None,
        redacted: frozenset[str] = frozenset(),
        told: Callable[[str], None] = lambda at: None,
    ) -> Store:
        """Opens the database in `folder`, whose lock the caller holds, and upgrades it if need be.

        Everything opened is put on `stack`. `observe(units, seconds)` hears of each transaction. `redacted`
        are the families whose personal data is hidden in what is forwarded. `told` hears from another thread
        what an upgrade is at, every few seconds: it may take minutes.
        Raises StartupError.
        """
        if is_too_old(version()):
            raise StartupError(
                f"SQLite {version()} is too old for the store, which needs 3.43. "
                "Install pysqlite3 0.6.1 or later beside ingestbox, or use the released binary."
            )
        path = folder / DATABASE
        queries = load_queries(families)
        cap = Cap(settings.max_mb, settings.reserve_percent)
        writer = Writer(
            path, queries, cap=cap, max_waiting=limits.waiting_writes, observe=observe, redacted=redacted
        )

        def prepare(connection: sqlite3.Connection) -> BoxIdentity:
            upgrade.run(connection)
            return _prepare(connection, queries, clock.now_ms(), place_of(folder, machine_id()))

        upgrade = Upgrade(path, clock, snapshot=settings.upgrade_snapshot, told=told)
        with _as_startup_error(path):
            await asyncio.to_thread(upgrade.finish_earlier)
            await asyncio.to_thread(_check_log, path)
            # SQLite gives the WAL the database's mode, so the file has to have it before SQLite opens it.
            path.touch(mode=0o600)
            path.chmod(0o600)
            try:
                identity = await writer.start(prepare)
            except UpgradeError as error:
                raise await asyncio.to_thread(upgrade.failed, error) from error
            stack.push_async_callback(writer.stop)
            stack.push_async_callback(_leave, writer, folder)
            readers = await Readers.open(lambda: connect_reader(path), settings.readers, queries, stack)
            apart = await Readers.open(lambda: connect_reader(path, MADE_STATEMENTS), 1, queries, stack)
        await asyncio.to_thread(upgrade.settle)
        return cls(writer, readers, apart, identity, clock, path, cap)

    async def write(self, unit: Unit[T], *, intake: bool = False, admitted: bool = False) -> T:
        """Runs a unit of work; durable when it returns (see `Writer.write`)."""
        return await self._writer.write(unit, intake=intake, admitted=admitted)

    async def read(self, query: str, params: Params = ()) -> list[tuple[Any, ...]]:
        """All rows of a named query, from a read-only connection."""
        return await self._readers.call(lambda tx: tx.all(query, params))

    async def read_with(self, function: Callable[[ReadTx], T]) -> T:
        """Runs a function over a read-only connection in one hop; it must not take longer than a second."""
        return await self._readers.call(function)

    async def read_at_once(self, function: Callable[[ReadTx], T]) -> T:
        """The same in one transaction: all that it reads is of one moment."""
        return await self._readers.call_at_once(function)

    async def read_apart(self, function: Callable[[ReadTx], T]) -> T:
        """As `read_with`, for statements that are made as they are needed (`ReadTx.narrowed`): they have a
        connection to themselves, so that however many and slow they are, other reads neither wait for one nor
        lose what they have prepared."""
        return await self._apart.call(function)

    async def read_long(self, function: Callable[[ReadTx], T]) -> T:
        """Runs a function over a read-only connection of its own, in one transaction, however long it takes.

        The WAL grows while it runs. It can be cancelled. Raises sqlite3.DatabaseError.
        """
        return await self._readers.call_alone(lambda: connect_reader(self.path), function)

    async def quick_check(self) -> list[str]:
        """SQLite's own check of the whole file: what is wrong, or nothing.

        It reads every page, over a connection of its own; the WAL grows while it runs. It can be cancelled.
        """
        try:
            rows = await self._readers.call_alone(
                lambda: connect_checker(self.path), lambda tx: tx.all("box.quick_check")
            )
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            return [str(error)]
        return [row[0] for row in rows if row[0] != "ok"]

    async def fold(self) -> bool:
        """Empties the write-ahead log into the database, if no reader is in the way; whether it did."""
        return await self._writer.fold()

    async def fold_by_itself(self, by_itself: bool) -> None:
        """Whether commits move a long write-ahead log into the database. Who keeps an old reader open takes
        that from them meanwhile, and does it himself (`copying.fold_aside`): the first commit after it
        would take seconds."""
        await self._writer.fold_by_itself(by_itself)

    def bytes_on_disk(self) -> int:
        """Size of the database and its WAL."""
        return _bytes_of(self.path) + self.wal_bytes()

    def wal_bytes(self) -> int:
        """Size of the write-ahead log."""
        return _bytes_of(self.path.with_name(self.path.name + "-wal"))

    @property
    def trouble(self) -> str | None:
        """Why the last write failed, or None while writes succeed."""
        return self._writer.trouble

    @property
    def stats(self) -> WriterStats:
        """The writer's counters."""
        return self._writer.stats

    @property
    def waiting(self) -> int:
        """Units that wait for the writer."""
        return self._writer.waiting


def _bytes_of(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0


def _prepare(connection: sqlite3.Connection, queries: Queries, now_ms: int, place: str) -> BoxIdentity:
    tx = Tx(connection, queries)
    connection.execute("BEGIN IMMEDIATE")
    try:
        identity = settle(tx, place, now_ms)
        tx.run("jobs.free_all")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return identity


def _check_log(path: Path) -> None:
    """SQLite takes a log to end at the first page that is wrong, and what was committed after it would be
    lost without a word."""
    log = walfile.read(path.with_name(path.name + "-wal"))
    if log is not None and log.damaged:
        raise StartupError(
            f"The write-ahead log of the store {path} is damaged ({log.damaged} of its pages), and senders "
            "were told that what it holds is safe. Nothing was changed. Save what can be read into a new "
            "folder: ingestbox salvage"
        )


async def _leave(writer: Writer, folder: Path) -> None:
    """At the end: from now on a copy that was made before is one. If that fails, so is this, at no cost."""
    with contextlib.suppress(OSError, IngestError, StartupError):
        touch(folder)
        await writer.write(KeepPlace(place_of(folder, machine_id())))


@contextlib.contextmanager
def _as_startup_error(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        name = getattr(error, "sqlite_errorname", "")
        if name in ("SQLITE_CORRUPT", "SQLITE_NOTADB"):
            raise StartupError(_damaged(path, error)) from error
        raise StartupError(f"The store {path} cannot be opened: {error}.") from error
    except UnicodeDecodeError as error:  # what SQLite said of damage has some of it in it
        raise StartupError(_damaged(path, "its schema is no text")) from error
    except IngestError as error:
        raise StartupError(str(error)) from error


def _damaged(path: Path, reason: object) -> str:
    return (
        f"The store {path} is damaged ({reason}). Restore a backup, or save what can be read into a new "
        "folder: ingestbox salvage"
    )
