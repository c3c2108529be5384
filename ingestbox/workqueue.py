"""The bell: Huey inside the process tells workers that a job waits. The ledger alone knows what is true.

Huey takes a task off its queue before running it, so what it holds can be lost at any time. Therefore a task
carries a job id and nothing else, and whatever the bell forgets (a full bell, a broken file, a dead worker,
a restart) the sweep rings again from the ledger. Working on a job twice must be harmless: the claim in the
ledger decides.

The bell's own state belongs to the event loop; threads only carry job ids:

    ring ─► ringer thread ─► file ─► worker threads ─► work(job_id) on the event loop
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import logging
import os
import threading
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import msgspec

from ingestbox.clock import Clock, SystemClock
from ingestbox.store.engine import sqlite3

# isort: split
# Huey imports sqlite3 by itself: only after the engine has put a current one in its place.
from huey import SqliteHuey
from huey.consumer import Consumer, Worker
from huey.registry import Message
from huey.serializer import Serializer
from huey.storage import SqliteStorage

_BATCH = 500
"""Most ids that enter the file in one transaction."""
_CACHE_MB = 1
_CANCEL_SECONDS = 2.0
"""How long a stop waits for cancelled work to hand its job back, and for threads to end."""
_STALE_SWEEPS, _STALE_SECONDS = 3.0, 5.0
"""A sweep is overdue after this many of its intervals, and never before this many seconds."""
_CLOCK = SystemClock()

_log = logging.getLogger(__name__)


class _Trouble:
    """Something that may fail again and again: said when it begins or changes, and when it is over."""

    def __init__(self, failure: str, recovery: str) -> None:
        self._failure, self._recovery = failure, recovery
        self._kind: type[BaseException] | None = None
        self._times = 0

    def failed(self, error: BaseException, job_id: int | None = None) -> None:
        """Logs the error with its stack, unless the last one was of the same kind."""
        self._times += 1
        if type(error) is not self._kind:
            self._kind = type(error)
            _log.error(self._failure, exc_info=error, extra={"job_id": job_id})

    def passed(self) -> None:
        """Logs the recovery, if there was trouble."""
        if self._kind is not None:
            _log.info(self._recovery, extra={"failures": self._times})
            self._kind, self._times = None, 0


class _Call(msgspec.Struct, frozen=True, array_like=True):
    """What the file holds of a task."""

    id: str
    name: str
    job_id: int


class _Json(Serializer):  # type: ignore[misc] # Huey is untyped, here and below
    """A task as `[id, name, job id]`; Huey's default is pickle, which runs what it reads."""

    _calls = msgspec.json.Decoder(_Call)

    def _serialize(self, data: Message) -> bytes:
        return msgspec.json.encode(_Call(data.id, data.name, data.args[0]))

    def _deserialize(self, data: bytes) -> Message:
        call = self._calls.decode(data)
        return Message(id=call.id, name=call.name, args=(call.job_id,))


