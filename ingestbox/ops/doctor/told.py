"""What the doctor says of what the box knows by itself: alarms, issuers, servers, chores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ingestbox.clock import iso
from ingestbox.config import Settings
from ingestbox.errors import IngestError
from ingestbox.ops import boxes
from ingestbox.ops.health import IssuerState
from ingestbox.pipeline.servers import ServerState
from ingestbox.store import Store, alarms
from ingestbox.store.alarms import Raised
from ingestbox.web.v1.reports import Finding

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


async def raised(store: Store, known: Sequence[Raised] | None) -> list[Finding]:
    """A finding for each alarm that is raised: as a running box knows them, or as it left them (None)."""
    try:
        found = known if known is not None else (await alarms.load(store))[0]
    except IngestError as error:
        return [Finding("alarms", False, f"they cannot be read: {error.detail}", error.remedy)]
    if not found:
        return [Finding("alarms", True, "none is raised")]
    return [
        Finding(
            "alarms",
            False,
            f"{each.name} since {iso(each.since_ms)}: {each.detail}",
            _REMEDIES.get(each.name.partition(":")[0], "Do what it says; the log may say more."),
        )
        for each in found
    ]


def issuers(settings: Settings, known: Sequence[IssuerState] | None) -> list[Finding]:
    """Whether the keys of those whose tokens are taken can be had; without a box (None) nobody asks them."""
    if known is not None:
        return [_issuer(each) for each in known]
    return [
        Finding("issuers", True, f"{each.name}: it is asked while the box runs") for each in settings.issuers
    ]


def _issuer(issuer: IssuerState) -> Finding:
    remedy = "" if issuer.ok else _REMEDIES["issuer_down"]
    return Finding("issuers", issuer.ok, f"{issuer.name}: {issuer.detail or 'its keys can be had'}", remedy)


def server(state: ServerState) -> Finding:
    """Whether a server that takes over a step of the analysis does."""
    told = f"{state.step}: its server has done {state.answered} texts, the box {state.left} in its place"
    if state.failing is None:
        return Finding("enrich", True, told)
    remedy = f"Look at the server, and at [enrich.{state.step}]. Meanwhile the box does the step itself."
    return Finding("enrich", False, f"{told}; it fails: {state.failing}", remedy)


async def chore(store: Store, name: str, state: Callable[[Any], str]) -> Finding:
    """How far a family's work in the background is."""
    try:
        said = await store.read_with(state)
    except IngestError as error:
        return Finding(name, False, f"it cannot be read: {error.detail}", error.remedy)
    return Finding(name, True, said or "there is nothing to do")
