"""The box's part of backups: one at a time, when asked for or when the schedule says, and what became of
them."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal, TypeVar

from ingestbox.clock import Clock, iso
from ingestbox.config import Backup
from ingestbox.errors import IngestError, StartupError
from ingestbox.ops.backup import folder as lying
from ingestbox.ops.backup.folder import Found
from ingestbox.ops.backup.manifest import FILES
from ingestbox.ops.backup.pace import Pace
from ingestbox.ops.backup.putback import STAGE
from ingestbox.ops.backup.taking import Taking, of_disk
from ingestbox.ops.conditions import Condition
from ingestbox.store import Store
from ingestbox.store.copying import CancelledCopyError, fold_aside
from ingestbox.store.engine import sqlite3
from ingestbox.store.shelf import Shelf
from ingestbox.web.v1.backupshapes import BackupEnd, BackupLine, BackupList, BackupRunning

LOOK_SECONDS: Final = 20.0
"""How often the schedule is looked at."""

RETRY_SECONDS: Final = 900.0
"""After a scheduled backup that failed the next try comes so much later; the alarm stays meanwhile."""

OVERDUE_SECONDS: Final = 3 * 3_600.0
"""A scheduled backup that is not there so long after it was due is overdue."""

AHEAD_SECONDS: Final = 600
"""How far names may run ahead of the clock, for backups that follow each other within a second."""

LISTING_SECONDS: Final = 10.0
"""How long the folder's file system may take to say what is in it."""

STOP_SECONDS: Final = 2.0
"""How long a stop waits for a backup in hand to end; one that hangs on a disk is left alone."""

T = TypeVar("T")

log = logging.getLogger(__name__)


