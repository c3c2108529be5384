"""The one writer: a single connection, owned by one coroutine, with group commit.

The coroutine takes what waits, runs it in one transaction in one thread hop, and answers all after the
commit. A unit of work is data with one pure method, so that a group can be replayed: the first try runs
without savepoints; if a unit fails, everything is rolled back and replayed with a savepoint each, so that
the failing unit fails alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from ingestbox.errors import IngestError
from ingestbox.store.cap import FULL_RETRY_SECONDS, Cap, refusal
from ingestbox.store.engine import BUSY_MS, CHECKPOINT_PAGES, connect_writer, sqlite3
from ingestbox.store.queries import Queries
from ingestbox.store.thread import ThreadConnection
from ingestbox.store.unit import Tx, Unit

log = logging.getLogger(__name__)

T = TypeVar("T")

GROUP_WEIGHT = 1_500
"""Rows that one transaction takes from the queues, at most (one unit at least): about 20 ms."""

SMALL_WEIGHT = 50
"""Units up to this weight do not wait behind large ones: a request with one record should not wait for a
queue of batches of a thousand."""

RETRY_AFTER_SECONDS = 2
_RETRY_AFTER = {"storage_full": FULL_RETRY_SECONDS, "store_unavailable": RETRY_AFTER_SECONDS}

ROOM_BYTES = 2 * 1_048_576
"""A store that was full counts as full until it has this much room, one unit of the intake with its rows:
a probe's single row fits where no batch does, and must not turn the light green in between."""


class _Waiting:
    """A unit with the future its caller waits on."""

    __slots__ = ("future", "intake", "takes_in", "unit", "weight")

    def __init__(self, unit: Unit[Any], future: asyncio.Future[Any], *, intake: bool, takes_in: bool) -> None:
        """`takes_in`: it is refused while the cap is tight."""
        self.unit = unit
        self.weight = unit.weight
        self.future = future
        self.intake = intake
        self.takes_in = takes_in


class _Outcome:
    """What became of a unit in the writer's thread."""

    __slots__ = ("error", "value")

    def __init__(self, value: object = None, error: BaseException | None = None) -> None:
        self.value = value
        self.error = error


class WriterStats:
    """Counters for health, metrics and benchmarks."""

    __slots__ = ("failed_groups", "groups", "largest_group", "units")

    def __init__(self) -> None:
        self.groups = 0
        self.units = 0
        self.largest_group = 0
        self.failed_groups = 0


