"""The doctor: checks of a box, each with what to do about it (`ingestbox doctor`, `GET /v1/doctor`)."""

from __future__ import annotations

import shutil
import stat
from pathlib import Path

import msgspec

from ingestbox.config import Settings
from ingestbox.store import Store, lanes
from ingestbox.store.engine import has_wal_reset_bug, sqlite3, version


class Finding(msgspec.Struct, frozen=True):
    """One check: `ok`, what was seen, and the remedy if it is not."""

    check: str
    ok: bool
    message: str
    remedy: str = ""


class SqliteReport(msgspec.Struct, frozen=True):
    """Which SQLite runs: `pysqlite3` is the one the box brings, `system` the one of this Python."""

    version: str
    source: str


class Report(msgspec.Struct, frozen=True):
    """All checks; `ok` when each one is."""

    ok: bool
    sqlite: SqliteReport
    findings: list[Finding]


async def examine(store: Store, settings: Settings) -> Report:
    """Runs every check. The integrity check reads the whole store: minutes for many gigabytes."""
    findings = [
        _sqlite(),
        Finding("lock", True, f"the data folder {store.path.parent} is held by this process"),
        _permissions(store.path.parent),
        _disk(store.path.parent, settings),
        await _integrity(store),
        *await _invariants(store),
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
        )
        remedy = "" if balance.holds else "Keep a copy of the data folder and report this."
        findings.append(Finding("invariant", balance.holds, sums, remedy))
    return findings