class Backups:
    """Takes backups of one running box. Belongs to its event loop."""

    def __init__(
        self, store: Store, shelf: Shelf, settings: Backup, clock: Clock, *, keep_free_bytes: int
    ) -> None:
        """Raises StartupError for a folder or a schedule that cannot be."""
        self._store = store
        self._shelf = shelf
        self._settings = settings
        self._clock = clock
        self._keep_free = keep_free_bytes
        self._data = store.path.parent
        self.folder = folder_of(settings, self._data)
        self._pace = Pace(settings.schedule, clock) if settings.schedule else None
        self._known = self._pace is None  # what the folder says of the last one
        self._retry_at = float("-inf")
        self._failing: str | None = None  # why the last scheduled one failed
        self._taking: Taking | None = None
        self._began_ms = 0
        self._scheduled = False
        self._last: BackupEnd | None = None
        self._job: asyncio.Task[BackupLine] | None = None
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = False

    def start(self) -> None:
        """Begins: what earlier ones left that were cut off goes, and the schedule counts."""
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.create_task(self._run(), name="backups")

    async def stop(self) -> None:
        """Ends; a backup in hand is given up, and leaves nothing."""
        self._stopping = True
        if self._taking is not None:
            self._taking.cancel()
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        if self._job is not None:
            await asyncio.wait((self._job,), timeout=STOP_SECONDS)

    def begin(self) -> tuple[str, asyncio.Future[BackupLine]]:
        """See `web.v1.backups.Keeper`."""
        return self._begin(scheduled=False)

    async def state(self) -> BackupList:
        """See `web.v1.backups.Keeper`."""
        found = await self._listed()
        taking = self._taking
        return BackupList(
            folder=str(self.folder.absolute()),
            schedule=self._settings.schedule,
            keep=self._settings.keep,
            overdue=self._overdue() is not None,
            running=None
            if taking is None
            else BackupRunning(
                name=taking.target.name,
                scheduled=self._scheduled,
                started_at=iso(self._began_ms) or "",
                step=taking.step,
                done_bytes=taking.done,
                total_bytes=taking.total,
            ),
            last=self._last,
            backups=[line_of(each) for each in found],
        )

    def conditions(self) -> list[Condition]:
        """What alarms; nothing without a schedule."""
        if self._pace is None:
            return []
        failing, overdue = self._failing, self._overdue()
        return [
            Condition(
                "backup_failed",
                failing is None,
                f"the last scheduled backup failed: {failing}" if failing else "the last one is there",
                urgent=True,
            ),
            Condition(
                "backup_overdue",
                overdue is None,
                f"a scheduled backup has been due for {overdue / 3600:.0f} h"
                if overdue is not None
                else "none is overdue",
            ),
        ]

    def _overdue(self) -> float | None:
        late = None if self._pace is None or not self._known else self._pace.late()
        return late if late is not None and late >= OVERDUE_SECONDS else None

    async def _run(self) -> None:
        box = self._store.identity.box
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LISTING_SECONDS):
                await _in_thread(lambda: lying.clear(self.folder, box))
        while True:
            try:
                await self._look()
            except IngestError as error:
                self._fail(error)
            except Exception:
                log.exception("The look for due backups failed; it goes on.")
            await asyncio.sleep(LOOK_SECONDS)

    async def _look(self) -> None:
        if self._taking is not None or self._clock.monotonic() < self._retry_at:
            return
        if not self._known:
            await self._remember()
        if self._pace is None or self._pace.late() is None:
            return
        with contextlib.suppress(IngestError):  # `_job` has said it
            _, ending = self._begin(scheduled=True)
            await asyncio.shield(ending)

    async def _remember(self) -> None:
        """Learns from the folder when the last scheduled one was made. Raises IngestError."""
        assert self._pace is not None
        newest = lying.newest_scheduled(await self._listed(), self._store.identity.box)
        self._pace.known(None if newest is None else newest.made_ms)
        self._known = True

    def _begin(self, *, scheduled: bool) -> tuple[str, asyncio.Future[BackupLine]]:
        if self._stopping:
            raise IngestError("shutting_down", retry_after=2)
        if self._job is not None:
            raise IngestError("backup_running", retry_after=5)
        now_ms = self._clock.now_ms()
        if now_ms // 1_000 <= self._began_ms // 1_000 < now_ms // 1_000 + AHEAD_SECONDS:
            now_ms = self._began_ms + 1_000  # names are by the second, and nobody looks at the disk here
        taking = Taking(
            self._data,
            self.folder / lying.name_of(self._store.identity.box, now_ms),
            made_ms=now_ms,
            scheduled=scheduled,
            keep_free=self._keep_free,
            copied=self._copied,
        )
        self._began_ms, self._scheduled, self._taking = now_ms, scheduled, taking
        self._job = asyncio.create_task(self._take(taking, scheduled), name="backup")
        self._job.add_done_callback(lambda job: job.cancelled() or job.exception())  # somebody may hear it
        return taking.target.name, self._job

    async def _take(self, taking: Taking, scheduled: bool) -> BackupLine:
        try:
            with self._shelf.hold():
                await self._store.fold_by_itself(False)
                try:
                    found = await _in_thread(lambda: self._taken(taking, scheduled))
                finally:
                    await self._store.fold_by_itself(True)
        except CancelledCopyError:
            self._end(taking, scheduled, "cancelled", IngestError("shutting_down", retry_after=2))
            raise IngestError("shutting_down", retry_after=2) from None
        except IngestError as error:
            self._end(taking, scheduled, "failed", error)
            raise
        except Exception as error:
            log.exception("A backup failed in a way that nobody thought of.")
            told = IngestError("backup_failed")
            self._end(taking, scheduled, "failed", told)
            raise told from error
        finally:
            self._taking = self._job = None
        self._end(taking, scheduled, "taken", None)
        facts = {"backup": found.path.name, "bytes": found.size, "seconds": self._since(taking)}
        log.info("A backup was taken, and verified.", extra=facts)
        return line_of(found)

    def _copied(self) -> None:
        """In the same thread: the log that has grown goes into the store, beside the writer; then by itself
        again."""
        with contextlib.suppress(sqlite3.Error):
            fold_aside(self._store.path)
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # it has gone
                asyncio.run_coroutine_threadsafe(self._store.fold_by_itself(True), self._loop)

    def _taken(self, taking: Taking, scheduled: bool) -> Found:
        """In a thread of its own: all that a disk may hold up."""
        box = self._store.identity.box
        try:
            ready(self.folder, self._data)
            lying.clear(self.folder, box)
            number = lying.next_number(lying.listed(self.folder, box), box)
        except OSError as error:
            raise of_disk(error, self.folder) from error
        manifest = taking.run(number)
        found = Found(taking.target, taking.target.stat().st_size, manifest)
        if manifest.missing:  # earlier backups, which may have them, stay
            log.error(
                "Uploaded files that the store names are not there, and not in the backup.",
                extra={"missing": len(manifest.missing), "backup": taking.target.name},
            )
        elif scheduled:
            try:
                gone = lying.prune(self.folder, box, self._settings.keep)
            except OSError as error:
                log.warning("Old backups cannot be removed: %s.", error)
            else:
                if gone:
                    log.info("Old backups were removed.", extra={"backups": [path.name for path in gone]})
        return found

    def _end(
        self,
        taking: Taking,
        scheduled: bool,
        state: Literal["taken", "failed", "cancelled"],
        error: IngestError | None,
    ) -> None:
        self._last = BackupEnd(
            name=taking.target.name,
            scheduled=scheduled,
            ended_at=iso(self._clock.now_ms()) or "",
            state=state,
            code=None if error is None else error.code,
            detail=None if error is None else error.detail,
        )
        if state == "failed":
            assert error is not None
            log.error("A backup failed: %s", error.detail, extra={"backup": taking.target.name})
        if not scheduled or self._pace is None:
            return
        if state == "taken":
            self._failing, self._retry_at = None, float("-inf")
            self._pace.taken()
        elif error is not None and state == "failed":
            self._fail(error)

    def _fail(self, error: IngestError) -> None:
        """A scheduled one could not be taken, or the folder not be looked at."""
        self._failing = error.detail
        self._retry_at = self._clock.monotonic() + RETRY_SECONDS

    def _since(self, taking: Taking) -> float:
        return round((self._clock.now_ms() - self._began_ms) / 1000, 1)

    async def _listed(self) -> list[Found]:
        """Those of this box in the folder. Raises IngestError `backup_unwritable`."""
        box = self._store.identity.box

        def look() -> list[Found]:
            if not self._settings.folder and not self.folder.exists():
                return []
            return lying.listed(self.folder, box)

        try:
            async with asyncio.timeout(LISTING_SECONDS):
                return await _in_thread(look)
        except TimeoutError:
            raise IngestError("backup_unwritable", f"{self.folder} does not answer.") from None
        except OSError as error:
            raise of_disk(error, self.folder) from error