class Writer:
    """Owns the writing connection. `write` is the only way to change the store."""

    def __init__(
        self,
        path: Path,
        queries: Queries,
        *,
        cap: Cap,
        max_waiting: int,
        observe: Callable[[int, float], None] = lambda units, seconds: None,
        redacted: frozenset[str] = frozenset(),
    ) -> None:
        """`observe(units, seconds)` is called on the loop for each transaction that is on disk. `redacted`:
        see `Tx`."""
        self._path = path
        self._redacted = redacted
        self._observe = observe
        self._queries = queries
        self._cap = cap
        self._max_waiting = max_waiting
        self._small: deque[_Waiting] = deque()
        self._intake: deque[_Waiting] = deque()
        self._work: deque[_Waiting] = deque()
        self._lanes = deque([self._small, self._intake, self._work])  # the first one begins the next group
        self._waiting_intake = 0
        self._bell = asyncio.Event()
        self._connection: ThreadConnection | None = None
        self._task: asyncio.Task[None] | None = None
        self._closing = False
        self._full = False
        self.stats = WriterStats()
        self.trouble: str | None = None

    @property
    def waiting(self) -> int:
        """Units that wait for a transaction."""
        return sum(len(lane) for lane in self._lanes)

    async def start(self, prepare: Callable[[sqlite3.Connection], T]) -> T:
        """Opens the connection, runs `prepare` on it (migrations), and starts taking units."""
        self._connection = await self._open()
        try:
            prepared = await self._connection.call(prepare)
            await self._connection.call(self._cap.look)
        except BaseException:
            await self._connection.close()
            raise
        self._task = asyncio.create_task(self._run(), name="store-writer")
        return prepared

    async def stop(self) -> None:
        """Commits what waits, then closes the connection with the WAL folded into the database."""
        self._closing = True
        self._bell.set()
        if self._task is not None:
            await self._task
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                await self._connection.call(lambda c: c.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall())
            await self._connection.close()
            self._connection = None

    async def write(self, unit: Unit[T], *, intake: bool = False, admitted: bool = False) -> T:
        """Runs a unit; when this returns, its effect is on disk.

        Units of the intake and of the box's own work wait in lanes of their own that take turns, and
        small ones of both in a third. How many of the intake wait is bounded, except for units of a batch
        that was `admitted` with its first. While the cap is `tight` the intake is refused, but for small
        units of what was admitted. A caller that is cancelled leaves its unit in the queue: it is committed
        or not, never half.
        Raises IngestError (overloaded, storage_full, store_unavailable) or what the unit raised.
        """
        if self._closing:
            raise IngestError("shutting_down", retry_after=RETRY_AFTER_SECONDS)
        takes_in = intake and not (admitted and unit.weight <= SMALL_WEIGHT)
        if takes_in:
            self._cap.check()
        if intake and not admitted and self._waiting_intake >= self._max_waiting:
            raise IngestError("overloaded", retry_after=RETRY_AFTER_SECONDS)
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        waiting = _Waiting(unit, future, intake=intake, takes_in=takes_in)
        lane = self._small if waiting.weight <= SMALL_WEIGHT else self._intake if intake else self._work
        lane.append(waiting)
        self._waiting_intake += intake
        self._bell.set()
        return await future

    async def fold(self) -> bool:
        """Moves all of the WAL into the database, between two transactions, and empties the file; False when
        a reader that is still at old pages, or a failed store, prevents it."""
        return self._connection is not None and await self._connection.call(_fold)

    async def fold_by_itself(self, by_itself: bool) -> None:
        """Whether a commit that finds the WAL long moves it into the database, as it does unless told."""
        if self._connection is not None:
            pages = CHECKPOINT_PAGES if by_itself else 0
            pragma = f"PRAGMA wal_autocheckpoint = {pages}"
            await self._connection.call(lambda c: c.execute(pragma).fetchall())

    async def _run(self) -> None:
        while True:
            if not self.waiting:
                if self._closing:
                    return
                self._bell.clear()
                await self._bell.wait()
                continue
            group = [waiting for waiting in self._take() if not waiting.future.cancelled()]
            if self._cap.tight:  # since they came
                group = _without_intake(group)
            if group:
                await self._commit(group)

    def _take(self) -> list[_Waiting]:
        """The next group: lanes take turns, unit by unit, so that none starves another.

        They also take turns to begin, because a group may have room for one large unit alone: a batch of a
        thousand and a settled chunk never fit together.
        """
        group: list[_Waiting] = []
        weight = 0
        self._lanes.rotate(-1)
        lanes = [lane for lane in self._lanes if lane]
        while lanes:
            for lane in tuple(lanes):
                if group and weight + lane[0].weight > GROUP_WEIGHT:
                    lanes.remove(lane)  # it begins one of the next groups
                    continue
                waiting = lane.popleft()
                group.append(waiting)
                weight += waiting.weight
                self._waiting_intake -= waiting.intake
                if not lane:
                    lanes.remove(lane)
        return group

    async def _commit(self, group: list[_Waiting]) -> None:
        began = time.perf_counter()
        try:
            if self._connection is None:
                self._connection = await self._open()
            outcomes = await self._connection.call(self._run_group, [waiting.unit for waiting in group])
        except Exception as error:  # noqa: BLE001 - no thread to be had, say: the writer itself must go on
            work = [waiting for waiting in group if not waiting.intake]
            if _is_full(error) and 0 < len(work) < len(group):
                # A full disk refuses new records first; settling and forwarding may still fit.
                await self._fail([waiting for waiting in group if waiting.intake], error)
                await self._commit(work)
            elif _is_full(error) and len(work) > 1:
                # What removes rows, or moves a lane, needs no room: it must not fail with what does.
                for waiting in work:
                    await self._commit([waiting])
            else:
                await self._fail(group, error)
            return
        if self.trouble is not None and not (self._full and await self._is_short()):
            log.info("The store takes writes again.")
            self.trouble, self._full = None, False
        self.stats.groups += 1
        self.stats.units += len(group)
        self.stats.largest_group = max(self.stats.largest_group, len(group))
        self._observe(len(group), time.perf_counter() - began)
        for waiting, outcome in zip(group, outcomes, strict=True):
            if waiting.future.done():
                continue
            if outcome.error is None:
                waiting.future.set_result(outcome.value)
            else:
                waiting.future.set_exception(outcome.error)

    async def _fail(self, group: list[_Waiting], error: Exception) -> None:
        """No unit of the group took effect. The connection is opened anew for the next group."""
        self.stats.failed_groups += 1
        code = "storage_full" if _is_full(error) else "store_unavailable"
        if self.trouble is None:
            log.error("The store cannot be written: %s", error, extra={"sqlite_error": _code(error)})
        self.trouble, self._full = str(error), _is_full(error)
        if not self._full and self._connection is not None:
            broken, self._connection = self._connection, None
            with contextlib.suppress(Exception):  # it is being thrown away
                await broken.close()
        for waiting in group:
            if not waiting.future.done():
                # Each gets an error of its own: one that many raise gathers the stacks of all.
                waiting.future.set_exception(IngestError(code, retry_after=_RETRY_AFTER[code]))

    async def _open(self) -> ThreadConnection:
        return await ThreadConnection.open(self._connect)

    async def _is_short(self) -> bool:
        """Whether there is still less than ROOM_BYTES, on the disk or below the cap."""
        assert self._connection is not None  # a group was just committed
        with contextlib.suppress(sqlite3.Error, OSError):
            room = await self._connection.call(self._cap.room, self._path.parent)
            return room < ROOM_BYTES
        return True

    # From here on: in the writer's thread.

    def _connect(self) -> sqlite3.Connection:
        connection = connect_writer(self._path)
        try:
            self._cap.enforce(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _run_group(self, connection: sqlite3.Connection, units: list[Unit[Any]]) -> list[_Outcome]:
        tx = Tx(connection, self._queries, self._redacted)
        connection.execute("BEGIN IMMEDIATE")
        try:
            outcomes = [_Outcome(unit.apply(tx)) for unit in units]
        except Exception as error:  # noqa: BLE001 - whatever a unit raises, the others must go on
            return self._replay(connection, tx, units, error)
        self._end(connection)
        return outcomes

    def _replay(
        self, connection: sqlite3.Connection, tx: Tx, units: list[Unit[Any]], first: Exception
    ) -> list[_Outcome]:
        """Runs the group again with a savepoint for each unit; `first` is what broke the plain run."""
        if not connection.in_transaction:
            # SQLite ended the transaction by itself (disk full, I/O error): nothing of the group is left.
            raise first if isinstance(first, sqlite3.Error) else sqlite3.OperationalError(str(first))
        connection.execute("ROLLBACK")
        if _is_fatal(first):
            raise first
        if len(units) == 1:
            return [_Outcome(error=first)]
        connection.execute("BEGIN IMMEDIATE")
        outcomes: list[_Outcome] = []
        for unit in units:
            connection.execute("SAVEPOINT unit")
            try:
                outcomes.append(_Outcome(unit.apply(tx)))
            except Exception as error:
                if _is_fatal(error) or not connection.in_transaction:
                    _roll_back(connection)
                    raise
                connection.execute("ROLLBACK TO unit")
                outcomes.append(_Outcome(error=error))
            connection.execute("RELEASE unit")
        self._end(connection)
        return outcomes

    def _end(self, connection: sqlite3.Connection) -> None:
        try:
            self._cap.look(connection)
            connection.execute("COMMIT")
        except sqlite3.Error:
            _roll_back(connection)
            raise


def _without_intake(group: list[_Waiting]) -> list[_Waiting]:
    """The box's own work; the others are told that there is no room."""
    for waiting in group:
        if waiting.takes_in:
            waiting.future.set_exception(refusal())
    return [waiting for waiting in group if not waiting.takes_in]


def _fold(connection: sqlite3.Connection) -> bool:
    connection.execute("PRAGMA busy_timeout = 0")  # or a slow reader would hold up every write
    try:
        ((busy, *_),) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    except sqlite3.OperationalError:
        return False
    finally:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
    return not busy


def _roll_back(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")


def _is_fatal(error: BaseException) -> bool:
    """Whether the store itself failed, rather than the unit: full, I/O error, corrupt, locked."""
    ours = (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.DataError, sqlite3.NotSupportedError)
    return isinstance(error, sqlite3.DatabaseError) and not isinstance(error, ours)


def _code(error: BaseException) -> str:
    return str(getattr(error, "sqlite_errorname", "") or type(error).__name__)


def _is_full(error: BaseException) -> bool:
    return _code(error) == "SQLITE_FULL"
