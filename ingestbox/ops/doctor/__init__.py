"""The doctor: checks of a box, each with what to do about it (`ingestbox doctor`, `GET /v1/doctor`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ingestbox.clock import SystemClock
from ingestbox.config import Settings
from ingestbox.ops import boxes
from ingestbox.ops.doctor import copies, machine, program, secrets, stored, told, upstream
from ingestbox.ops.health import IssuerState
from ingestbox.pipeline.servers import ServerState
from ingestbox.store import Store
from ingestbox.store.alarms import Raised
from ingestbox.web.v1.reports import Finding, Report


@dataclass(frozen=True, slots=True)
class Running:
    """What only a running box knows: its alarms and issuers, whether its clock goes steadily, how the servers
    of the analysis do, and what says how far the families' chores are."""

    raised: Sequence[Raised]
    issuers: Sequence[IssuerState]
    steady: bool
    servers: Sequence[ServerState] = ()
    chores: Sequence[tuple[str, Callable[[Any], str]]] = ()


async def examine(
    store: Store, settings: Settings, running: Running | None = None, *, quick: bool = False
) -> Report:
    """Runs every check. Some read the whole store and all files, in pieces and beside the writer: `quick`
    leaves them out."""
    data = store.path.parent
    findings = [
        program.sqlite(),
        Finding("lock", True, f"the data folder {data} is held by this process"),
        stored.box(store),
        *secrets.permissions(data, settings),
        machine.disk(data, settings),
        program.descriptors(settings),
        await machine.clock(store, steady=running is None or running.steady),
        *await told.raised(store, running.raised if running else None),
        *told.issuers(settings, running.issuers if running else None),
        *(told.server(each) for each in (running.servers if running else ())),
        program.nearness(),
        *[await told.chore(store, *each) for each in (running.chores if running else ())],
        await upstream.trusted(),
        *upstream.certificates(settings, store.clock),
        *await upstream.lanes(store),
        await copies.backups(data, settings, store.identity.box),
        *copies.upgrades(data),
    ]
    if not quick:
        findings += [
            await stored.integrity(store),
            *await stored.payloads(store),
            await stored.files(store),
            await stored.sums(store),
            *await stored.invariants(store),
        ]
    findings += [await stored.kept(store, settings), *await boxes.finding(store)]
    return Report(all(finding.ok for finding in findings), program.sqlite_report(), findings)


async def cannot_open(reason: str, settings: Settings) -> Report:
    """The report on a store that does not open; `reason` is the sentence of the StartupError."""
    data = Path(settings.data)
    backup = copies.newest(data, settings)
    remedy = (
        "If it does not say what to do: go back to the newest backup (ingestbox restore "
        f"{backup if backup is not None else 'FILE'} --data {data} --force), or save all that can be read "
        f"into a new folder (ingestbox salvage --data {data} --to NEW)."
    )
    findings = [
        program.sqlite(),
        Finding("store", False, reason, remedy),
        *secrets.permissions(data, settings),
        machine.disk(data, settings),
        program.descriptors(settings),
        await upstream.trusted(),
        *upstream.certificates(settings, SystemClock()),
        await copies.backups(data, settings, None),
        *copies.upgrades(data),
    ]
    return Report(False, program.sqlite_report(), findings)