def folder_of(settings: Backup, data: Path) -> Path:
    """Where backups go. Raises StartupError for a folder that cannot be one."""
    if not settings.folder:
        return data / lying.FOLDER
    folder = Path(settings.folder)
    inside, box = folder.absolute(), data.absolute()
    own = [box / name for name in (FILES.rstrip("/"), "incoming", "snapshots", STAGE)]
    if inside == box or any(inside.is_relative_to(each) for each in own):
        raise StartupError(f"[backup] folder: {folder} is the box's own; name another.")
    return folder


def ready(folder: Path, data: Path) -> None:
    """Makes the box's own folder of backups; another one has to be there. Raises OSError."""
    if folder == data / lying.FOLDER:
        folder.mkdir(mode=0o700, exist_ok=True)
    elif not folder.is_dir():
        raise FileNotFoundError(errno.ENOENT, "there is no such folder; make it, or mount its disk")


def line_of(found: Found) -> BackupLine:
    """A backup as the API shows it."""
    name, said = found.path.name, found.manifest
    if said is None:
        return BackupLine(name=name, bytes=found.size)
    return BackupLine(
        name=name,
        bytes=found.size,
        made_at=said.made_at,
        box=said.box,
        epoch=said.epoch,
        schema=said.schema,
        version=said.version,
        scheduled=said.scheduled,
        files=said.files,
        data_bytes=said.bytes,
        missing=len(said.missing),
    )


async def _in_thread(work: Callable[[], T]) -> T:
    """Runs `work` in a thread that nobody waits for at the end: one that hangs on a disk must not hold up a
    stop."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(value: T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(value)  # type: ignore[arg-type]

    def run() -> None:
        value, failure = None, None
        try:
            value = work()
        except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
            failure = error
        with contextlib.suppress(RuntimeError):  # the loop has gone
            loop.call_soon_threadsafe(settle, value, failure)

    threading.Thread(target=run, name="backup", daemon=True).start()
    return await future
