"""The doctor: checks of a box, each with what to do about it (`ingestbox doctor`, `GET /v1/doctor`)."""

from __future__ import annotations

import resource
import shutil
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ingestbox.clock import iso
from ingestbox.config import MIB, Settings
from ingestbox.errors import IngestError
from ingestbox.ops import boxes
from ingestbox.ops.health import IssuerState
from ingestbox.pipeline.servers import ServerState
from ingestbox.store import Store, alarms, lanes, retention, tallies
from ingestbox.store.alarms import Raised
from ingestbox.store.engine import has_wal_reset_bug, sqlite3, version
from ingestbox.store.health import newest_ms
from ingestbox.store.nearest import FALLBACK, learn
from ingestbox.web.v1.reports import Finding, Report, SqliteReport

MADE_MS = 1_767_225_600_000
"""The beginning of 2026: no clock that is right shows an earlier time to this program."""

AHEAD_MS = 3_600_000
"""How far the store's newest time may lie ahead of the clock: an hour, for clocks that are put right."""

SPARE_DESCRIPTORS = 64
"""What the box opens besides connections: the store, its readers, children and their pipes, lanes."""


@dataclass(frozen=True, slots=True)
class Running:
    """What only a running box knows: its alarms and issuers, whether its clock goes steadily, how the servers
    of the analysis do, and what says how far the families' chores are."""

    raised: Sequence[Raised]
    issuers: Sequence[IssuerState]
    steady: bool
    servers: Sequence[ServerState] = ()
    chores: Sequence[tuple[str, Callable[[Any], str]]] = ()


async def examine(store: Store, settings: Settings, running: Running | None = None) -> Report:
    """Runs every check. The integrity check reads the whole store: minutes for many gigabytes."""
    findings = [
        _sqlite(),
        Finding("lock", True, f"the data folder {store.path.parent} is held by this process"),
        _box(store),
        _permissions(store.path.parent),
        _disk(store.path.parent, settings),
        _descriptors(settings),
        await _clock(store, running),
        *await _alarms(store, running),
        *(_issuer(issuer) for issuer in (running.issuers if running else ())),
        *(_server(server) for server in (running.servers if running else ())),
        _nearness(),
        *[await _chore(store, *each) for each in (running.chores if running else ())],
        await _integrity(store),
        await _tallies(store),
        *await _invariants(store),
        await _retention(store, settings),
        *await boxes.finding(store),
    ]
    return Report(all(finding.ok for finding in findings), _sqlite_report(), findings)


def cannot_open(reason: str) -> Report:
    """The report on a store that does not open; `reason` is the sentence of the StartupError."""
    return Report(False, _sqlite_report(), [_sqlite(), Finding("store", False, reason)])


def _sqlite_report() -> SqliteReport:
    return SqliteReport(version(), "pysqlite3" if sqlite3.__name__.startswith("pysqlite3") else "system")


def _sqlite() -> Finding:
    if has_wal_reset_bug(version()):
        return Finding(
            "sqlite",
            False,
            f"SQLite {version()} has the WAL-reset bug, which can damage a store",
            "Install pysqlite3 0.6.1 or later beside ingestbox, or use the released binary.",
        )
    return Finding("sqlite", True, f"SQLite {version()}")


def _box(store: Store) -> Finding:
    identity = store.identity
    since = "" if identity.since_ms is None else f" since {iso(identity.since_ms)}"
    return Finding("box", True, f"it is {identity.box}, in the epoch {identity.epoch}{since}")


def _permissions(folder: Path) -> Finding:
    open_to_others = [
        path.name
        for path in (folder, folder / "secret", folder / "ingestbox.db", folder / "bell.db")
        if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077
    ]
    if open_to_others:
        return Finding(
            "permissions",
            False,
            f"other users of this machine can reach {', '.join(open_to_others)} in {folder}",
            f"chmod go-rwx {folder} {folder}/*",
        )
    return Finding("permissions", True, "folder, secret and store are the owner's alone")


def _disk(folder: Path, settings: Settings) -> Finding:
    free = shutil.disk_usage(folder).free // 1_048_576
    least = settings.store.min_free_mb
    if free < least:
        return Finding("disk", False, f"{free} MB free, {least} MB wanted", "Free disk space.")
    return Finding("disk", True, f"{free} MB free")


def _descriptors(settings: Settings) -> Finding:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)  # a start raises the soft limit as far as it goes
    if most == resource.RLIM_INFINITY:
        return Finding("descriptors", True, "this process may open any number of files")
    wanted = settings.limits.connections + SPARE_DESCRIPTORS
    seen = f"this process may open {most} files; {settings.limits.connections} connections take {wanted}"
    if most >= wanted:
        return Finding("descriptors", True, seen)
    remedy = (
        f"Raise the limit to {wanted} or more (ulimit -n, LimitNOFILE= of the service), "
        "or lower limits.connections."
    )
    return Finding("descriptors", False, seen, remedy)


async def _clock(store: Store, running: Running | None) -> Finding:
    now = store.clock.now_ms()
    remedy = "Set the clock (timedatectl; NTP), then look again."
    if now < MADE_MS:
        return Finding("clock", False, f"it shows {iso(now)}, before this program was made", remedy)
    try:
        newest = await newest_ms(store)
    except IngestError as error:
        return Finding("clock", False, f"the store's times cannot be read: {error.detail}", error.remedy)
    if newest > now + AHEAD_MS:
        return Finding(
            "clock",
            False,
            f"it shows {iso(now)}, but the store was written to at {iso(newest)}",
            f"{remedy} If it is right now, it was ahead before: the next job that is processed ends this.",
        )
    if running is not None and not running.steady:
        return Finding(
            "clock", False, "it jumped by more than a day; nothing is purged for a day after that", remedy
        )
    return Finding("clock", True, f"it shows {iso(now)}")


