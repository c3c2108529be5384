"""Sending again what a lane delivered: it goes back to a seq, and on from there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingestbox.errors import Fault, IngestError
from ingestbox.store.audit import Act
from ingestbox.store.lanes.counting import PAGE, UNIT_PAGE, Counted, count, count_now, parked_of
from ingestbox.store.lanes.cursor import Position
from ingestbox.store.takes import takes
from ingestbox.store.unit import Tx

if TYPE_CHECKING:
    from ingestbox.store import Store


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay comes to. `wanted` is the seq that was asked for, or that the time led to; `from_seq` is
    the first from there on that is still stored, where the lane goes on. None: nothing of it is the lane's to
    send again, and nothing was changed.

    `lines` are pending again, up to `until`. `purged` deliveries, of whatever lane, are not there any more;
    they stay counted as delivered.
    """

    lane: str
    wanted: int
    from_seq: int | None
    until: int
    lines: int
    purged: int


@dataclass(frozen=True, slots=True)
class Replay:
    """A lane goes back to the seq `wanted`. What it has parked stays so, and goes as a skip.

    `counted` is what it takes from there on up to its cursor, and `ahead` of what went ahead of its turn, as
    far as these were counted in reads before; what it sent since is counted here. `purged` is how many lines
    had left the store before the count: when more have, it counts no more.
    """

    lane: str
    wanted: int
    counted: Counted
    ahead: Counted | None
    act: Act
    purged: int
    dry_run: bool = False
    weight: int = UNIT_PAGE >> 2

    def apply(self, tx: Tx) -> Replayed | None:
        """None if the lane has moved by more than a unit may count, or lines have left the store; nothing is
        changed then. Raises IngestError `validation_failed` for a seq that it has not come to."""
        if tx.all("lanes.purged")[0][0] != self.purged:
            return None
        place = Position(*tx.all("lanes.position", {"name": self.lane})[0])
        if self.wanted > place.cursor + 1:
            raise _beyond(place)
        taken = takes(tx, self.lane)
        before = self.counted if self.counted.until <= place.cursor else start(self.wanted)
        counted = count_now(tx, taken, before, place.cursor)
        if counted is None:
            return None
        parked, parked_size = parked_of(tx, self.lane, taken, self.wanted - 1, counted)
        lines, size = counted.lines - parked, counted.size - parked_size
        if place.fresh_first is not None and place.fresh_last is not None:
            ahead = count_now(tx, taken, self.ahead or start(place.fresh_first), place.fresh_last)
            if ahead is None:
                return None
            parked, parked_size = parked_of(tx, self.lane, taken, place.fresh_first - 1, ahead)
            lines, size = lines + ahead.lines - parked, size + ahead.size - parked_size
        first = tx.one("lanes.made_at", {"after": self.wanted - 1})
        purged = place.cursor - self.wanted + 1 - counted.stored
        if first is None or int(first[2]) > place.cursor or not lines:
            return Replayed(self.lane, self.wanted, None, place.cursor, 0, purged)
        _, epoch, seq = first
        until = max(place.cursor, place.fresh_last or 0)
        done = Replayed(self.lane, self.wanted, seq, until, lines, purged)
        if self.dry_run:
            return done
        row = tx.one(
            "lanes.replay",
            {
                "name": self.lane,
                "cursor": seq - 1,
                "epoch": epoch,
                "chain": _chain(tx, place, seq, epoch),
                "lines": lines,
                "bytes": size,
            },
        )
        assert row is not None  # it was just seen
        told = {"from_seq": str(seq), "until_seq": str(until), "lines": lines, "purged": purged}
        self.act.note(tx, "lane.replay", "lane", self.lane, after=told)
        return done


def start(wanted: int) -> Counted:
    """Where the count of a replay begins."""
    return Counted(0, 0, wanted - 1)


def _chain(tx: Tx, place: Position, seq: int, epoch: str) -> int:
    """Ingestbox-After of what is sent first: what the lane has sent before that in its epoch, or what it may
    have sent."""
    before = tx.one("lanes.epoch_before", {"seq": seq})
    if before is None or before[0] != epoch:
        return 0
    return min(seq - 1, place.chain_seq) if place.chain_epoch == epoch else seq - 1


def _beyond(place: Position) -> IngestError:
    message = f"The lane has not come to it: what it sent ends with {place.cursor}."
    return IngestError(
        "validation_failed", message, faults=[Fault("out_of_range", message, None, "from_seq")]
    )


async def replay(
    store: Store,
    lane: str,
    act: Act,
    *,
    from_seq: int | None = None,
    from_ms: int | None = None,
    dry_run: bool = False,
) -> Replayed:
    """Sends again what a lane sent before, from a seq on, or from the first delivery that was made at or
    after a time (Unix ms). Where the clock was put back, nothing that bears a later time is left out, and
    some that bears an earlier one is sent, too.

    With `dry_run` it only tells what that would come to.

    What is to be counted is counted in reads before. The lane's runner has to be told that it was moved.
    Raises IngestError: `not_found`; `validation_failed` for what lies ahead; or as a write does.
    """
    counted = ahead = None
    wanted = from_seq
    purged = 0
    while True:
        ((gone,),) = await store.read("lanes.purged")
        if gone != purged:
            counted, purged = None, gone
        place = await _place(store, lane)
        if wanted is None:
            assert from_ms is not None  # one of the two is given
            wanted = await _made_since(store, from_ms, place.cursor)
        if wanted > place.cursor + 1:
            raise _beyond(place)
        taken = await store.read_with(lambda tx: takes(tx, lane))
        if counted is None or counted.until > place.cursor:
            counted = start(wanted)
        counted = await count(store, taken, counted, place.cursor)
        if place.fresh_first is None or place.fresh_last is None:
            ahead = None
        else:
            ahead = await count(store, taken, start(place.fresh_first), place.fresh_last)
        done = await store.write(Replay(lane, wanted, counted, ahead, act, purged, dry_run))
        if done is not None:
            return done


async def _place(store: Store, lane: str) -> Position:
    rows = await store.read("lanes.position", {"name": lane})
    if not rows:
        raise IngestError("not_found", f"There is no lane {lane}.")
    return Position(*rows[0])


async def _made_since(store: Store, since_ms: int, cursor: int) -> int:
    """The first seq up to the cursor that was made at or after a time, or the one after the cursor. Read in
    pages, from the first on: times need not go up with the seqs."""
    after = 0
    while True:
        ((first, _),) = await store.read("lanes.ends", {"after": after, "until": cursor})
        if first is None:
            return cursor + 1
        until = min(first - 1 + PAGE, cursor)
        rows = await store.read("lanes.made_since", {"after": after, "until": until, "since": since_ms})
        if rows:
            return int(rows[0][0])
        after = until
