"""What a box can alarm about, looked at part by part; each is a condition with a name of its own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from ingestbox.config import MIB
from ingestbox.errors import IngestError
from ingestbox.family import Trouble
from ingestbox.forward import LaneState
from ingestbox.ops import boxes
from ingestbox.ops.health import BoxHealth, IssuerState
from ingestbox.store import ReadTx, Store
from ingestbox.store.cap import PAGE_BYTES
from ingestbox.store.health import size

READ_SECONDS = 2.0
"""How long a look waits for the store to say how large it is."""

_NAMES = {
    "store": "store_unwritable",
    "space": "store_full",
    "integrity": "store_damaged",
    "workers": "workers_dead",
    "disk": "disk_low",
}
"""Checks of the box's health that alarm, and what their alarms are called."""

_URGENT = frozenset({"store", "space", "integrity"})
"""Those that alarm at once: records are refused, or what is stored is not what it was."""


class Condition(msgspec.Struct, frozen=True):
    """One thing that may be wrong. `urgent` ones alarm at once, others only if they stay.

    `detail` is a sentence for the operator, good or bad, without a secret.
    """

    name: str
    ok: bool
    detail: str
    urgent: bool = False


class Lanes(Protocol):
    """Who knows how the lanes are."""

    def states(self) -> list[LaneState]:
        """Each configured lane."""


class BoxConditions:
    """Looks at the parts of a running box."""

    def __init__(
        self,
        store: Store,
        health: BoxHealth,
        lanes: Lanes,
        issuers: Callable[[], Sequence[IssuerState]],
        gap_minutes: int,
        families: Sequence[Callable[[ReadTx, int], Sequence[Trouble]]] = (),
        backups: Callable[[], Sequence[Condition]] = tuple,
    ) -> None:
        """`families` are the `Family.conditions` of those that have some; `backups` says how those do."""
        self._store = store
        self._health = health
        self._lanes = lanes
        self._issuers = issuers
        self._gap_minutes = gap_minutes
        self._families = families
        self._backups = backups
        self._senders: list[Condition] = []
        self._troubles: list[Condition] = []

    async def look(self) -> list[Condition]:
        """All conditions, good and bad; takes a few seconds at most."""
        found = [
            Condition(_NAMES[check.name], check.ok, check.detail, urgent=check.name in _URGENT)
            for check in await self._health.checks()
            if check.name in _NAMES
        ]
        found += [_lane(state) for state in self._lanes.states()]
        found += [
            Condition(f"issuer_down:{issuer.name}", issuer.ok, issuer.detail or "its keys can be had")
            for issuer in self._issuers()
        ]
        if self._store.cap.pages:
            found.append(await self._size())
        found += self._backups()
        return found + await self._boxes() + await self._of_families()

    async def _boxes(self) -> list[Condition]:
        """What is wrong with the boxes that send here, or was when the store could be read last."""
        with contextlib.suppress(IngestError, TimeoutError):
            async with asyncio.timeout(READ_SECONDS):
                self._senders = [
                    Condition(each.name, each.ok, each.detail, urgent=each.name.startswith("seq_reused"))
                    for each in await boxes.troubles(self._store, self._gap_minutes)
                ]
        return self._senders

    async def _of_families(self) -> list[Condition]:
        """What is wrong with what families keep, or was when the store could be read last."""
        with contextlib.suppress(IngestError, TimeoutError):
            async with asyncio.timeout(READ_SECONDS):
                now_ms = self._store.clock.now_ms()
                found = [
                    Condition(each.name, False, each.detail)
                    for look in self._families
                    for each in await self._asked(look, now_ms)
                ]
            self._troubles = found
        return self._troubles

    async def _asked(
        self, look: Callable[[ReadTx, int], Sequence[Trouble]], now_ms: int
    ) -> Sequence[Trouble]:
        return await self._store.read_with(lambda tx: look(tx, now_ms))

    async def _size(self) -> Condition:
        try:
            async with asyncio.timeout(READ_SECONDS):
                used = (await self._store.read_with(size)).used
        except (IngestError, TimeoutError):
            # Not known; a store that does not answer has a condition of its own.
            return Condition("store_large", True, "its size cannot be read")
        cap = self._store.cap
        told = f"{used // MIB} MB of {cap.pages * PAGE_BYTES // MIB} MB are used"
        if cap.tight:
            told += "; no new records are taken (507), while resolving and forwarding go on"
        else:
            told += f"; from {cap.mark_bytes // MIB} MB on no new records are taken (507)"
        return Condition("store_large", used < cap.soft_bytes, told)


def _lane(state: LaneState) -> Condition:
    detail = f"{state.reason} from {state.url}; nothing is dropped" if state.refused else state.state
    return Condition(f"lane_paused:{state.name}", not state.refused, detail)