_REMEDIES = {
    "store_unwritable": "See the log; free disk space, and look at the disk.",
    "store_damaged": "Stop the box, keep a copy of the data folder, and restore a backup.",
    "store_full": "Raise store.max_mb, or make room: let lanes deliver, lower store.delivered_days.",
    "store_large": "Let lanes deliver what is pending, lower store.delivered_days, or raise store.max_mb.",
    "workers_dead": "See the log for why; memory may be short. The box keeps trying.",
    "disk_low": "Free disk space.",
    "lane_paused": "ingestbox lanes says what is wrong there and what to do; the lane is probed by itself.",
    **boxes.REMEDIES,
    "backup_failed": "Do what it says: room, permissions, or the disk of [backup] folder. It is tried again "
    "by itself; to try now: ingestbox backup.",
    "backup_overdue": "Look at the disk of [backup] folder, which may hang, and at the log; to take one now: "
    "ingestbox backup.",
    "issuer_down": "Look at the issuer's address and at the network; tokens with known keys are still taken.",
}


async def _alarms(store: Store, running: Running | None) -> list[Finding]:
    """A finding for each alarm that is raised."""
    try:
        raised = running.raised if running is not None else (await alarms.load(store))[0]
    except IngestError as error:
        return [Finding("alarms", False, f"they cannot be read: {error.detail}", error.remedy)]
    if not raised:
        return [Finding("alarms", True, "none is raised")]
    return [
        Finding(
            "alarms",
            False,
            f"{each.name} since {iso(each.since_ms)}: {each.detail}",
            _REMEDIES.get(each.name.partition(":")[0], "Do what it says; the log may say more."),
        )
        for each in raised
    ]


def _issuer(issuer: IssuerState) -> Finding:
    remedy = "" if issuer.ok else _REMEDIES["issuer_down"]
    return Finding("issuers", issuer.ok, f"{issuer.name}: {issuer.detail or 'its keys can be had'}", remedy)


def _server(server: ServerState) -> Finding:
    told = f"{server.step}: its server has done {server.answered} texts, the box {server.left} in its place"
    if server.failing is None:
        return Finding("enrich", True, told)
    remedy = f"Look at the server, and at [enrich.{server.step}]. Meanwhile the box does the step itself."
    return Finding("enrich", False, f"{told}; it fails: {server.failing}", remedy)


def _nearness() -> Finding:
    connection = sqlite3.connect(":memory:")
    try:
        found = learn(connection)
    finally:
        connection.close()
    if found == FALLBACK:
        return Finding("vectors", True, "compared without sqlite-vec, which does not load; that is slower")
    return Finding("vectors", True, f"compared by sqlite-vec {found}")


async def _chore(store: Store, name: str, state: Callable[[Any], str]) -> Finding:
    try:
        said = await store.read_with(state)
    except IngestError as error:
        return Finding(name, False, f"it cannot be read: {error.detail}", error.remedy)
    return Finding(name, True, said or "there is nothing to do")


async def _tallies(store: Store) -> Finding:
    """Whether the numbers of `status` are those of the tables."""
    try:
        wrong = await tallies.differences(store)
    except sqlite3.DatabaseError as error:
        wrong = [str(error)]
    if wrong:
        return Finding(
            "tallies", False, "; ".join(wrong[:5]), "Keep a copy of the data folder and report this."
        )
    return Finding("tallies", True, "the counts are those of the tables")


async def _integrity(store: Store) -> Finding:
    wrong = await store.quick_check()
    if wrong:
        return Finding(
            "integrity",
            False,
            "; ".join(wrong[:5]),
            "Stop the box, keep a copy of the data folder, and restore a backup.",
        )
    return Finding("integrity", True, "SQLite's quick check found nothing")


async def _invariants(store: Store) -> list[Finding]:
    findings = []
    for balance in await lanes.balances(store):
        sums = (
            f"lane {balance.lane}: enqueued {balance.enqueued} = delivered {balance.delivered}"
            f" + pending {balance.pending} + parked {balance.parked}"
            f" + discarded {balance.discarded}"
        )
        remedy = "" if balance.holds else "Keep a copy of the data folder and report this."
        findings.append(Finding("invariant", balance.holds, sums, remedy))
    return findings


async def _retention(store: Store, settings: Settings) -> Finding:
    """What is kept of what was delivered, and whether something forgotten keeps it all."""
    kept = await store.read_with(retention.kept)
    days = settings.store.delivered_days
    told = f"lines are kept for {days} days after every lane has them" if days else "all lines are kept"
    if kept.oldest_ms is not None:
        told += f"; the oldest is {kept.oldest_seq}, of {iso(kept.oldest_ms)}"
    if kept.purged_ms is not None:
        mb = kept.purged_bytes / MIB
        told += f"; {kept.purged_lines} were removed ({mb:.1f} MB), the last at {iso(kept.purged_ms)}"
    if kept.held_by is None or not days:
        return Finding("retention", True, told)
    return Finding(
        "retention",
        False,
        f"{told}; lane {kept.held_by} is off and has not delivered: what it lacks is kept for it",
        f"Set the lane up again, or give it up: ingestbox lanes remove {kept.held_by}",
    )