class _Storage(SqliteStorage):  # type: ignore[misc]
    """Huey's table of tasks in a file of its own that can be thrown away and hung anew."""

    _conn: Any
    _closed = False

    def renew(self) -> None:
        """Starts over with an empty file that only its owner can read. Raises OSError, sqlite3.Error."""
        path = Path(self.filename)
        with self.lock:
            self._disconnect()
            for suffix in ("", "-wal", "-shm", "-journal"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
            # SQLite gives -wal and -shm the mode of the database itself.
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            for statement in self.ddl:
                self.conn.execute(statement)

    def enqueue_all(self, tasks: Sequence[bytes]) -> None:
        """Adds the tasks in one transaction. Raises sqlite3.Error; then none was added."""
        with self.db(commit=True) as cursor:
            cursor.executemany(
                "insert into task (queue, data, priority) values (?, ?, 0)",
                [(self.name, task) for task in tasks],
            )

    def close(self) -> bool:
        """Closes the file for good; says whether it was open."""
        with self.lock:
            self._closed = True
            return self._disconnect()

    def _create_connection(self) -> Any:
        if self._closed:  # Huey opens on demand, even what was just closed
            raise sqlite3.ProgrammingError("the bell has stopped")
        return super()._create_connection()

    def _disconnect(self) -> bool:
        connection, self._conn = self._conn, None
        if connection is None:
            return False
        with contextlib.suppress(sqlite3.Error):
            connection.close()
        return True


class _Huey(SqliteHuey):  # type: ignore[misc]
    """A queue of job ids, with a count of what is in its file, so that workers wait instead of polling."""

    storage_class = _Storage

    def __init__(self, path: Path) -> None:
        super().__init__(
            "bell",
            results=False,
            utc=True,
            serializer=_Json(),
            filename=str(path),
            fsync=False,
            cache_mb=_CACHE_MB,
            create_tables=False,
        )
        self.broken = False  # the file failed: it is to be renewed
        self._trouble = _Trouble("The bell's file failed.", "The bell's file works again.")
        self._filled = threading.Condition()
        self._tickets = 0  # tasks in the file that no worker has gone for
        self._closed = False

    def renew(self) -> None:
        """Empties the file. Raises OSError or sqlite3.Error, and stays broken."""
        with self._filled:
            self._tickets = 0
        self.storage.renew()
        self.broken = False

    def enqueue_all(self, tasks: Sequence[Any]) -> None:
        """Adds the tasks and wakes as many workers; if the file fails they are lost, and the bell broken."""
        try:
            self.storage.enqueue_all([self.serialize_task(task) for task in tasks])
        except Exception as error:  # noqa: BLE001 - logged by _fail
            self._fail(error)
            return
        self._trouble.passed()
        with self._filled:
            self._tickets += len(tasks)
            self._filled.notify(len(tasks))

    def dequeue(self) -> Any:
        """The next task, off the file; None when there is none or the file fails."""
        try:
            return super().dequeue()
        except Exception as error:  # noqa: BLE001 - logged by _fail
            self._fail(error)
            return None

    def _fail(self, error: Exception) -> None:
        self.broken = True
        self._trouble.failed(error)

    def wait_for_task(self) -> bool:
        """Blocks until the file holds a task for the calling worker; False when it is to end."""
        with self._filled:
            self._filled.wait_for(lambda: self._tickets or self._closed)
            if self._closed:
                return False
            self._tickets -= 1
            return True

    def close_queue(self) -> None:
        """Sends all workers home."""
        with self._filled:
            self._closed = True
            self._filled.notify_all()

    def is_revoked(self, task: Any, timestamp: Any = None, peek: bool = True) -> bool:
        """Never, and without a query: a job is cancelled in the ledger."""
        return False

    def delete(self, key: str) -> None:
        """Nothing to delete: called after each task for a revocation that cannot exist."""


class _Worker(Worker):  # type: ignore[misc]
    """Waits for the condition instead of polling (polling alone takes 70 to 1,000 ms to notice a task)."""

    def loop(self, now: Any = None) -> None:
        """One task; ends at once when the consumer stops."""
        if not self.huey.wait_for_task():
            return
        task = self.huey.dequeue()
        if task is not None:
            self.huey.execute(task, now)


class _Consumer(Consumer):  # type: ignore[misc]
    """Huey's worker threads without the rest.

    No signal handlers (Huey's take uvicorn's away), no `run` (it needs the main thread), and no scheduler:
    nothing is ever scheduled in the bell, because retry times lie in the ledger, so its thread would only
    take the file's exclusive lock each second.
    """

    worker_class = _Worker

    def start(self) -> None:
        """Starts the worker threads."""
        for _, thread in self.worker_threads:
            thread.start()

    def stop(self, graceful: bool = False) -> None:
        """Tells the workers to end after the task in hand; does not wait."""
        self.stop_flag.set()
        self.huey.close_queue()

    def threads(self) -> list[threading.Thread]:
        """The worker threads, alive or not."""
        return [thread for _, thread in self.worker_threads]

    def replace_dead(self) -> int:
        """Starts a thread for each that died; returns how many."""
        died = 0
        for place, (_, thread) in enumerate(self.worker_threads):
            if not thread.is_alive():
                worker = self._create_worker()
                thread = self._create_process(worker, f"Worker-{place + 1}")
                thread.start()
                self.worker_threads[place] = (worker, thread)
                died += 1
        return died


class Bell:
    """Wakes a worker for each job that is rung, and for each that the ledger says is due.

    `work(job_id)` and `due(limit)` are called on the event loop that called `start`. `due` gives at most
    `limit` ids of unfinished jobs whose time has come, those first that wait longest. Only jobs that `due`
    would name may be rung, because what the bell loses comes back from there. `capacity` bounds the ids
    that wait; `workers` the jobs worked on at once.
    """

    def __init__(
        self,
        path: Path,
        *,
        work: Callable[[int], Awaitable[None]],
        due: Callable[[int], Awaitable[Sequence[int]]],
        workers: int,
        sweep_seconds: float,
        capacity: int = 1000,
        clock: Clock = _CLOCK,
    ) -> None:
        self.worker_restarts = 0
        """Threads of the bell that died and were replaced, since start."""
        self._work = work
        self._due = due
        self._sweep_seconds = sweep_seconds
        self._capacity = capacity
        self._clock = clock
        self._huey = _Huey(path)
        self._consumer = _Consumer(self._huey, workers=workers, periodic=False)
        self._task = self._huey.task(name="work")(self._carry)
        self._ids: SimpleQueue[int | None] = SimpleQueue()  # rung, not in the file yet; None ends the ringer
        self._ringer = self._new_ringer()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._sweeper: asyncio.Task[None] | None = None
        self._swept_at = 0.0  # monotonic seconds
        self._waiting: set[int] = set()
        self._overflowed = False  # the ledger may know of more than the bell does
        self._runs_low = asyncio.Event()
        self._running: dict[asyncio.Task[None], int] = {}
        self._stopping = False
        self._sweep_trouble = _Trouble("The sweep failed; it goes on.", "The sweep works again.")
        self._work_trouble = _Trouble("Work on a job failed.", "Work on jobs succeeds again.")

    @property
    def depth(self) -> int:
        """Jobs that wait in the bell; those being worked on do not count."""
        return len(self._waiting)

    @property
    def healthy(self) -> bool:
        """Whether all threads live, the file works, and the sweep runs in time."""
        overdue = max(_STALE_SWEEPS * self._sweep_seconds, _STALE_SECONDS)
        return (
            self._sweeper is not None
            and not self._stopping
            and all(thread.is_alive() for thread in [self._ringer, *self._consumer.threads()])
            and not self._huey.broken
            and self._clock.monotonic() - self._swept_at <= overdue
        )

    async def start(self) -> None:
        """Empties the bell's file, starts its threads and the sweep, which rings for what is due at once.

        Raises OSError or sqlite3.Error when the file cannot be made.
        """
        self._loop = asyncio.get_running_loop()
        await asyncio.to_thread(self._huey.renew)
        self._ringer.start()
        self._consumer.start()
        self._swept_at = self._clock.monotonic()
        self._sweeper = asyncio.create_task(self._sweep())

    def ring(self, job_id: int) -> None:
        """Calls a worker for the job. On the event loop only; never blocks, never raises.

        A job that waits already is not rung twice; one that is being worked on is. Past the capacity
        nothing is kept: the sweep asks the ledger as soon as the bell runs low.
        """
        if self._stopping or job_id in self._waiting:
            return
        if len(self._waiting) >= self._capacity:
            self._overflowed = True
            return
        self._waiting.add(job_id)
        self._ids.put(job_id)

    async def stop(self, deadline: float) -> None:
        """Begins no more work, waits up to `deadline` seconds for what runs, then cancels it.

        Cancelled work has a moment to hand its job back. Afterwards the threads have ended and the file is
        closed. Jobs that wait are in the ledger.
        """
        self._stopping = True
        if self._sweeper is None:
            self._huey.storage.close()
            return
        self._sweeper.cancel()
        self._consumer.stop()
        self._ids.put(None)
        if self._running:
            await asyncio.wait(self._running, timeout=deadline)
        if self._running:
            for task in self._running:
                task.cancel()
            await asyncio.wait(self._running, timeout=_CANCEL_SECONDS)
        for job_id in self._running.values():
            _log.error("Work did not end when it was cancelled.", extra={"job_id": job_id})
        await asyncio.wait([self._sweeper])
        await asyncio.to_thread(self._end_threads)

    def _end_threads(self) -> None:
        end = self._clock.monotonic() + _CANCEL_SECONDS
        for thread in [self._ringer, *self._consumer.threads()]:
            thread.join(max(0.0, end - self._clock.monotonic()))
        self._huey.storage.close()

    def _new_ringer(self) -> threading.Thread:
        # A thread, because adding to the file waits for its exclusive lock.
        return threading.Thread(target=self._ring_all, name="bell-ringer", daemon=True)

    def _ring_all(self) -> None:
        """In the ringer: carries ids into the file, all that wait in one transaction."""
        while (first := self._ids.get()) is not None:
            batch = [first]
            with contextlib.suppress(Empty):
                while len(batch) < _BATCH:
                    following = self._ids.get_nowait()
                    if following is None:
                        self._ids.put(None)
                        break
                    batch.append(following)
            self._huey.enqueue_all([self._task.s(job_id) for job_id in batch])

    def _carry(self, job_id: int) -> None:
        """In a worker: Huey's task. Returns when the work is done."""
        assert self._loop is not None
        work = asyncio.run_coroutine_threadsafe(self._perform(job_id), self._loop)
        with contextlib.suppress(concurrent.futures.CancelledError):
            work.result()

    async def _perform(self, job_id: int) -> None:
        # From here on a ring is news again: the work may have looked at the ledger already.
        self._waiting.discard(job_id)
        if self._stopping:
            return
        if self._overflowed and 2 * len(self._waiting) < self._capacity:
            self._runs_low.set()
        task = asyncio.current_task()
        assert task is not None
        self._running[task] = job_id
        try:
            await self._work(job_id)
        except Exception as error:  # noqa: BLE001 - logged by _Trouble
            self._work_trouble.failed(error, job_id)
        else:
            self._work_trouble.passed()
        finally:
            del self._running[task]

    async def _sweep(self) -> None:
        """Looks after the threads and the file, and asks the ledger: in its interval, and when an
        overflowed bell runs low."""
        while True:
            self._runs_low.clear()
            try:
                await self._look_after()
                await self._ask_ledger()
            except Exception as error:  # noqa: BLE001 - logged by _Trouble
                self._sweep_trouble.failed(error)
                self._overflowed = False  # whatever runs low: no hurry to fail again
            else:
                self._sweep_trouble.passed()
            self._swept_at = self._clock.monotonic()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._sweep_seconds):
                    await self._runs_low.wait()

    async def _look_after(self) -> None:
        """Replaces dead threads. After a death or a failed file nobody knows what the bell still holds:
        it is emptied, and the ledger asked."""
        died = self._consumer.replace_dead()
        if not self._ringer.is_alive():
            self._ringer = self._new_ringer()
            self._ringer.start()
            died += 1
        if died:
            self.worker_restarts += died
            _log.warning("Threads of the bell died and were replaced.", extra={"threads": died})
        if died or self._huey.broken:
            await asyncio.to_thread(self._huey.renew)
            # Afterwards, because what was rung meanwhile may have gone with the old file.
            self._waiting.clear()

    async def _ask_ledger(self) -> None:
        """Rings for what is due. The whole capacity is asked for: the first may be waiting already."""
        self._overflowed = False
        due = await self._due(self._capacity)
        for job_id in due:
            self.ring(job_id)
        if len(due) >= self._capacity:
            self._overflowed = True
