"""Batches: consecutive deliveries of one lane and one epoch, as lines."""

from __future__ import annotations

import msgspec

from ingestbox.store.identity import BoxIdentity
from ingestbox.store.lanes import Page, Parked

DAMAGED = "damaged"


class LaneBatch(msgspec.Struct, frozen=True):
    """What a lane sends in one go.

    `after` is the last seq that the lane sent before it in this epoch (Ingestbox-After). `lines` are NDJSON
    lines without their newlines, one for each seq; a delivery that cannot be sent has a line with
    `op:"skip"`. `open` are the seqs of lines that carry a delivery, `damaged` those found broken just now.
    `more` is whether a cap ended the batch, so that the next one can be made already.
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
        return f"{self.box}-{self.epoch}-{self.lane}-{self.first}-{self.last}"

    @property
    def undecided(self) -> int:
        """How many of its deliveries were not parked before."""
        return len(self.open) + len(self.damaged)


def make(
    identity: BoxIdentity,
    lane: str,
    after: int,
    page: Page,
    *,
    epoch: str,
    end: int | None = None,
) -> LaneBatch:
    """A batch of the stored lines of a page, which may be none when `end` is given.

    `end` is a seq that the batch must reach: it is added as a skip when it is not among the lines, so that
    the upstream's chain passes over what is not stored any more.
    """
    seqs: list[int] = []
    lines: list[bytes] = []
    sound: list[int] = []
    damaged: list[Parked] = []
    for each in page.lines:
        seqs.append(each.seq)
        if each.line is not None and not each.parked:
            sound.append(each.seq)
            lines.append(each.line)
            continue
        lines.append(_skip(identity.box, epoch, each.seq))
        if not each.parked:
            damaged.append(Parked(each.seq, DAMAGED, "The stored bytes do not match their checksum."))
    if end is not None and (not seqs or seqs[-1] < end):
        seqs.append(end)
        lines.append(_skip(identity.box, epoch, end))
    return LaneBatch(
        box=identity.box,
        epoch=epoch,
        lane=lane,
        after=after,
        seqs=tuple(seqs),
        lines=tuple(lines),
        open=frozenset(sound),
        damaged=tuple(damaged),
        more=page.full,
    )


def _skip(box: str, epoch: str, seq: int) -> bytes:
    return msgspec.json.encode({"box": box, "epoch": epoch, "seq": seq, "op": "skip"})
