"""How far a lane is: its place in memory, which is committed while the next batch is being sent."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from ingestbox.clock import Clock
from ingestbox.forward.batch import LaneBatch
from ingestbox.forward.state import Observe
from ingestbox.store import Store, lanes
from ingestbox.store.lanes import Advance, ParkAgain, Parked, PassOver, Position
from ingestbox.store.parked import MOST_PARKED, park_ahead, sent_again
from ingestbox.store.unit import Unit


class Progress:
    """One lane's place. A kill before a commit has a batch sent twice; the upstream takes it once."""

    def __init__(self, store: Store, lane: str, clock: Clock, observe: Observe) -> None:
        self._store = store
        self._lane = lane
        self._clock = clock
        self._observe = observe
        self._commit: asyncio.Task[bool] | None = None
        self._place: Position | None = None
        self._reload = False
        self._fresh_chain: tuple[str, int] | None = None

    async def place(self) -> Position:
        """Where the lane is. Raises what the store raises."""
        if self._reload:
            await self.committed()
            self.forget()
        if self._place is None:
            self._place = await lanes.position(self._store, self._lane)
        return self._place

    @property
    def known(self) -> Position:
        """The same, once a batch was read from there."""
        assert self._place is not None
        return self._place

    def forget(self) -> None:
        """The lane's row is another: it is read anew."""
        self._place = None
        self._reload = False
        self._fresh_chain = None

    async def committed(self) -> bool:
        """Waits for the last commit. False when it found the lane moved; raises what the store raised."""
        commit, self._commit = self._commit, None
        if commit is None or await commit:
            return True
        self.forget()
        return False

    async def decided(self, batch: LaneBatch, refused: Sequence[Parked], *, taken: bool) -> bool:
        """Keeps what became of a batch: `taken` by the upstream but for what it refused, or passed over.

        False when somebody moved the lane meanwhile: then nothing is kept.
        """
        parked = (*batch.damaged, *refused)
        now = self._clock.now_ms()
        if batch.way == "again":
            sent = sorted(batch.open.difference(each.seq for each in parked)) if taken else []
            await sent_again(self._store, self._lane, sent, parked, now)
            return True
        if not await self.committed():
            return False
        if batch.way == "gap":
            for start in range(0, len(parked), MOST_PARKED):
                await self._store.write(ParkAgain(self._lane, parked[start : start + MOST_PARKED], now))
            return True
        # More than one unit parks goes ahead of the lane's place: cut short, it is left out when sent again.
        left, lines, size = await park_ahead(self._store, self._lane, parked, now)
        unit = self._unit(
            batch, left, now, taken=taken, lines=batch.undecided - lines, size=batch.size - size
        )
        self._commit = asyncio.create_task(self._store.write(unit), name=f"lane-{self._lane}-commit")
        if batch.undecided:
            self._observe.delivered(self._lane, batch.undecided - len(parked), len(parked))
        return True

    def fresh_after(self, epoch: str) -> int:
        """Ingestbox-After of a batch from the fresh end. The first one names the newest of those behind."""
        place = self.known
        assert place.fresh_last is not None  # there is a fresh end
        known_epoch, chain = self._fresh_chain or (place.fresh_epoch, place.fresh_last)
        return chain if epoch == known_epoch else 0

    def _unit(
        self, batch: LaneBatch, parked: Sequence[Parked], now_ms: int, *, taken: bool, lines: int, size: int
    ) -> Unit[bool]:
        """What is written, with `lines` of the batch that are decided by it, and their bytes; the place in
        memory is as if it were already."""
        place = self.known
        sent = taken and bool(batch.seqs)
        if batch.way == "fresh":
            assert place.fresh_last is not None  # it was read from there
            if sent:
                self._fresh_chain = (batch.epoch, batch.last)
            self._place = replace(place, fresh_last=batch.through)
            last = batch.last if batch.seqs else batch.through
            return Advance(
                self._lane,
                batch.epoch,
                place.fresh_last,
                last,
                batch.through,
                lines,
                size,
                parked,
                now_ms,
                fresh=True,
            )
        epoch, last = (batch.epoch, batch.last) if sent else (place.chain_epoch, place.chain_seq)
        moved = replace(place, cursor=batch.through, chain_epoch=epoch, chain_seq=last)
        if place.fresh_first is not None and batch.through >= place.fresh_first - 1:
            self._fresh_chain = None
            self._reload = True  # it goes on behind what went ahead
        self._place = moved
        if not sent and not batch.undecided:
            return PassOver(self._lane, place.cursor, batch.through)
        return Advance(
            self._lane,
            epoch,
            place.cursor,
            last,
            batch.through,
            lines,
            size,
            parked,
            now_ms,
        )
