"""What a lane sends next: a gap, refused lines that a person wants sent again, fresh lines, the next ones."""

from __future__ import annotations

import asyncio

from msgspec.structs import replace

from ingestbox import config
from ingestbox.clock import Clock
from ingestbox.forward import batch as batches
from ingestbox.forward.ahead import ReadAhead
from ingestbox.forward.batch import LaneBatch
from ingestbox.forward.fresh import BEHIND, Fresh
from ingestbox.forward.gaps import Gaps
from ingestbox.forward.progress import Progress
from ingestbox.forward.sink import Parcel, Sink
from ingestbox.forward.sizing import Sizing
from ingestbox.store import Store, lanes
from ingestbox.store import parked as refused
from ingestbox.store.lanes import MarkFresh, Page, Position

LOOKS = 8
"""How often lines that wait for company are looked at meanwhile: there may be enough of them."""


class Source:
    """Reads one lane's batches and packs them. Nothing that it holds is lost by dropping it."""

    def __init__(
        self,
        store: Store,
        lane: config.Lane,
        sink: Sink,
        clock: Clock,
        progress: Progress,
        gaps: Gaps,
        sizing: Sizing,
        *,
        company: bool,
    ) -> None:
        """`company` is whether a batch that is not full waits `batch_seconds` for more."""
        self._store = store
        self._lane = lane
        self._sink = sink
        self._clock = clock
        self._progress = progress
        self._gaps = gaps
        self._sizing = sizing
        self._wait = lane.batch_seconds if company else 0.0
        self._waits_since: float | None = None
        self._ahead = ReadAhead(self._pending, sink.pack)
        self._again = True  # refused lines may wait to be sent again
        self._their_turn = True  # they take turns with the others
        self._others_from: int | None = None  # from here on the lane's own begins
        self.fresh = Fresh(lane.fresh_share)

    def again(self) -> None:
        """A person wants refused lines sent again."""
        self._again = True

    def follow(self, batch: LaneBatch) -> None:
        """Makes the next batches ready while this one is on its way."""
        if batch.way == "next":
            self._ahead.follow(batch, self._progress.known)

    async def drop(self) -> None:
        """Forgets what was read ahead."""
        await self._ahead.drop()

    async def next(self) -> Parcel | float | None:
        """What to send; a monotonic time to look again at; None when there is nothing.

        A batch without lines is one of deliveries that are not the lane's. Raises what the store raises.
        """
        place = await self._progress.place()
        if self._gaps.gap is not None:
            return await self._packed(await self._from_gap(place))
        if self._their_turn and (found := await self._refused(place)) is not None:
            self._their_turn = False
            return await self._packed(found)
        self._their_turn = True
        if (ready := await self._from_ends(place)) is not None:
            return ready
        found = await self._refused(place)
        return None if found is None else await self._packed(found)

    async def pack(self, batch: LaneBatch) -> Parcel:
        """The batch, made ready in a thread; one without lines as it is."""
        return await self._packed(batch)

    async def passed_over(self) -> LaneBatch | None:
        """Deliveries that come next and are not the lane's, while it may not send; None if there are none."""
        place = await self._progress.place()
        if self._others_from == place.cursor:
            return None
        page = await lanes.pending(
            self._store,
            self._lane.name,
            place.cursor,
            lines=1,
            size=1,
            until=_until(place),
            everything=place.everything,
        )
        if page is None:
            return None
        if page.seqs:
            self._others_from = place.cursor
            return None
        return self._made(place, page)

    async def _packed(self, batch: LaneBatch) -> Parcel:
        return await asyncio.to_thread(self._sink.pack, batch) if batch.seqs else Parcel(batch, 0)

    async def _from_ends(self, place: Position) -> Parcel | float | None:
        """The next lines, or of those that came in last."""
        if place.fresh_first is None and self.fresh.wanted:
            place = await self._worked_from_both_ends(place)
        if place.fresh_first is not None and self.fresh.due:
            found = await self._fresh(place)
            if found is not None:
                self.fresh.sent(fresh=bool(found.seqs))
                return await self._packed(found)
        if (parcel := await self._ahead.next()) is not None:
            if place.fresh_first is not None:
                self.fresh.sent(fresh=False)
            return parcel
        batch = await self._pending(place)
        if batch is None:
            return None
        full = batch.more or len(batch.seqs) >= self._lane.batch_lines
        if batch.seqs and not full and place.fresh_first is None:
            now = self._clock.monotonic()
            if self._waits_since is None:
                self._waits_since = now
            if now < self._waits_since + self._wait:
                return min(self._waits_since + self._wait, now + max(self._wait / LOOKS, 0.05))
        if batch.seqs:
            self._waits_since = None
            if place.fresh_first is not None:
                self.fresh.sent(fresh=False)
        return await self._packed(batch)

    async def _worked_from_both_ends(self, place: Position) -> Position:
        """Marks the fresh end, if the lane is far enough behind."""
        self.fresh.wanted = False
        behind = BEHIND * self._lane.batch_lines
        if (
            await self._progress.committed()
            and await self._store.write(MarkFresh(self._lane.name, behind)) is None
        ):
            return place
        await self._ahead.drop()  # it may reach into the fresh end
        self._progress.forget()
        return await self._progress.place()

    async def _fresh(self, place: Position) -> LaneBatch | None:
        """The next lines of the fresh end: those of the epoch in which it began.

        Upstreams order epochs by their first appearance: no line of a new one may go before the end of an old
        one. Where nothing is the lane's it does not go on, for the chain to name what was sent.
        """
        assert place.fresh_last is not None  # it was asked before
        page = await lanes.pending(
            self._store,
            self._lane.name,
            place.fresh_last,
            lines=self._lane.batch_lines,
            size=self._sizing.size,
            everything=place.everything,
        )
        if page is None or page.epoch != place.fresh_epoch:
            return None
        after = self._progress.fresh_after(page.epoch)
        batch = batches.make(self._store.identity, self._lane.name, after, page, place)
        return replace(batch, way="fresh", through=batch.last)

    async def _pending(self, place: Position) -> LaneBatch | None:
        page = await lanes.pending(
            self._store,
            self._lane.name,
            place.cursor,
            lines=self._lane.batch_lines,
            size=self._sizing.size,
            until=_until(place),
            everything=place.everything,
        )
        if page is None:
            if place.fresh_first is None or place.cursor >= place.fresh_first - 1:
                return None
            page = Page("", (), (), frozenset(), frozenset(), more=True, through=place.fresh_first - 1)
        return self._made(place, page)

    def _made(self, place: Position, page: Page) -> LaneBatch:
        return batches.make(self._store.identity, self._lane.name, place.chain(page.epoch), page, place)

    async def _refused(self, place: Position) -> LaneBatch | None:
        """Refused lines that wait to be sent again; those of one decision may take several batches."""
        if not self._again:
            return None
        self._again = False  # before it is looked: what is decided from now on is another look's
        found = await refused.again(
            self._store, self._lane.name, lines=self._lane.batch_lines, size=self._sizing.size
        )
        if found is None:
            return None
        self._again = True
        page, decided_ms = found
        return batches.again(self._store.identity, self._lane.name, page, place, decided_ms)

    async def _from_gap(self, place: Position) -> LaneBatch:
        """The first batch that fills a gap; the last one says where it ends, whatever is still stored."""
        gap, epoch = self._gaps.gap, self._gaps.epoch
        assert gap is not None  # it was asked before
        page = await lanes.again(
            self._store,
            self._lane.name,
            epoch,
            gap.after,
            gap.first,
            lines=self._lane.batch_lines,
            size=self._sizing.size,
        )
        page = page or Page(epoch, (), (), frozenset(), frozenset(), more=False)
        batch = batches.make(self._store.identity, self._lane.name, gap.after, page, place)
        self._gaps.filling()
        if not page.more:
            batch = batches.closing(batch, gap.first - 1)
        return replace(batch, way="gap")


def _until(place: Position) -> int | None:
    """The last seq that is not of the fresh end."""
    return None if place.fresh_first is None else place.fresh_first - 1
