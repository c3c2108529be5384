"""One lane: reads what is pending, sends it batch by batch, and keeps its place.

The next batches are read and compressed while one is on its way, and the place is committed while the next
is being sent. A kill in between sends a batch twice; the upstream takes it once.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Sequence

from ingestbox import config
from ingestbox.clock import Clock
from ingestbox.errors import IngestError
from ingestbox.forward.backoff import Backoff
from ingestbox.forward.batch import LaneBatch
from ingestbox.forward.bell import Bell
from ingestbox.forward.gaps import Gaps
from ingestbox.forward.pieces import Pieces
from ingestbox.forward.progress import Progress
from ingestbox.forward.rate import Rate
from ingestbox.forward.refusals import Refusals
from ingestbox.forward.schedule import LOOK_SECONDS, Schedule
from ingestbox.forward.sink import Decision, Delivered, Parcel, Pause, Refused, Retry, Sink, TooLarge
from ingestbox.forward.sizing import Sizing
from ingestbox.forward.source import Source
from ingestbox.forward.splitting import By
from ingestbox.forward.standing import Standing
from ingestbox.forward.state import LaneState, Observe, Outcome
from ingestbox.store import Store
from ingestbox.store.lanes import Parked

log = logging.getLogger(__name__)

NOW = 0.0
"""A monotonic time that is always past: the next turn follows at once."""

TOO_LARGE = "payload_too_large"
"""The code of a line that the upstream does not take for its size."""


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
        """Raises StartupError for a schedule that lets nothing leave."""
        self._lane = lane
        self._sink = sink
        self._clock = clock
        self._backoff = backoff
        self._observe = observe
        self._schedule = Schedule(lane, clock)
        self._rate = Rate(lane.rate_lines, lane.rate_kb)
        self._standing = Standing(store, clock, lane.name, url)
        self._progress = Progress(store, lane.name, clock, observe)
        self._gaps = Gaps(lane.name)
        self._sizing = Sizing(lane)
        self._refusals = Refusals(lane.refusals)
        self._source = Source(
            store,
            lane,
            sink,
            clock,
            self._progress,
            self._gaps,
            self._sizing,
            company=self._schedule.waits_for_company,
        )
        self._pieces = Pieces(lane.name, self._source, self._sizing, self._refusals)
        self._bell = Bell(clock)
        self._on_hold = False
        self._stale = False  # what was read is not what is stored any more
        self._moved = False  # the lane's row is another

    @property
    def state(self) -> LaneState:
        """How the lane is."""
        return self._standing.state

    def wake(self) -> None:
        """There may be something to send."""
        self._bell.ring()

    def again(self) -> None:
        """A person wants refused lines sent again."""
        self._source.again()
        self._bell.ring()

    def reread(self) -> None:
        """What is to be sent is another now; what is on its way already is not called back."""
        self._stale = True

    def moved(self) -> None:
        """The lane is somewhere else now: what it read, and what it was filling, counts no more."""
        self._moved = self._stale = True
        self._bell.ring()

    def hold(self) -> None:
        """A person wants nothing sent until `release`; a batch on its way arrives."""
        self._on_hold = True
        self._bell.hurry()

    def release(self) -> None:
        """Ends a hold; a lane that waits for something else tries now."""
        self._on_hold = False
        self._bell.hurry()

    def ask_to_stop(self) -> None:
        """Lets the batch on its way finish; no other is begun."""
        self._bell.stop()

    async def run(self) -> None:
        """Sends until asked to stop."""
        try:
            while not self._bell.stopped:
                try:
                    due = await self._turn()
                except Exception as error:  # noqa: BLE001 - a lane whose task ends would lose its upstream silently
                    due = await self._broken(error)
                await self._bell.rest(due)
        finally:
            await self._source.drop()
            with contextlib.suppress(Exception):  # what is not committed is sent again
                await self._progress.committed()

    async def _turn(self) -> float | None:
        """Sends one batch. Returns the monotonic time of the next turn; None for when the bell rings."""
        self._bell.answer()
        if self._on_hold:
            await self._idle()
            await self._standing.held()
            return None
        if self._standing.on_hold:
            await self._works()
        if (opens_ms := self._schedule.closed_until()) is not None:
            return await self._outside_window(opens_ms)
        await self._standing.in_window()
        if self._rate.due > self._clock.monotonic():
            return self._rate.due
        parcel = await self._next()
        if parcel is None:
            return self._schedule.next_run() if await self._committed() else NOW
        if isinstance(parcel, float):
            return parcel if await self._committed() else NOW
        batch = parcel.batch
        if not batch.seqs:
            return await self._left_out(batch)
        if not self._pieces.left:
            self._source.follow(batch)
        decision = await self._sink.send(parcel)
        self._rate.spend(self._clock.monotonic(), len(batch.seqs), parcel.size)
        self._observe.sent(self._lane.name, _outcome(decision, batch))
        return await self._answered(batch, decision)

    async def _outside_window(self, opens_ms: int) -> float:
        await self._idle()
        await self._standing.outside_window(opens_ms)
        left = max(0.0, (opens_ms - self._clock.now_ms()) / 1000)
        return self._clock.monotonic() + min(left, LOOK_SECONDS)

    async def _idle(self) -> None:
        """Lets go of what was read ahead; goes past deliveries that are not the lane's."""
        await self._source.drop()
        await self._committed()
        await self._forget_stale()
        while not self._bell.stopped and (batch := await self._source.passed_over()) is not None:
            await self._progress.decided(batch, (), taken=False)
            await self._committed()

    async def _next(self) -> Parcel | float | None:
        while True:
            await self._forget_stale()
            parcel = await self._pieces.next()
            if not self._stale:
                return parcel

    async def _forget_stale(self) -> None:
        if not self._stale:
            return
        moved, self._stale, self._moved = self._moved, False, False
        self._pieces.forget()
        await self._source.drop()
        if moved:
            self._gaps.forget()
            if await self._committed():
                self._begin_anew()

    # What came of it.

    async def _answered(self, batch: LaneBatch, decision: Decision) -> float:
        match decision:
            case Delivered():
                return await self._delivered(batch, decision)
            case Refused(code, message):
                return await self._refused(batch, code, message, "lines")
            case TooLarge(reason):
                size = len(batch.lines[0])
                said = f"The upstream takes no line of {size} bytes ({reason})."
                return await self._refused(batch, TOO_LARGE, said, "bytes")
            case _:
                await self._source.drop()
                await self._committed()
                return await self._held(decision)

    async def _delivered(self, batch: LaneBatch, decision: Delivered) -> float:
        probed = self._refusals.probing
        if (reason := self._counted(batch, decision.rejected)) is not None:
            return await self._refuses_all(batch, reason)
        if not await self._keep(batch, decision.rejected, taken=True):
            return NOW
        self._sizing.passed(batch.size)
        if probed and not self._refusals.probing:
            self._pieces.forget()  # the lane goes on at full size
        if self._persists(batch, decision):
            await self._source.drop()
            await self._committed()
            return await self._held(Pause("gap_persists"))
        self._backoff.reset()
        await self._works()
        return NOW

    def _persists(self, batch: LaneBatch, decision: Delivered) -> bool:
        """Turns to what the upstream misses. True when that was sent already, and did not help.

        What it misses it says of every batch: those between, and refused lines sent again, need not be heard.
        """
        if self._pieces.left or batch.way == "again":
            return False
        return self._gaps.reported(batch, decision.missing, self._progress.known)

    async def _refused(self, batch: LaneBatch, code: str, message: str, by: By) -> float:
        """The upstream does not take the batch: it goes as halves, or is parked if it is one line."""
        await self._source.drop()
        if not batch.open:
            return await self._left_out(batch)
        if len(batch.seqs) > 1:
            self._pieces.split(batch, by, code)
            self._backoff.reset()
            return NOW
        refused = (Parked(batch.first, code, message),)
        told = by == "bytes" and self._sizing.explains(batch.size)
        if not told and (reason := self._counted(batch, refused)) is not None:
            return await self._refuses_all(batch, reason)
        if await self._keep(batch, refused, taken=False):
            self._backoff.reset()
            await self._works()
        return NOW

    def _counted(self, batch: LaneBatch, refused: Sequence[Parked]) -> str | None:
        """The reason to pause for, if an answer fills the row of refusals. Lines that a person wanted sent
        again are parked already: refused once more they say nothing new, taken they do."""
        if batch.way == "again" and len(refused) == len(batch.open):
            return None
        return self._refusals.answered(len(batch.open), refused)

    async def _refuses_all(self, batch: LaneBatch, reason: str) -> float:
        """Pauses without parking any more; the batch stays the next one."""
        await self._source.drop()
        await self._committed()
        return await self._held(Pause(reason))

    async def _left_out(self, batch: LaneBatch) -> float:
        """Goes past a batch that holds nothing for the upstream, or nothing that it would take."""
        await self._keep(batch, (), taken=False)
        return NOW

    async def _keep(self, batch: LaneBatch, refused: Sequence[Parked], *, taken: bool) -> bool:
        """Keeps what became of a batch or a piece. False when the lane was moved: it goes on from there."""
        if not await self._progress.decided(batch, refused, taken=taken):
            await self._source.drop()
            self._begin_anew()
            return False
        if batch.way == "again" and batch.last > self._progress.known.cursor:
            await self._source.drop()  # the lane was sent back: what was read ahead leaves these out
        self._standing.parked(batch.damaged, refused)
        self._pieces.decided(batch, refused, taken=taken)
        if batch.way == "gap" and not taken and not self._pieces.left:
            self._gaps.forget()
        return True

    async def _held(self, decision: Retry | Pause) -> float:
        """Records why nothing was delivered; returns when to try again."""
        if isinstance(decision, Retry):
            if decision.at_once:
                return NOW
            pause = self._backoff.next(decision.after)
            return await self._standing.fails("retrying", decision.reason, pause, self._backoff.failures)
        self._backoff.reset()
        return await self._standing.fails(
            "paused", decision.reason, self._lane.probe_seconds, 0, decision.words
        )

    async def _broken(self, error: Exception) -> float:
        """The store, or this program, failed: start over from what is committed."""
        await self._source.drop()
        with contextlib.suppress(Exception):
            await self._progress.committed()
        self._begin_anew()
        self._source.again()
        reason = f"store: {error.code}" if isinstance(error, IngestError) else "internal"
        if reason == "internal":
            log.error("A lane failed.", extra={"lane": self._lane.name}, exc_info=error)
        return await self._held(Retry(reason))

    async def _committed(self) -> bool:
        """Waits for the last commit. False when it found the lane moved; raises what the store raised."""
        if await self._progress.committed():
            return True
        await self._source.drop()
        self._begin_anew()
        return False

    def _begin_anew(self) -> None:
        """The lane goes on from its row alone."""
        self._progress.forget()
        self._pieces.forget()

    async def _works(self) -> None:
        if await self._standing.works():
            self._source.fresh.outage()


def _outcome(decision: Decision, batch: LaneBatch) -> Outcome:
    match decision:
        case Delivered():
            return "delivered"
        case Retry():
            return "retried"
        case Refused() | TooLarge() if len(batch.seqs) > 1:
            return "split"
        case _:
            return "refused"
