"""Reading ahead: during a drain the next batches are read and packed while one is on its way."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import replace

from ingestbox.forward.batch import LaneBatch
from ingestbox.forward.sink import Parcel
from ingestbox.store.lanes import Position

DEPTH = 2
"""Batches made ahead: one is being read while the other is being packed, in a thread each."""


class ReadAhead:
    """Parcels in order after a batch. Only full ones: one that is not may have filled up by its turn."""

    def __init__(
        self,
        read: Callable[[Position], Awaitable[LaneBatch | None]],
        pack: Callable[[LaneBatch], Parcel],
    ) -> None:
        """`read` gives the batch that follows a place; `pack` is called in a thread."""
        self._read = read
        self._pack = pack
        self._reads: deque[asyncio.Task[LaneBatch | None]] = deque()
        self._packs: deque[asyncio.Task[Parcel | None]] = deque()

    def follow(self, batch: LaneBatch, place: Position) -> None:
        """Starts reading what comes after a batch that was read from a place, unless that is under way or
        nothing is pending."""
        while batch.more and len(self._packs) < DEPTH:
            before = self._reads[-1] if self._reads else batch
            reading = asyncio.create_task(self._read_after(before, place), name="lane-read-ahead")
            self._reads.append(reading)
            self._packs.append(asyncio.create_task(self._packed(reading), name="lane-pack-ahead"))

    async def next(self) -> Parcel | None:
        """The next parcel; None when there is none made ahead. Raises what reading raised."""
        if not self._packs:
            return None
        self._reads.popleft()
        parcel = await self._packs.popleft()
        if parcel is None:
            await self.drop()
        return parcel

    async def drop(self) -> None:
        """Forgets what was made ahead: the lane does not go on from there."""
        tasks = [*self._reads, *self._packs]
        self._reads.clear()
        self._packs.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _read_after(
        self, before: asyncio.Task[LaneBatch | None] | LaneBatch, place: Position
    ) -> LaneBatch | None:
        batch = before if isinstance(before, LaneBatch) else await asyncio.shield(before)
        if batch is None or not batch.more:
            return None
        following = await self._read(
            replace(place, cursor=batch.through, chain_epoch=batch.epoch, chain_seq=batch.last)
        )
        return following if following is not None and following.seqs and following.more else None

    async def _packed(self, reading: asyncio.Task[LaneBatch | None]) -> Parcel | None:
        batch = await asyncio.shield(reading)
        return None if batch is None else await asyncio.to_thread(self._pack, batch)
