"""The only wiring: builds every part, starts them in order, stops them in reverse. Tests start the same."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from ingestbox import __version__, families, logs
from ingestbox.clock import Clock, SystemClock
from ingestbox.config import Settings
from ingestbox.errors import IngestError, StartupError
from ingestbox.family import Family
from ingestbox.forward import Forwarder
from ingestbox.identity.derived import Derived
from ingestbox.identity.guard import Guard
from ingestbox.identity.keyring import StoredKeys
from ingestbox.identity.passwords import Hasher
from ingestbox.identity.secretfile import Secrets, load_secrets
from ingestbox.identity.users import StoredUsers
from ingestbox.metrics import Metrics
from ingestbox.ops import doctor, scrape, status
from ingestbox.ops.alarms import Alarms
from ingestbox.ops.conditions import BoxConditions
from ingestbox.ops.health import BoxHealth
from ingestbox.ops.webhook import webhook_of
from ingestbox.pipeline.pool import Pool
from ingestbox.pipeline.runner import Runner
from ingestbox.store import Store, changes, tidy
from ingestbox.store.backlog import Backlog
from ingestbox.store.engine import has_wal_reset_bug, version
from ingestbox.store.lock import DataLock
from ingestbox.web import v1
from ingestbox.web.app import build_app
from ingestbox.web.binding import BoundRoute
from ingestbox.web.box import StoreBox
from ingestbox.web.login import Login
from ingestbox.web.metrics import metrics_route
from ingestbox.web.openapi import Documentation
from ingestbox.web.policies import Policies
from ingestbox.web.progress import Progress
from ingestbox.web.ratelimit import Buckets
from ingestbox.web.server import HttpServer, run
from ingestbox.web.service import service_routes
from ingestbox.web.v1 import sync
from ingestbox.web.v1.reports import Report
from ingestbox.workqueue import Bell

log = logging.getLogger("ingestbox")

BELL = "bell.db"
UNCLEAN = "running"
"""A file that is there while the box runs; found at a start, the last stop was not a clean one."""

TIDY_SECONDS = 30.0
SWITCH_SECONDS = 0.0005
"""How often Python's threads take turns; the usual 5 ms shows in the latency of small requests."""

MAX_CHILDREN = 4

FORCED_EXIT = 130
"""Exit code after a second signal, as a shell has it for an interrupted command."""


