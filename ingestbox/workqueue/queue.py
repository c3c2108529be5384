"""The Huey queue that the bell hangs on: job ids in a file that may be lost, threads that wait for them."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from ingestbox.store.engine import sqlite3
from ingestbox.workqueue.trouble import Trouble

# isort: split
# Huey imports sqlite3 by itself: only after the engine has put a current one in its place.
from huey import SqliteHuey
from huey.consumer import Consumer, Worker
from huey.registry import Message
from huey.serializer import Serializer
from huey.storage import SqliteStorage

_CACHE_MB = 1


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


class JobQueue(SqliteHuey):  # type: ignore[misc]
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
        self._trouble = Trouble("The bell's file failed.", "The bell's file works again.")
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


class Workers(Consumer):  # type: ignore[misc]
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
