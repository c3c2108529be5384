"""One box on one data folder: its parts started in order, and stopped in reverse. Tests start the same."""

from __future__ import annotations

import contextlib
import logging
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from ingestbox import __version__
from ingestbox.appliance.parts import Parts, build
from ingestbox.clock import Clock, SystemClock
from ingestbox.config import Loaded, Settings
from ingestbox.errors import IngestError, StartupError
from ingestbox.identity import first
from ingestbox.identity.links import SET_UP_HOURS
from ingestbox.ops.backup import putback
from ingestbox.ops.integrity import Integrity
from ingestbox.ops.supervisor import Supervisor
from ingestbox.ops.watch import Pulse, Watch
from ingestbox.store import Store
from ingestbox.store.engine import has_wal_reset_bug, version
from ingestbox.store.lock import DataLock
from ingestbox.web.binding import BoundRoute

log = logging.getLogger("ingestbox")

SWITCH_SECONDS = 0.0005
"""How often Python's threads take turns; the usual 5 ms shows in the latency of small requests."""


class Appliance:
    """One box on one data folder."""

    def __init__(
        self,
        settings: Settings,
        *,
        loaded: Loaded | None = None,
        clock: Clock | None = None,
        install_signals: bool = False,
        supervisor: Supervisor | None = None,
    ) -> None:
        """Nothing is opened yet. `loaded` says where the settings come from; with `install_signals` SIGTERM
        and SIGINT end `wait`; `supervisor` hears how the box is, from its start on."""
        self._settings = settings
        self._loaded = loaded or Loaded(settings, [])
        self._clock = clock or SystemClock()
        self._install_signals = install_signals
        self._supervisor = supervisor or Supervisor(None, None)
        self._folder = Path(settings.data)
        self._stack = AsyncExitStack()
        self._parts: Parts | None = None
        self._stop_by = float("-inf")  # monotonic seconds; a start that fails waits for nothing
        self.set_up_link = ""
        """Where the first administrator is made; empty when there are users."""

    @property
    def url(self) -> str:
        """Where the box listens, once it is started."""
        return self._built.server.url

    @property
    def store(self) -> Store:
        """The ledger, once the box is built."""
        return self._built.store

    @property
    def routes(self) -> Sequence[BoundRoute]:
        """Every route of the box's API, once it is built."""
        return self._built.routes

    @property
    def pages(self) -> Sequence[BoundRoute]:
        """Every route of the console, once it is built."""
        return self._built.pages

    @property
    def document(self) -> bytes:
        """What /openapi.json answers, once the box is built."""
        return self._built.documentation.document

    @classmethod
    @contextlib.asynccontextmanager
    async def built(cls, settings: Settings) -> AsyncIterator[Appliance]:
        """A box for its routes and documentation, built on a folder of its own and not started.

        Of the settings only those count that these show: server, limits and rates.
        """
        with tempfile.TemporaryDirectory(prefix="ingestbox-") as folder:
            shown = Settings(
                data=folder, server=settings.server, limits=settings.limits, rates=settings.rates
            )
            box = cls(shown)
            try:
                await box._build()
                yield box
            finally:
                await box._stack.aclose()

    async def start(self) -> None:
        """Opens the data folder, starts every part, listens. Raises StartupError, and leaves nothing open."""
        try:
            async with self._supervisor.starting("Opens the store."):
                lock, integrity = await self._build()
                await self._start(self._built, integrity)
            server = self._built.server
            self._say_where(integrity.unclean)
            await self._offer_set_up()
            lock.say(server.url, server.certificate)  # from now on others know where the box is
            server.on_renewal(lambda certificate: lock.say(server.url, certificate))
            self._watch(self._built)
        except BaseException:
            await self._stack.aclose()
            raise

    async def wait(self) -> None:
        """Returns when a signal asks the box to stop."""
        await self._built.server.wait()

    async def forced(self) -> None:
        """Returns when a second signal asks not to wait for anything any more."""
        await self._built.server.forced.wait()

    async def stop(self) -> None:
        """Stops in reverse order: no new requests, chunks in hand settled or handed back, store closed."""
        self._stop_by = self._clock.monotonic() + self._settings.server.stop_seconds
        self._supervisor.stopping(self._settings.server.stop_seconds)
        await self._stack.aclose()

    @property
    def _built(self) -> Parts:
        if self._parts is None:
            raise RuntimeError("the box is not built")
        return self._parts

    def _patience(self) -> float:
        """Seconds that the part stopping now may take: all of them share `stop_seconds`."""
        return max(0.0, self._stop_by - self._clock.monotonic())

    async def _build(self) -> tuple[DataLock, Integrity]:
        """Takes the folder, opens the store, makes every part; none is started."""
        sys.setswitchinterval(SWITCH_SECONDS)
        _make_folder(self._folder)
        lock = DataLock.take(self._folder)
        self._stack.callback(lock.release)
        putback.resume(self._folder)
        integrity = Integrity(self._folder)
        self._stack.callback(integrity.close)
        self._parts = await build(
            self._loaded,
            self._folder,
            self._clock,
            self._stack,
            integrity,
            self._install_signals,
            told=lambda at: self._supervisor.say(f"Upgrades the store: {at}."),
        )
        return lock, integrity

    async def _start(self, parts: Parts, integrity: Integrity) -> None:
        # What starts last stops first. Stopping: no new requests, then no new chunks while those in hand
        # are finished by the children, then the lanes, then the store.
        stack = self._stack
        await first.make(parts.store, parts.hasher, self._settings.console)
        if self._supervisor.present:
            parts.server.on_reload = self._supervisor.reload
        parts.server.bind()
        parts.guard.start()
        stack.push_async_callback(parts.guard.stop)
        await parts.forwarder.start()
        stack.push_async_callback(lambda: parts.forwarder.stop(self._patience()))
        await parts.pool.start()
        stack.push_async_callback(parts.pool.stop, 0.0)
        await parts.bell.start()
        stack.push_async_callback(lambda: parts.bell.stop(self._patience()))
        stack.callback(parts.runner.stop_claiming)
        parts.housekeeping.start()
        stack.push_async_callback(parts.housekeeping.stop)
        parts.chores.start()
        stack.push_async_callback(parts.chores.stop)
        parts.backups.start()
        stack.push_async_callback(parts.backups.stop)
        integrity.start(parts.store)
        stack.push_async_callback(integrity.stop)
        await parts.server.start()
        stack.push_async_callback(parts.server.stop)
        stack.callback(parts.door.drain)
        stack.callback(parts.progress.close)
        await parts.alarms.start()
        stack.push_async_callback(parts.alarms.stop)

    def _watch(self, parts: Parts) -> None:
        pulse = Pulse(parts.store, parts.bell)
        watch = Watch(self._supervisor, pulse, parts.health.checks, self.url)
        watch.start()
        self._stack.push_async_callback(watch.stop)

    def _say_where(self, unclean: bool) -> None:
        if has_wal_reset_bug(version()):
            log.warning("SQLite %s can damage a store; install pysqlite3 0.6.1 or later.", version())
        log.info(
            "ingestbox %s listens on %s; data in %s. Make a token with: ingestbox token create --data %s"
            " --user me --role admin",
            __version__,
            self.url,
            self._folder.absolute(),
            self._folder,
            extra={
                "sqlite": version(),
                "box": self.store.identity.box,
                "epoch": self.store.identity.epoch,
                "unclean_start": unclean or None,
            },
        )

    async def _offer_set_up(self) -> None:
        """While nobody can sign in: a link with which the first administrator is made, for this start."""
        try:
            path = await first.offer(self.store)
        except IngestError as error:
            log.warning("There are no users yet, and no link to make one with: %s", error.detail)
            return
        if path is None:
            return
        self.set_up_link = f"{self.url}{self._settings.server.prefix}{path}"
        log.warning(
            "There are no users yet. Make the first administrator, once and within %d hours, at: %s",
            SET_UP_HOURS,
            self.set_up_link,
        )


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        probe = folder / ".probe"
        probe.touch(mode=0o600)
        probe.unlink()
    except OSError as error:
        raise StartupError(
            f"The data folder {folder} cannot be used: {error.strerror}. Choose another with --data."
        ) from None
