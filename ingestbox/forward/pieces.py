"""What leaves: the next batch whole, or the pieces of one that does not go whole."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from ingestbox.forward.batch import LaneBatch
from ingestbox.forward.refusals import Refusals
from ingestbox.forward.sink import Parcel
from ingestbox.forward.sizing import Sizing
from ingestbox.forward.source import Source
from ingestbox.forward.splitting import By, Splitting
from ingestbox.store.lanes import Parked

log = logging.getLogger(__name__)


class Pieces:
    """Between a lane and its source: a batch that is too large, or was refused, is sent piece by piece before
    anything else is."""

    def __init__(self, lane: str, source: Source, sizing: Sizing, refusals: Refusals) -> None:
        self._lane = lane
        self._source = source
        self._sizing = sizing
        self._refusals = refusals
        self._splitting: Splitting | None = None

    @property
    def left(self) -> bool:
        """Whether pieces of a batch are still to be sent."""
        return self._splitting is not None

    def forget(self) -> None:
        """What is left of the batch is read again."""
        self._splitting = None

    async def next(self) -> Parcel | float | None:
        """As `Source.next`. A lane that is probed for whether lines pass again sends one."""
        if self._splitting is not None:
            return await self._piece(self._splitting)
        parcel = await self._source.next()
        if not isinstance(parcel, Parcel) or len(parcel.batch.seqs) < 2:
            return parcel
        batch = parcel.batch
        fits = self._sizing.fits(batch.size, parcel.size) or len(batch.open) < 2
        if fits and not self._refusals.probing:
            return parcel
        self._splitting = Splitting(batch)
        if not fits:
            self._splitting.split("bytes")
        return await self._piece(self._splitting)

    def split(self, batch: LaneBatch, by: By, code: str) -> None:
        """The upstream did not take the batch, or the piece, that was sent last."""
        if by == "bytes" and len(batch.open) > 1:
            self._sizing.refused(batch.size)
        splitting = self._splitting = self._splitting or Splitting(batch)
        if not splitting.told:
            splitting.told = True
            log.info(
                "The upstream does not take a batch whole; it is sent in pieces.",
                extra={
                    "lane": self._lane,
                    "first": batch.first,
                    "last": batch.last,
                    "lines": len(batch.seqs),
                    "code": code,
                },
            )
        splitting.split(by)

    def decided(self, batch: LaneBatch, refused: Sequence[Parked], *, taken: bool) -> None:
        """The batch, or the piece, that was sent last is done with."""
        splitting = self._splitting
        if splitting is None:
            return
        splitting.decided(taken=taken)
        splitting.parked += len(refused)
        if not splitting.done:
            return
        self._splitting = None
        if splitting.told:
            log.info(
                "A batch that was sent in pieces is through.",
                extra={"lane": self._lane, "last": batch.through, "parked": splitting.parked},
            )

    async def _piece(self, splitting: Splitting) -> Parcel:
        await self._source.drop()
        if self._refusals.probing:
            splitting.first_alone()
        while True:
            parcel = await self._source.pack(splitting.piece())
            batch = parcel.batch
            if len(batch.open) < 2 or self._sizing.fits(batch.size, parcel.size):
                return parcel
            splitting.split("bytes")