class Appliance:
    """One box on one data folder."""

    def __init__(
        self, settings: Settings, *, clock: Clock | None = None, install_signals: bool = False
    ) -> None:
        """Nothing is opened yet. With `install_signals` SIGTERM and SIGINT end `wait`."""
        self._settings = settings
        self._clock = clock or SystemClock()
        self._install_signals = install_signals
        self._folder = Path(settings.data)
        self._stack = AsyncExitStack()
        self._server: HttpServer | None = None
        self._document = b""
        self._routes: Sequence[BoundRoute] = ()
        self._damage: str | None = None
        self._sound = False  # nothing is known to be wrong with the store, and it was looked at if need be
        self._stop_by = float("-inf")  # monotonic seconds; a start that fails waits for nothing

    @property
    def url(self) -> str:
        """Where the box listens, once it is started."""
        if self._server is None:
            raise RuntimeError("the box is not started")
        return self._server.url

    @property
    def store(self) -> Store:
        """The ledger, once the box is started."""
        return self._store

    @property
    def routes(self) -> Sequence[BoundRoute]:
        """Every route of the box, once it is built."""
        return self._routes

    @property
    def document(self) -> bytes:
        """What /openapi.json answers, once the box is built."""
        return self._document

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
                await box._start(build_only=True)
                yield box
            finally:
                await box._stack.aclose()

    async def start(self) -> None:
        """Opens the data folder, starts every part, listens. Raises StartupError, and leaves nothing open."""
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise

    async def wait(self) -> None:
        """Returns when a signal asks the box to stop."""
        assert self._server is not None  # started
        await self._server.wait()

    async def forced(self) -> None:
        """Returns when a second signal asks not to wait for anything any more."""
        assert self._server is not None  # started
        await self._server.forced.wait()

    async def stop(self) -> None:
        """Stops in reverse order: no new requests, chunks in hand settled or handed back, store closed."""
        self._stop_by = self._clock.monotonic() + self._settings.server.stop_seconds
        await self._stack.aclose()

    def _patience(self) -> float:
        """Seconds that the part stopping now may take: all of them share `stop_seconds`."""
        return max(0.0, self._stop_by - self._clock.monotonic())

    async def _start(self, build_only: bool = False) -> None:
        """With `build_only` every part is made and none is started."""
        settings, clock, stack = self._settings, self._clock, self._stack
        sys.setswitchinterval(SWITCH_SECONDS)
        _make_folder(self._folder)
        lock = DataLock.take(self._folder)
        stack.callback(lock.release)
        secrets = load_secrets(self._folder)
        known = families.load()
        metrics = Metrics()
        unclean = self._mark_running()
        self._sound = not unclean
        self._store = store = await Store.open(
            self._folder,
            stack,
            families={name: family.queries for name, family in known.items()},
            settings=settings.store,
            limits=settings.limits,
            clock=clock,
            observe=metrics.group,
        )
        stack.callback(self._unmark_running)

        forwarder = Forwarder(store, settings.lanes, clock=clock, observe=metrics)
        pool = Pool(
            settings.work.children or min(os.cpu_count() or 1, MAX_CHILDREN),
            preload=[family.process.partition(":")[0] for family in known.values()],
            clock=clock,
            log_level=settings.log.level,
            log_format=settings.log.format,
        )
        progress = Progress()
        runner = Runner(
            store,
            pool,
            known,
            settings.work,
            settled=lambda made: forwarder.wake() if made else None,
            moved=progress.changed,
            observe=metrics.settled,
        )
        bell = Bell(
            self._folder / BELL,
            work=runner.work,
            due=runner.due,
            workers=settings.work.workers,
            sweep_seconds=settings.work.sweep_seconds,
        )
        backlog = Backlog(store, settings.limits.backlog_records)
        policies = Policies(Buckets(clock), settings.server, settings.rates, backlog.admit)
        box = StoreBox(store, bell.ring, backlog, metrics.received)
        keys, users = StoredKeys(store), StoredUsers(store)
        stack.push_async_callback(_note_uses, keys, users)  # what was used since the last half minute
        hasher = Hasher()
        stack.callback(hasher.close)
        guard = Guard(
            secret=secrets,
            static=settings.auth.api_keys,
            keys=keys,
            clock=clock,
            leeway_seconds=settings.auth.leeway_seconds,
            issuers=settings.issuers,
            users=users,
        )
        issuers = guard.issuer_states
        health = BoxHealth(store, bell, pool, forwarder, settings, lambda: self._damage, issuers)
        webhook = webhook_of(settings.alarms, clock)
        if webhook is not None:
            stack.push_async_callback(webhook.close)
        conditions = BoxConditions(store, health, forwarder, issuers, settings)
        alarms = Alarms(store, conditions.look, webhook, seconds=settings.alarms.check_seconds, clock=clock)
        watch = tidy.ClockWatch(clock)
        observed = scrape.Parts(
            store=store,
            lanes=forwarder.states,
            issuers=issuers,
            alarms=lambda: alarms.raised,
            server=lambda: server,
            pool=pool,
            bell=bell,
        )

        async def snapshot(workspace: str | None) -> status.Status:
            live = status.Live(server.url, bell.depth, bell.worker_restarts, pool.alive, pool.restarts)
            return await status.snapshot(store, workspace, live, alarms.raised)

        async def render(accept: str) -> tuple[bytes, str]:
            return metrics.render(accept, await scrape.gather(observed))

        async def examine() -> Report:
            running = doctor.Running(alarms.raised, issuers(), watch.steady)
            return await doctor.examine(store, settings, running)

        parts = v1.Parts(
            store=store,
            families=known,
            guard=guard,
            derived=Derived(self._secrets),
            hasher=hasher,
            ring=bell.ring,
            snapshot=snapshot,
            examine=examine,
            progress=progress,
        )
        login = Login(
            users=users,
            hasher=hasher,
            secrets=self._secrets,
            clock=clock,
            session_minutes=settings.auth.session_minutes,
            per_minute=settings.rates.login,
        )
        bound = [
            *service_routes(health),
            *login.routes(),
            metrics_route(render, guard),
            *(BoundRoute(route) for route in (*v1.routes(parts), *sync.routes(store, known))),
            *(
                BoundRoute(
                    route,
                    error_body=family.error_body,
                    error_type=family.error_type,
                    tag=family.name,
                )
                for family in known.values()
                for route in family.routes
            ),
        ]
        documentation = Documentation(
            bound, limits=settings.limits, rates=settings.rates, prefix=settings.server.prefix
        )
        self._document = documentation.document
        self._routes = (*bound, *documentation.routes)
        if build_only:
            return
        app = build_app(
            routes=self._routes,
            guard=guard,
            box=box,
            limits=settings.limits,
            clock=clock,
            policies=policies,
            observe=metrics.request,
        )
        self._server = server = HttpServer(
            app, settings.server, self._install_signals, settings.limits, self._folder
        )
        server.bind()

        # What starts last stops first. Stopping: no new requests, then no new chunks while those in hand
        # are finished by the children, then the lanes, then the store.
        guard.start()
        stack.push_async_callback(guard.stop)
        await forwarder.start()
        stack.push_async_callback(lambda: forwarder.stop(self._patience()))
        await pool.start()
        stack.push_async_callback(pool.stop, 0.0)
        await bell.start()
        stack.push_async_callback(lambda: bell.stop(self._patience()))
        stack.callback(runner.stop_claiming)
        housekeeping = asyncio.create_task(
            self._keep_tidy(store, box, keys, users, watch, known, bell.ring), name="housekeeping"
        )
        stack.push_async_callback(_end, housekeeping)
        if unclean:
            checking = asyncio.create_task(self._check_integrity(store), name="integrity")
            stack.push_async_callback(_end, checking)
        await server.start()
        stack.push_async_callback(server.stop)
        stack.callback(app.drain)
        stack.callback(progress.close)
        await alarms.start()
        stack.push_async_callback(alarms.stop)
        lock.say(server.url, server.certificate)
        server.on_renewal(lambda certificate: lock.say(server.url, certificate))
        self._say_where(unclean)

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
            extra={"sqlite": version(), "box": self._store.identity.box, "unclean_start": unclean or None},
        )

    def _secrets(self) -> Secrets:
        """What signs the box's tokens now; a rotation replaces the files."""
        return load_secrets(self._folder)

    def _mark_running(self) -> bool:
        """Notes that the box runs; True when the note of the last run is still there."""
        mark = self._folder / UNCLEAN
        found = mark.exists()
        mark.touch(mode=0o600)
        return found

    def _unmark_running(self) -> None:
        # Without a check that has come to its end, and found nothing, the next start has to check again.
        if self._sound:
            (self._folder / UNCLEAN).unlink(missing_ok=True)

    async def _check_integrity(self, store: Store) -> None:
        """After an unclean stop: SQLite's own check, in the background."""
        wrong = await store.quick_check()
        if wrong:
            self._damage = "the store is damaged; run: ingestbox doctor"
            log.error("The store is damaged.", extra={"found": wrong[:5]})
        else:
            self._sound = True
            log.info("The last stop was not a clean one; the store was checked and is sound.")

    async def _keep_tidy(
        self,
        store: Store,
        box: StoreBox,
        keys: StoredKeys,
        users: StoredUsers,
        watch: tidy.ClockWatch,
        known: Mapping[str, Family],
        changed: Callable[[int], None],
    ) -> None:
        """Every half minute: what no request will finish, what is old, what was noted in memory."""
        watch = tidy.ClockWatch(self._clock)
        while True:
            try:
                discarded = await tidy.discard_unfinished(store, box.being_filled)
                if discarded:
                    log.info("Unfinished intake was removed.", extra={"jobs": discarded})
                await changes.go_on(store, known, changed)
                if watch.steady:
                    await tidy.purge_idempotency(store, self._settings.store.idempotency_hours)
                await keys.flush()
                await users.flush()
            except IngestError as error:
                log.debug("Housekeeping has to wait: %s", error)
            except Exception:
                log.exception("Housekeeping failed; it goes on.")
            await asyncio.sleep(TIDY_SECONDS)


async def _note_uses(keys: StoredKeys, users: StoredUsers) -> None:
    """The last thing written at a stop; a store that takes no writes any more does without."""
    for noted in (keys, users):
        with contextlib.suppress(IngestError):
            await noted.flush()


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


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


def serve(settings: Settings, warnings: Sequence[str]) -> int:
    """Runs a box until a signal stops it; returns the exit code (1 if it could not start)."""
    logs.set_up(settings.log.level, settings.log.format)
    for warning in warnings:
        log.warning("%s", warning)

    async def main() -> int:
        appliance = Appliance(settings, install_signals=True)
        try:
            await appliance.start()
        except StartupError as error:
            log.critical("%s", error)
            return 1
        await appliance.wait()
        log.info("Stopping.")
        stopping = asyncio.create_task(appliance.stop())
        forced = asyncio.create_task(appliance.forced())
        await asyncio.wait((stopping, forced), return_when=asyncio.FIRST_COMPLETED)
        if not stopping.done():
            log.warning("Stopped at once, on a second signal; the next start goes on from what is on disk.")
            os._exit(FORCED_EXIT)
        forced.cancel()
        await stopping
        log.info("Stopped.")
        return 0

    return run(main())
