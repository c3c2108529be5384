"""What a box can alarm about, looked at part by part; each is a condition with a name of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from ingestbox.config import MIB, Settings
from ingestbox.errors import IngestError
from ingestbox.forward import LaneState
from ingestbox.ops.health import BoxHealth, IssuerState
from ingestbox.store import Store
from ingestbox.store.health import size

SOFT_MARK = 0.8
"""The share of `store.max_mb` from which the box warns (contract: forwarding, Limits)."""

READ_SECONDS = 2.0
"""How long a look waits for the store to say how large it is."""

_NAMES = {
    "store": "store_unwritable",
    "integrity": "store_damaged",
    "workers": "workers_dead",
    "disk": "disk_low",
}
"""Checks of the box's health that alarm, and what their alarms are called."""


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
        settings: Settings,
    ) -> None:
        self._store = store
        self._health = health
        self._lanes = lanes
        self._issuers = issuers
        self._max_bytes = settings.store.max_mb * MIB

    async def look(self) -> list[Condition]:
        """All conditions, good and bad; takes a few seconds at most."""
        found = [
            Condition(_NAMES[check.name], check.ok, check.detail, urgent=check.name in ("store", "integrity"))
            for check in await self._health.checks()
            if check.name in _NAMES
        ]
        found += [_lane(state) for state in self._lanes.states()]
        found += [
            Condition(f"issuer_down:{issuer.name}", issuer.ok, issuer.detail or "its keys can be had")
            for issuer in self._issuers()
        ]
        if self._max_bytes:
            found.append(await self._size())
        return found

    async def _size(self) -> Condition:
        try:
            async with asyncio.timeout(READ_SECONDS):
                used = (await self._store.read_with(size)).used
        except (IngestError, TimeoutError):
            # Not known; a store that does not answer has a condition of its own.
            return Condition("store_large", True, "its size cannot be read")
        share = used / self._max_bytes
        detail = f"{used // MIB} MB of {self._max_bytes // MIB} MB are used; past that intake is refused"
        return Condition("store_large", share < SOFT_MARK, detail)


def _lane(state: LaneState) -> Condition:
    detail = f"{state.reason} from {state.url}; nothing is dropped" if state.refused else state.state
    return Condition(f"lane_paused:{state.name}", not state.refused, detail)
