"""How the box is, now: what `/health` and `/readyz` say (contract: common, Service endpoints)."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Sequence
from typing import Protocol

from ingestbox.config import Settings
from ingestbox.errors import IngestError
from ingestbox.forward import Forwarder
from ingestbox.pipeline.pool import Pool
from ingestbox.store import Store
from ingestbox.store.cap import FULL
from ingestbox.store.health import ProbeWrite
from ingestbox.web.service import Check, Probe
from ingestbox.workqueue import Bell

PROBE_SECONDS = 2.0
"""A write that takes longer than this is as bad as one that fails."""

FRESH_SECONDS = 0.5
"""Probes this close together share one write."""

FATAL: frozenset[Probe] = frozenset({"health", "ready"})
NOT_READY: frozenset[Probe] = frozenset({"ready"})


class IssuerState(Protocol):
    """How an issuer of tokens is: `ok` while its keys can be had."""

    @property
    def name(self) -> str:
        """As configured."""

    @property
    def ok(self) -> bool:
        """False while its keys cannot be had."""

    @property
    def detail(self) -> str:
        """Why not, for the operator."""


class BoxHealth:
    """Looks at the parts of a running box."""

    def __init__(
        self,
        store: Store,
        bell: Bell,
        pool: Pool,
        forwarder: Forwarder,
        settings: Settings,
        integrity: Callable[[], str | None],
        issuers: Callable[[], Sequence[IssuerState]] = lambda: (),
    ) -> None:
        """`integrity()` says what the check after an unclean start found wrong, or None."""
        self._store = store
        self._bell = bell
        self._pool = pool
        self._forwarder = forwarder
        self._settings = settings
        self._integrity = integrity
        self._issuers = issuers
        self._probe: asyncio.Task[str | None] | None = None
        self._probed_at = float("-inf")

    async def checks(self) -> list[Check]:
        """Every check, made now; the store's by writing to it."""
        trouble = await self._store_trouble()
        damage = self._integrity()
        paused = [lane.name for lane in self._forwarder.states() if lane.refused]
        down = [issuer.name for issuer in self._issuers() if not issuer.ok]
        return [
            Check("store", trouble is None, FATAL, trouble or "takes writes"),
            self._space(),
            Check("integrity", damage is None, NOT_READY, damage or "nothing found wrong"),
            self._workers(),
            self._disk(),
            self._backlog(),
            # An upstream's or an issuer's absence is not the box's illness: it goes on taking records.
            Check("lanes", not paused, frozenset(), _named("paused", paused)),
            Check("issuers", not down, frozenset(), _named("not reached", down)),
        ]

    async def _store_trouble(self) -> str | None:
        now = self._store.clock.monotonic()
        if self._probe is None or (self._probe.done() and now - self._probed_at > FRESH_SECONDS):
            self._probed_at = now
            self._probe = asyncio.create_task(self._write())
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                return await asyncio.shield(self._probe)
        except TimeoutError:
            return "a write takes too long"

    async def _write(self) -> str | None:
        try:
            await self._store.write(ProbeWrite(self._store.clock.now_ms()))
        except IngestError as error:
            return error.detail
        # A row fitted, but a batch may not: see the writer's ROOM_BYTES. Its own words may hold a path.
        return "there is too little room to write" if self._store.trouble is not None else None

    def _space(self) -> Check:
        """Below the cap's reserve the box takes no records, and does everything else."""
        tight = self._store.cap.tight
        return Check("space", not tight, FATAL, FULL if tight else "there is room for records")

    def _workers(self) -> Check:
        if not self._bell.healthy:
            return Check("workers", False, NOT_READY, "a worker does not answer")
        if not self._pool.healthy:
            return Check("workers", False, NOT_READY, "the processes for CPU work do not start")
        return Check("workers", True, NOT_READY, "alive")

    def _disk(self) -> Check:
        free = shutil.disk_usage(self._store.path.parent).free // 1_048_576
        least = self._settings.store.min_free_mb
        return Check("disk", free >= least, NOT_READY, f"{free} MB free, {least} MB wanted")

    def _backlog(self) -> Check:
        """Writes that wait for the store; at the most there may be, intake is refused."""
        waiting, most = self._store.waiting, self._settings.limits.waiting_writes
        return Check("backlog", waiting * 2 < most or waiting < 2, frozenset(), f"{waiting} writes wait")


def _named(trouble: str, names: Sequence[str]) -> str:
    return f"{trouble}: {', '.join(names)}" if names else "nothing is wrong"
