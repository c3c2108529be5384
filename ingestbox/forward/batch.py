"""Batches: deliveries of one lane and one epoch, in order, as lines."""

from __future__ import annotations

from typing import Literal

import msgspec

from ingestbox.store.identity import BoxIdentity
from ingestbox.store.lanes import Page, Parked, Position

DAMAGED = "damaged"

Way = Literal["next", "fresh", "gap", "again"]
"""How a batch came to be sent: in its turn, ahead of it, to fill a gap, or because a person wanted that."""


class LaneBatch(msgspec.Struct, frozen=True):
    """What a lane sends in one go.

    `after` is the last seq that the upstream took before it in this epoch (Ingestbox-After). `lines` are
    NDJSON lines without their newlines, one for each seq; a delivery that cannot be sent has a line with
    `op:"skip"`. `open` are the seqs of lines that carry a delivery, `damaged` those found broken just now.
    `more` is whether a cap ended the batch, so that the next one can be made already. `again_ms` is when a
    person wanted refused lines sent again, `replay` how often the lane was set back: what was answered
    before is no answer to that. `through` is as far as the lane has looked with it; `size` are the bytes of
    what it decides.
    """

    box: str
    epoch: str
    lane: str
    after: int
    seqs: tuple[int, ...]
    lines: tuple[bytes, ...]
    open: frozenset[int]
    damaged: tuple[Parked, ...]
    more: bool
    again_ms: int | None = None
    replay: int = 0
    through: int = 0
    size: int = 0
    way: Way = "next"

    @property
    def first(self) -> int:
        """The first seq."""
        return self.seqs[0]

    @property
    def last(self) -> int:
        """The last seq."""
        return self.seqs[-1]

    @property
    def key(self) -> str:
        """The Idempotency-Key."""
        key = f"{self.box}-{self.epoch}-{self.lane}-{self.first}-{self.last}"
        if self.replay:
            key = f"{key}-r{self.replay}"
        return key if self.again_ms is None else f"{key}-{self.again_ms}"

    @property
    def undecided(self) -> int:
        """How many of its deliveries were not parked before."""
        return len(self.open) + len(self.damaged)


def make(identity: BoxIdentity, lane: str, after: int, page: Page, place: Position) -> LaneBatch:
    """A batch of a page; what is parked or damaged is in it as a skip."""
    lines, parked = page.lines, page.parked
    size = sum(map(len, lines))
    damaged = page.damaged - parked
    unsent = parked | damaged
    if unsent:
        size -= sum(len(line) for seq, line in zip(page.seqs, lines, strict=True) if seq in parked)
        lines = tuple(
            _skip(identity.box, page.epoch, seq) if seq in unsent else line
            for seq, line in zip(page.seqs, lines, strict=True)
        )
    return LaneBatch(
        box=identity.box,
        epoch=page.epoch,
        lane=lane,
        after=after,
        seqs=page.seqs,
        lines=lines,
        open=frozenset(page.seqs) - unsent,
        damaged=tuple(
            Parked(seq, DAMAGED, "The stored bytes do not match their checksum.") for seq in sorted(damaged)
        ),
        more=page.more,
        replay=place.replays if page.seqs and page.seqs[0] <= place.replay_until else 0,
        through=page.through,
        size=size,
    )


def again(identity: BoxIdentity, lane: str, page: Page, place: Position, decided_ms: int) -> LaneBatch:
    """A batch of refused lines that are sent again: it follows its own first line, and so opens no gap."""
    batch = make(identity, lane, page.seqs[0] - 1, page, place)
    return msgspec.structs.replace(batch, again_ms=decided_ms, replay=0, way="again")


def closing(batch: LaneBatch, end: int) -> LaneBatch:
    """The batch that ends a gap: it reaches `end`, with a skip for it if that is not stored any more."""
    if batch.seqs and batch.last == end:
        return batch
    return msgspec.structs.replace(
        batch, seqs=(*batch.seqs, end), lines=(*batch.lines, _skip(batch.box, batch.epoch, end))
    )


def _skip(box: str, epoch: str, seq: int) -> bytes:
    return msgspec.json.encode({"box": box, "epoch": epoch, "seq": seq, "op": "skip"})
