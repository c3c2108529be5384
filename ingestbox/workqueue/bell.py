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
import threading
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue

from ingestbox.clock import Clock, SystemClock
from ingestbox.errors import StartupError
from ingestbox.store.engine import sqlite3
from ingestbox.workqueue.queue import JobQueue, Workers
from ingestbox.workqueue.trouble import Trouble

_BATCH = 500
"""Most ids that enter the file in one transaction."""
_CANCEL_SECONDS = 2.0
"""How long a stop waits for cancelled work to hand its job back, and for threads to end."""
_STALE_SWEEPS, _STALE_SECONDS = 3.0, 5.0
"""A sweep is overdue after this many of its intervals, and never before this many seconds."""
_CLOCK = SystemClock()

_log = logging.getLogger(__name__)


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
        self._path = path
        self._huey = JobQueue(path)
        self._consumer = Workers(self._huey, workers=workers, periodic=False)
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
        self._sweep_trouble = Trouble("The sweep failed; it goes on.", "The sweep works again.")
        self._work_trouble = Trouble("Work on a job failed.", "Work on jobs succeeds again.")

    @property
    def depth(self) -> int:
        """Jobs that wait in the bell; those being worked on do not count."""
        return len(self._waiting)

    @property
    def healthy(self) -> bool:
        """Whether it lives, and its file works."""
        return self.lives and not self._huey.broken

    @property
    def lives(self) -> bool:
        """Whether all threads live and the sweep, which would replace them, runs in time. A bell that stays
        otherwise needs a restart; a file that failed, on a full disk for example, is renewed by the sweep."""
        overdue = max(_STALE_SWEEPS * self._sweep_seconds, _STALE_SECONDS)
        return (
            self._sweeper is not None
            and not self._sweeper.done()
            and not self._stopping
            and all(thread.is_alive() for thread in [self._ringer, *self._consumer.threads()])
            and self._clock.monotonic() - self._swept_at <= overdue
        )

    async def start(self) -> None:
        """Empties the bell's file, starts its threads and the sweep, which rings for what is due at once.

        Raises StartupError when the file cannot be made.
        """
        self._loop = asyncio.get_running_loop()
        try:
            await asyncio.to_thread(self._huey.renew)
        except (OSError, sqlite3.Error) as error:
            raise StartupError(
                f"The bell's file {self._path} cannot be made: {error}. Free disk space, or let who runs "
                "ingestbox write to the folder."
            ) from error
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
        except Exception as error:  # noqa: BLE001 - logged by Trouble
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
            except Exception as error:  # noqa: BLE001 - logged by Trouble
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
