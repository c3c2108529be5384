"""The only wiring: every part of a box, made in one place and given what it needs."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import msgspec

from ingestbox import console, families
from ingestbox.clock import Clock
from ingestbox.config import MIB, Enrich, Loaded
from ingestbox.console.gate import Gate
from ingestbox.console.inside import Inside
from ingestbox.console.pages import Pages
from ingestbox.enrich.embedding.wordvectors import NoVectorsError, prepared
from ingestbox.enrich.pii.found import REDACT
from ingestbox.enrich.steps import MODULES
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
from ingestbox.ops.backup.backups import Backups
from ingestbox.ops.chores import ChoreRoom, Chores
from ingestbox.ops.conditions import BoxConditions
from ingestbox.ops.erasing import Erasing
from ingestbox.ops.health import BoxHealth
from ingestbox.ops.housekeeping import Housekeeping
from ingestbox.ops.integrity import Integrity
from ingestbox.ops.telling import Telling
from ingestbox.ops.webhook import webhook_of
from ingestbox.outbound.fetch import Fetcher
from ingestbox.pipeline.computing import Computing
from ingestbox.pipeline.endpoints import Endpoint, endpoints, looked_up
from ingestbox.pipeline.loader import Loader
from ingestbox.pipeline.pool import Pool
from ingestbox.pipeline.runner import Runner
from ingestbox.sheet import Sheet, Upload
from ingestbox.store import Store, series, tidy
from ingestbox.store.backlog import Backlog
from ingestbox.store.erasing.walk import Hooks, Walk
from ingestbox.store.retention import Retention
from ingestbox.store.shelf import Shelf
from ingestbox.web import v1
from ingestbox.web.app import Door
from ingestbox.web.binding import Binding, BoundRoute
from ingestbox.web.box import Files, StoreBox
from ingestbox.web.http.server import HttpServer
from ingestbox.web.login import Login
from ingestbox.web.metrics import metrics_route
from ingestbox.web.openapi import Documentation
from ingestbox.web.policy.policies import Policies
from ingestbox.web.policy.ratelimit import Buckets
from ingestbox.web.routing import Table
from ingestbox.web.service import service_routes
from ingestbox.web.uploads import Uploads
from ingestbox.web.v1 import backups as backup_routes
from ingestbox.web.v1 import configuration, lanemoves, lanes, parked, sync
from ingestbox.web.v1.progress import Progress
from ingestbox.web.v1.reports import Report
from ingestbox.workqueue import Bell

BELL = "bell.db"
MAX_CHILDREN = 4


@dataclass(frozen=True, slots=True)
class Parts:
    """What a box starts, stops and shows of itself."""

    store: Store
    guard: Guard
    forwarder: Forwarder
    pool: Pool
    runner: Runner
    bell: Bell
    housekeeping: Housekeeping
    chores: Chores
    alarms: Alarms
    backups: Backups
    health: BoxHealth
    progress: Progress
    door: Door
    server: HttpServer
    hasher: Hasher
    routes: Sequence[BoundRoute]
    pages: Sequence[BoundRoute]
    documentation: Documentation


async def build(
    loaded: Loaded,
    folder: Path,
    clock: Clock,
    stack: AsyncExitStack,
    integrity: Integrity,
    install_signals: bool,
    told: Callable[[str], None],
) -> Parts:
    """Opens the store and makes every part over it; none is started.

    The caller holds the folder's lock; what is opened is put on `stack`. `told` hears, from another thread,
    how far an upgrade of the store is. Raises StartupError.
    """
    settings = loaded.settings
    built_at = clock.monotonic()

    def secrets() -> Secrets:  # what signs the box's tokens now: a rotation replaces the files
        return load_secrets(folder)

    signing = secrets()
    known = {
        name: msgspec.structs.replace(
            family.configured(family, settings), pii=getattr(settings.pii, name, "off")
        )
        for name, family in families.load().items()
    }
    metrics = Metrics()
    store = await Store.open(
        folder,
        stack,
        families={name: family.queries for name, family in known.items()},
        settings=settings.store,
        limits=settings.limits,
        clock=clock,
        observe=metrics.group,
        redacted=frozenset(name for name, family in known.items() if family.pii == REDACT),
        told=told,
    )

    forwarder = Forwarder(store, settings.lanes, clock=clock, observe=metrics)
    children = settings.work.children or min(os.cpu_count() or 1, MAX_CHILDREN)
    pool = Pool(
        children,
        preload=[*MODULES.values(), *(family.process.partition(":")[0] for family in known.values())],
        clock=clock,
        log_level=settings.log.level,
        log_format=settings.log.format,
        endpoints=await _steps(settings.enrich, folder),
    )
    shelf = Shelf(folder, keep_free_bytes=settings.store.min_free_mb * MIB)
    stack.callback(shelf.close)
    loader = Loader(pool, shelf, settings.work)
    progress = Progress()

    def settled(made: int) -> None:
        if made:
            forwarder.wake()
            chores.wake()

    runner = Runner(
        store,
        pool,
        known,
        settings.work,
        settled=settled,
        moved=progress.changed,
        observe=metrics.settled,
        ring=lambda job_id: bell.ring(job_id),
        loader=loader,
        ahead=children + 1,  # one waits, so that no child does while a chunk is settled
    )
    bell = Bell(
        folder / BELL,
        work=runner.work,
        due=runner.due,
        workers=settings.work.workers,
        sweep_seconds=settings.work.sweep_seconds,
    )

    backlog = Backlog(store, settings.limits.backlog_records)

    async def look(family: str, upload: Upload) -> Sheet:
        table = known[family].table
        if table is None:
            raise IngestError("internal", f"`{family}` takes no files.")
        return await loader.look(table, upload)

    staged = frozenset(name for name, family in known.items() if family.staging is not None)
    files = Files(shelf, look, staged)

    def changed(job_id: int) -> None:  # by a family: what was undone is to go upstream at once
        progress.changed(job_id)
        forwarder.wake()

    private = frozenset(name for name, family in known.items() if family.private)
    await series.name_private(store, private)
    new_ids = {name: family.new_id for name, family in known.items()}
    compute = Computing(pool, settings.work).compute
    chores = Chores(ChoreRoom(store, settings, compute), known)
    box = StoreBox(
        store,
        bell.ring,
        backlog,
        metrics.received,
        files,
        changed,
        private,
        new_ids,
        compute,
        Fetcher(settings.outbound).get,
    )
    keys, users = StoredKeys(store), StoredUsers(store)
    gate = Gate(store, clock, settings.console)
    hasher = Hasher()
    stack.callback(hasher.close)
    guard = Guard(
        secret=signing,
        static=settings.auth.api_keys,
        keys=keys,
        clock=clock,
        leeway_seconds=settings.auth.leeway_seconds,
        issuers=settings.issuers,
        users=users,
    )

    def rewritten(job_id: int) -> None:  # by an erasure: whoever worked on it may have lost it
        progress.changed(job_id)
        bell.ring(job_id)

    def reworded() -> None:
        forwarder.reread()
        forwarder.wake()

    def taken_to_its_end(job_id: int) -> None:  # by housekeeping: what was removed is to go upstream
        bell.ring(job_id)
        forwarder.wake()

    walk = Walk(store, shelf, known, Hooks(changed=rewritten, reworded=reworded))
    erasing = Erasing(store, walk, clock)
    watch = tidy.ClockWatch(clock)
    housekeeping = Housekeeping(
        store,
        known,
        watch=watch,
        being_filled=box.being_filled,
        ring=taken_to_its_end,
        noted=(keys, users, gate),
        idempotency_hours=settings.store.idempotency_hours,
        retention=Retention(store, settings.store),
        shelf=shelf,
        file_days=settings.store.file_days,
        idle_minutes=settings.console.idle_minutes,
        erasing=erasing,
        telling=Telling(store, known, forwarder.wake),
    )
    stack.push_async_callback(housekeeping.close)

    issuers = guard.issuer_states
    health = BoxHealth(store, bell, pool, forwarder, settings, lambda: integrity.damage, issuers)
    webhook = webhook_of(settings.alarms, clock)
    if webhook is not None:
        stack.push_async_callback(webhook.close)
    troubles = [family.conditions for family in known.values() if family.conditions is not None]
    backups = Backups(store, shelf, settings.backup, clock, keep_free_bytes=settings.store.min_free_mb * MIB)
    conditions = BoxConditions(
        store, health, forwarder, issuers, settings.sync.gap_minutes, troubles, backups.conditions
    )
    alarms = Alarms(store, conditions.look, webhook, seconds=settings.alarms.check_seconds, clock=clock)
    observed = scrape.Parts(
        store=store,
        lanes=forwarder.states,
        issuers=issuers,
        alarms=lambda: alarms.raised,
        server=lambda: server,
        pool=pool,
        bell=bell,
        families=[family.gauges for family in known.values() if family.gauges is not None],
    )

    async def snapshot(workspace: str | None) -> status.Status:
        live = status.Live(
            url=server.url,
            queue_depth=bell.depth,
            worker_restarts=bell.worker_restarts,
            children=pool.alive,
            child_restarts=pool.restarts,
            uptime_seconds=round(clock.monotonic() - built_at, 1),
            issuers=[status.IssuerStatus(each.name, each.ok, each.detail) for each in issuers()],
        )
        return await status.snapshot(store, workspace, live, alarms.raised)

    async def render(accept: str) -> tuple[bytes, str]:
        return metrics.render(accept, await scrape.gather(observed))

    async def examine(quick: bool) -> Report:
        running = doctor.Running(alarms.raised, issuers(), watch.steady, pool.servers.states(), chores.states)
        return await doctor.examine(store, settings, running, quick=quick)

    parts = v1.Parts(
        store=store,
        families=known,
        guard=guard,
        derived=Derived(secrets),
        hasher=hasher,
        ring=bell.ring,
        snapshot=snapshot,
        examine=examine,
        progress=progress,
        erase=erasing.carry_out,
        send_again=forwarder.again,
        wake=forwarder.wake,
    )
    login = Login(
        users=users,
        hasher=hasher,
        secrets=secrets,
        clock=clock,
        session_minutes=settings.auth.session_minutes,
        per_minute=settings.rates.login,
    )
    v1_routes = (
        *v1.routes(parts),
        *lanes.Lanes(store, forwarder, settings.lanes).routes(),
        *lanemoves.LaneMoves(store, forwarder).routes(),
        *parked.ParkedLines(store, known, forwarder).routes(),
        *configuration.Configuration(loaded).routes(),
        *backup_routes.Backups(store, backups).routes(),
        *sync.routes(store, known, settings.sync, relayed=forwarder.wake),
    )
    bound = [
        *service_routes(health),
        *login.routes(),
        metrics_route(render, guard),
        *(BoundRoute(route) for route in v1_routes),
        *_family_routes(known),
    ]
    documentation = Documentation(
        bound, limits=settings.limits, rates=settings.rates, prefix=settings.server.prefix
    )
    routes = (*bound, *documentation.routes)
    policies = Policies(Buckets(clock), settings.server, settings.rates, backlog.admit)
    binding = Binding(
        guard=guard,
        box=box,
        limits=settings.limits,
        rates=policies.rates,
        uploads=Uploads(shelf),
        settings=settings,
    )
    api = binding.endpoints(routes)
    pages = console.routes(
        console.Parts(
            store=store,
            families=known,
            clock=clock,
            login=login,
            inside=Inside(api),
            pages=Pages(each for family in known.values() for each in family.shown),
            gate=gate,
            guard=guard,
            hasher=hasher,
        )
    )
    door = Door(Table([*api, *binding.endpoints(pages)]), clock, policies, metrics.request)
    server = HttpServer(door, settings.server, install_signals, settings.limits, folder)
    return Parts(
        store=store,
        guard=guard,
        forwarder=forwarder,
        pool=pool,
        runner=runner,
        bell=bell,
        housekeeping=housekeeping,
        chores=chores,
        alarms=alarms,
        backups=backups,
        health=health,
        progress=progress,
        door=door,
        server=server,
        hasher=hasher,
        routes=routes,
        pages=pages,
        documentation=documentation,
    )


async def _steps(settings: Enrich, folder: Path) -> tuple[Endpoint, ...]:
    """The servers of the analysis, and the file that vectors of words are looked up in; it is read once, for
    half a minute perhaps. Raises StartupError."""
    found = endpoints(settings)
    source = settings.embeddings.model_path
    if not source:
        return found
    try:
        compiled = await asyncio.to_thread(prepared, Path(source), folder)
    except (NoVectorsError, OSError) as error:
        raise StartupError(f"[enrich.embeddings] model_path: {error}") from None
    return (*found, looked_up(compiled))


def _family_routes(known: Mapping[str, Family]) -> list[BoundRoute]:
    return [
        BoundRoute(
            route,
            error_body=family.error_body,
            error_type=family.error_type,
            tag=family.name,
            reworded=family.reworded,
        )
        for family in known.values()
        for route in family.routes
    ]
