"""One lane: reads what is pending, sends it batch by batch, and keeps its place.

The next batches are read and compressed while one is on its way, and the place is committed while the next
is being sent. A kill in between sends a batch twice; the upstream takes it once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from ingestbox import config
from ingestbox.clock import Clock
from ingestbox.errors import IngestError
from ingestbox.forward import batch as batches
from ingestbox.forward.ahead import ReadAhead
from ingestbox.forward.backoff import Backoff
from ingestbox.forward.batch import LaneBatch
from ingestbox.forward.sink import Delivered, Gap, Parcel, Pause, Refused, Retry, Sink, TooLarge
from ingestbox.forward.state import LaneState, Observe, Outcome
from ingestbox.store import Store, lanes
from ingestbox.store import parked as refused
from ingestbox.store.lanes import ON_HOLD, Advance, MarkLane, Page, ParkAgain, Parked, Position
from ingestbox.store.parked import SentAgain

log = logging.getLogger(__name__)

LINGER_SECONDS = 0.02
"""After an idle time the first batch waits this long for company."""

LOG_SECONDS = 300.0
"""A lane that keeps failing in the same way says so this often."""

NOW = 0.0
"""A monotonic time that is always past: the next turn follows at once."""


_OUTCOMES: dict[type, Outcome] = {
    Delivered: "delivered",
    Retry: "retried",
    Pause: "refused",
    Refused: "refused",
    TooLarge: "refused",
}


class LaneRunner:
    """The task of one lane. It ends when asked to; nothing else ends it."""

    def __init__(
        self,
        store: Store,
        lane: config.Lane,
        url: str,
        sink: Sink,
        clock: Clock,
        backoff: Backoff,
        observe: Observe,
    ) -> None:
        self._store = store
        self._observe = observe
        self._lane = lane
        self._sink = sink
        self._clock = clock
        self._backoff = backoff
        self._every = None if lane.schedule == "immediately" else float(lane.schedule.split()[1])
        self._next_run = clock.monotonic()
        self._bell = asyncio.Event()
        self._stop = asyncio.Event()
        self._position: Position | None = None
        self._ahead = ReadAhead(self._pending, sink.pack)
        self._commit: asyncio.Task[bool] | None = None
        self._gap: Gap | None = None
        self._gap_epoch = ""
        self._filled: tuple[str, int] | None = None
        self._last_logged = -LOG_SECONDS
        self._on_hold = False
        self._at_once = False  # a person wants the next turn now, whatever the lane waits for
        self._stale = False  # what was read ahead is not what is stored any more
        self._again = True  # refused lines may wait to be sent again
        self._their_turn = True  # they take turns with the others
        self.state = LaneState(lane.name, url, "running", None, clock.now_ms(), None)

    def wake(self) -> None:
        """There may be something to send."""
        self._bell.set()

    def again(self) -> None:
        """A person wants refused lines sent again."""
        self._again = True
        self._bell.set()

    def reread(self) -> None:
        """What is to be sent is another now; what is on its way already is not called back."""
        self._stale = True

    def hold(self) -> None:
        """A person wants nothing sent until `release`; a batch on its way arrives."""
        self._on_hold = self._at_once = True
        self._bell.set()

    def release(self) -> None:
        """Ends a hold; a lane that waits for something else tries now."""
        self._on_hold = False
        self._at_once = True
        self._bell.set()

    def ask_to_stop(self) -> None:
        """Lets the batch on its way finish; no other is begun."""
        self._stop.set()
        self._bell.set()

    async def run(self) -> None:
        """Sends until asked to stop."""
        try:
            while not self._stop.is_set():
                try:
                    due = await self._turn()
                except Exception as error:  # noqa: BLE001 - a lane whose task ends would lose its upstream silently
                    due = await self._broken(error)
                await self._rest(due)
        finally:
            await self._ahead.drop()
            with contextlib.suppress(Exception):  # what is not committed is sent again
                await self._committed()

    async def _turn(self) -> float | None:
        """Sends one batch. Returns the monotonic time of the next turn; None for when the bell rings."""
        self._bell.clear()
        self._at_once = False
        if self._on_hold:
            await self._rest_on_hold()
            return None
        if self.state.reason == ON_HOLD:
            await self._recovered()
        parcel = await self._next()
        if parcel is None:
            return self._scheduled() if await self._committed() else NOW
        again = parcel.batch.again_ms is not None
        fresh = self._gap is None and not again
        if fresh:
            self._ahead.follow(parcel.batch)
        decision = await self._sink.send(parcel)
        self._observe.sent(self._lane.name, _OUTCOMES[type(decision)])
        if isinstance(decision, Delivered):
            if again:
                return await self._sent_again(parcel.batch, decision)
            return await self._delivered(parcel, decision, fresh=fresh)
        await self._ahead.drop()
        await self._committed()
        if isinstance(decision, Refused | TooLarge):
            decision = Pause("refused")
        return await self._held(decision)

    async def _rest_on_hold(self) -> None:
        """Lets go of what was read ahead, and says that the lane is on hold."""
        await self._ahead.drop()
        await self._committed()
        if self.state.reason == ON_HOLD:
            return
        log.info("A lane is put on hold.", extra={"lane": self._lane.name})
        now = self._clock.now_ms()
        self.state = replace(self.state, state="paused", reason=ON_HOLD, since_ms=now, next_try_ms=None)
        await self._save_state()

    def _scheduled(self) -> float | None:
        """When a lane that has nothing to send looks again."""
        if self._every is not None:
            now = self._clock.monotonic()
            self._next_run += self._every * (1 + max(0.0, now - self._next_run) // self._every)
            return self._next_run
        return None

    # What to send.

    async def _next(self) -> Parcel | None:
        while True:
            if self._stale:
                self._stale = False
                await self._ahead.drop()
            parcel = await self._read_next()
            if not self._stale:
                return parcel

    async def _read_next(self) -> Parcel | None:
        if self._position is None:
            self._position = await lanes.position(self._store, self._lane.name)
        if self._gap is not None:
            return await self._from_gap(self._gap, self._gap_epoch)
        if self._their_turn and (parcel := await self._refused()) is not None:
            self._their_turn = False
            return parcel
        self._their_turn = True
        if (parcel := await self._ahead.next()) is not None:
            return parcel
        found = await self._pending(self._position)
        return await self._refused() if found is None else await asyncio.to_thread(self._sink.pack, found)

    async def _refused(self) -> Parcel | None:
        """Refused lines that wait to be sent again; those of one decision may take several batches."""
        if not self._again:
            return None
        self._again = False  # before it is looked: what is decided from now on is another look's
        lane = self._lane
        found = await refused.again(self._store, lane.name, lines=lane.batch_lines, size=lane.batch_kb * 1024)
        if found is None:
            return None
        self._again = True
        batch = batches.again(self._store.identity, lane.name, *found)
        return await asyncio.to_thread(self._sink.pack, batch)

    async def _pending(self, place: Position) -> LaneBatch | None:
        lane = self._lane
        page = await lanes.pending(
            self._store, lane.name, place.cursor, lines=lane.batch_lines, size=lane.batch_kb * 1024
        )
        if page is None:
            return None
        return batches.make(self._store.identity, lane.name, place.chain(page.epoch), page)

    async def _from_gap(self, gap: Gap, epoch: str) -> Parcel:
        """The first batch that fills a gap; the last one says where it ends, whatever is still stored."""
        lane = self._lane
        page = await lanes.again(
            self._store,
            lane.name,
            epoch,
            gap.after,
            gap.first,
            lines=lane.batch_lines,
            size=lane.batch_kb * 1024,
        )
        page = page or Page(epoch, (), (), frozenset(), frozenset(), more=False)
        batch = batches.make(self._store.identity, lane.name, gap.after, page)
        if not page.more:
            batch = batches.closing(batch, gap.first - 1)
        self._filled = (epoch, gap.after)
        return await asyncio.to_thread(self._sink.pack, batch)

    # What came of it.

    async def _delivered(self, parcel: Parcel, decision: Delivered, *, fresh: bool) -> float:
        batch = parcel.batch
        parked = (*batch.damaged, *decision.rejected)
        if not await self._committed():
            return NOW  # somebody moved the lane: go on from there
        now = self._clock.now_ms()
        if fresh:
            assert self._position is not None  # the batch was read from it
            unit = Advance(
                self._lane.name,
                batch.epoch,
                self._position.cursor,
                batch.last,
                batch.undecided,
                parked,
                now,
            )
            self._commit = asyncio.create_task(self._store.write(unit), name=f"lane-{self._lane.name}-commit")
            self._position = Position(batch.last, batch.epoch, batch.last)
            self._observe.delivered(self._lane.name, batch.undecided - len(parked), len(parked))
        elif parked:
            await self._store.write(ParkAgain(self._lane.name, parked, now))
        self._log_parked(batch.damaged, decision.rejected)
        if self._turn_to_gap(batch, decision.missing, fresh=fresh):
            await self._ahead.drop()
            await self._committed()
            return await self._held(Pause("gap_persists"))
        self._backoff.reset()
        if self.state.state != "running":
            await self._recovered()
        return NOW

    async def _sent_again(self, batch: LaneBatch, decision: Delivered) -> float:
        """What the upstream took leaves the refused ones. What it misses, it says of the next batch too."""
        parked = (*batch.damaged, *decision.rejected)
        taken = sorted(batch.open - {each.seq for each in parked})
        await self._store.write(SentAgain(self._lane.name, taken, parked, self._clock.now_ms()))
        self._log_parked(batch.damaged, decision.rejected)
        self._backoff.reset()
        if self.state.state != "running":
            await self._recovered()
        return NOW

    def _turn_to_gap(self, batch: LaneBatch, missing: Sequence[Gap], *, fresh: bool) -> bool:
        """Turns to the first gap that the upstream reports. True when filling it did not help.

        Each try must find the gap further on than the last; an upstream that reports the same one again
        would otherwise have the lane send in circles.
        """
        assert self._position is not None  # set by the batch that was just delivered
        beyond = self._position.cursor + 1
        known = [Gap(gap.after, min(gap.first, beyond)) for gap in missing if gap.after + 1 < beyond]
        self._gap = min(known, key=lambda gap: gap.after, default=None)
        self._gap_epoch = batch.epoch
        if self._gap is None:
            if fresh:
                self._filled = None
            return False
        log.info(
            "The upstream misses lines; they are sent again.",
            extra={"lane": self._lane.name, "after": self._gap.after, "first": self._gap.first},
        )
        if self._filled is not None and self._filled[0] == batch.epoch and self._gap.after <= self._filled[1]:
            self._filled = None  # the probe may try once more
            return True
        return False

    async def _held(self, decision: Retry | Pause) -> float:
        """Records why nothing was delivered; returns when to try again."""
        if isinstance(decision, Retry):
            if decision.at_once:
                return NOW
            return await self._mark("retrying", decision.reason, self._backoff.next(decision.after))
        self._backoff.reset()
        return await self._mark("paused", decision.reason, self._lane.probe_seconds)

    async def _broken(self, error: Exception) -> float:
        """The store, or this program, failed: start over from what is committed."""
        await self._ahead.drop()
        with contextlib.suppress(Exception):
            await self._committed()
        self._position = None
        self._again = True
        reason = f"store: {error.code}" if isinstance(error, IngestError) else "internal"
        if reason == "internal":
            log.error("A lane failed.", extra={"lane": self._lane.name}, exc_info=error)
        return await self._held(Retry(reason))

    async def _committed(self) -> bool:
        """Waits for the last commit. False when it found the lane moved; raises what the store raised."""
        commit, self._commit = self._commit, None
        if commit is None or await commit:
            return True
        await self._ahead.drop()
        self._position = None
        return False

    # How the lane is.

    async def _mark(self, state: Literal["retrying", "paused"], reason: str, pause: float) -> float:
        """Makes the state known, and returns the monotonic time at which the pause ends."""
        now = self._clock.now_ms()
        before = self.state
        since = before.since_ms if before.state == state else now
        self.state = replace(
            before, state=state, reason=reason, since_ms=since, next_try_ms=now + int(pause * 1000)
        )
        changed = (before.state, before.reason) != (state, reason)
        tick = self._clock.monotonic()
        if changed or tick - self._last_logged >= LOG_SECONDS:
            self._last_logged = tick
            facts = {
                "lane": self._lane.name,
                "reason": reason,
                "failures": self._backoff.failures or None,
                "next_try_seconds": round(pause, 1),
            }
            if state == "paused":
                log.error("A lane is paused; nothing is dropped. It is probed.", extra=facts)
            else:
                log.warning("A lane cannot deliver; it tries again.", extra=facts)
        await self._save_state()
        return tick + pause

    async def _recovered(self) -> None:
        now = self._clock.now_ms()
        log.info(
            "A lane delivers again.",
            extra={"lane": self._lane.name, "was": self.state.state, "after_ms": now - self.state.since_ms},
        )
        self.state = replace(self.state, state="running", reason=None, since_ms=now, next_try_ms=None)
        await self._save_state()

    async def _save_state(self) -> None:
        state = self.state
        with contextlib.suppress(IngestError):  # the store says itself what is wrong with it
            await self._store.write(
                MarkLane(state.name, state.state, state.reason, state.since_ms, state.next_try_ms)
            )

    def _log_parked(self, damaged: Sequence[Parked], rejected: Sequence[Parked]) -> None:
        for each in damaged:
            log.error(
                "A stored delivery is damaged; it is parked.",
                extra={"lane": self._lane.name, "seq": each.seq},
            )
        if rejected:
            log.warning(
                "The upstream rejected lines; they are parked.",
                extra={
                    "lane": self._lane.name,
                    "lines": len(rejected),
                    "seq": rejected[0].seq,
                    "code": rejected[0].code,
                },
            )

    async def _rest(self, due: float | None) -> None:
        """Waits for bell, clock and stop together. A timed rest looks at the clock at every ring."""
        if due is None:
            await self._bell.wait()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LINGER_SECONDS):
                    await self._stop.wait()
            return
        while not (self._stop.is_set() or self._at_once) and (left := due - self._clock.monotonic()) > 0:
            self._bell.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._bell.wait()
