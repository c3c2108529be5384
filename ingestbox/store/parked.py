"""Refused deliveries: seen with the upstream's words, sent again or given up by a person.

Each whose record is here is an open issue of that record, from the transaction that parks the line to the one
in which it is taken after all, or given up. Whatever changes the line changes its issue, and both are changed
here alone.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from ingestbox.store.audit import Act
from ingestbox.store.deliveries import Seen
from ingestbox.store.lanepage import Page, Parked
from ingestbox.store.pages import merged, page
from ingestbox.store.readers import ReadTx
from ingestbox.store.sight import Sight
from ingestbox.store.unit import Tx

if TYPE_CHECKING:
    from ingestbox.store import Store

ParkedState = Literal["parked", "again", "discarded"]
Decided = Literal["again", "discarded"]

NOUN = "delivery"
"""What the audit trail calls one."""

MOST_DECIDED = 250
"""Lines that one unit decides: each with its issue and its line in the trail, some 10 ms."""

MOST_PARKED = 250
"""Lines that one unit parks: each with its issue and all that is counted of it, some 10 ms."""

REFUSED = "delivery_refused"
"""The code of their issues."""

REPLACED = "Replaced by a correction"
"""Why a line is given up whose record was corrected."""

WEIGHT = 6
"""What parking a line weighs: its row, its issue, and what is counted of both."""

MOST_WORDS = 600
"""Characters of an issue's message: the upstream's code and what it said."""

_WAITING: tuple[ParkedState, ...] = ("parked", "again")
"""Those that count as parked."""

_ACTIONS: dict[Decided, str] = {"again": "delivery.retry", "discarded": "delivery.discard"}


@dataclass(frozen=True, slots=True)
class Refused:
    """A line that a lane could not deliver. `code` and `message` are the upstream's at `refused_ms`;
    `decided_by` (at `decided_ms`, for `reason`) is who wants it sent again, or gave it up. `issue` is the
    newest one of it, if its record is here."""

    seq: int
    op: str
    workspace: str
    family: str
    kind: str
    object_id: str
    version: int
    record_id: int
    at_ms: int
    epoch: str
    state: ParkedState
    code: str
    message: str
    refused_ms: int
    decided_by: str | None
    decided_ms: int | None
    reason: str | None
    issue: int | None


def park(tx: Tx, lane: str, parked: Sequence[Parked], now_ms: int) -> int:
    """Parks lines of a lane as a part of another unit, and opens their issues; how many were not parked
    before. Of what another box sent here no record is here, and so no issue."""
    added = []
    for each in parked:
        said = {"lane": lane, "seq": each.seq, "code": each.code, "message": each.message, "now": now_ms}
        if tx.run("parked.park", said):
            added.append({**said, "kind": REFUSED, "said": _words(each)})
    tx.many("parked.open_issue", added)
    return len(added)


@dataclass(frozen=True, slots=True)
class ParkAhead:
    """Parks lines of a batch before the lane goes past it: some of more than one unit takes, at most
    MOST_PARKED. A lane that is cut short between leaves them out of the batch when it sends it once more."""

    lane: str
    parked: Sequence[Parked]
    now_ms: int

    @property
    def weight(self) -> int:
        """The lane's row, and what `park` writes."""
        return 1 + WEIGHT * len(self.parked)

    def apply(self, tx: Tx) -> tuple[int, int]:
        """How many were not parked before, and the bytes of their lines: that much is pending no more."""
        before = tx.one("parked.among", self._span())
        added = park(tx, self.lane, self.parked, self.now_ms)
        after = tx.one("parked.among", self._span())
        assert before is not None and after is not None  # sums are one row
        size = int(after[0]) - int(before[0])
        tx.run("parked.decided", {"lane": self.lane, "size": size})
        return added, size

    def _span(self) -> dict[str, object]:
        return {"lane": self.lane, "seqs": _json([each.seq for each in self.parked])}


async def park_ahead(
    store: Store, lane: str, parked: Sequence[Parked], now_ms: int
) -> tuple[Sequence[Parked], int, int]:
    """Parks as many of a batch's lines as are over what one unit takes; gives the others, and how many lines
    and bytes were parked here."""
    over = max(len(parked) - MOST_PARKED, 0)
    lines = size = 0
    for start in range(0, over, MOST_PARKED):
        added, more = await store.write(
            ParkAhead(lane, parked[start : min(start + MOST_PARKED, over)], now_ms)
        )
        lines, size = lines + added, size + more
    return parked[over:], lines, size


def replace(tx: Tx, record_id: int, act: Act, comment: str | None) -> int:
    """Gives up the refused lines of a record that is corrected, as a part of that: each is a mark under the
    person's name, and its issue is closed. How many there were."""
    refused = tx.all("parked.of_record", {"record_id": record_id})
    for lane, seq in refused:
        said = {"lane": lane, "seqs": _json([seq]), "actor": act.actor, "now": act.now_ms}
        among = '["parked","again"]'
        tx.run("parked.decide", {**said, "state": "discarded", "reason": REPLACED, "among": among})
        tx.run("parked.close_issues", {**said, "resolution": "edit", "reason": comment})
        act.note(tx, _ACTIONS["discarded"], NOUN, seq, after={"lane": lane, "reason": REPLACED})
    return len(refused)


def forget(tx: Tx, lane: str, seqs: Sequence[int], now_ms: int) -> None:
    """Closes the issues of lines that a lane forgets, as a part of another unit."""
    tx.run("parked.forget_issues", {"lane": lane, "seqs": _json(seqs), "now": now_ms})


def _json(seqs: Sequence[int]) -> str:
    return msgspec.json.encode(list(seqs)).decode()


def _words(refused: Parked) -> str:
    return (f"{refused.code}: {refused.message}" if refused.message else refused.code)[:MOST_WORDS]


@dataclass(frozen=True, slots=True)
class DecideParked:
    """A person wants refused lines sent again, or gives them up; at most MOST_DECIDED of them.

    `resolution` is that of the issues of those that are given up; lines in other states than those `among`
    stay as they are.
    """

    lane: str
    seqs: Sequence[int]
    decision: Decided
    act: Act
    reason: str | None = None
    resolution: str = "discard"
    among: frozenset[str] = frozenset({"parked", "again", "discarded"})

    @property
    def weight(self) -> int:
        """Each line's row and index, and what the trail says of it."""
        return 1 + 6 * len(self.seqs)

    def apply(self, tx: Tx) -> int:
        """How many were not decided so before: only of these the trail tells, in their own workspaces."""
        said = {
            "lane": self.lane,
            "seqs": _json(self.seqs),
            "state": self.decision,
            "actor": self.act.actor,
            "now": self.act.now_ms,
            "reason": self.reason,
            "among": msgspec.json.encode(sorted(self.among)).decode(),
        }
        changed = sorted(tx.all("parked.decide", said))
        if not changed:
            return 0
        said["seqs"] = _json([seq for seq, _ in changed])
        if self.decision == "again":
            tx.run("parked.reopen_issues", said)
        else:
            tx.run("parked.close_issues", {**said, "resolution": self.resolution})
        after = {"lane": self.lane, **({"reason": self.reason} if self.reason else {})}
        for seq, workspace in changed:
            act = self.act if workspace is None else self.act.within(workspace)
            act.note(tx, _ACTIONS[self.decision], NOUN, seq, after=after)
        return len(changed)


@dataclass(frozen=True, slots=True)
class SentAgain:
    """What the upstream said of refused lines that it was sent again: it took some, and refused others."""

    lane: str
    taken: Sequence[int]
    refused: Sequence[Parked]
    now_ms: int

    @property
    def weight(self) -> int:
        """The rows, their index, the lane's, their issues, and counting whose lines they are: that is a
        trigger's."""
        return 1 + 7 * len(self.taken) + 4 * len(self.refused)

    def apply(self, tx: Tx) -> None:
        """A line that is taken is counted as delivered, once, and its issue is closed."""
        if self.taken:
            seqs = _json(self.taken)
            # First the lane: what counts the taken ones reads its time.
            tx.run("parked.take", {"lane": self.lane, "seqs": seqs, "now": self.now_ms})
            tx.run("parked.settle_issues", {"lane": self.lane, "seqs": seqs, "now": self.now_ms})
            tx.run("parked.taken", {"lane": self.lane, "seqs": seqs})
        for each in self.refused:
            place = {"lane": self.lane, "seq": each.seq, "code": each.code}
            if tx.run("parked.refuse", {**place, "message": each.message, "now": self.now_ms}):
                tx.run("parked.reword_issue", {**place, "said": _words(each)})


def listed(
    tx: ReadTx, lane: str, sight: Sight, state: ParkedState | None, below: int, limit: int
) -> tuple[list[Refused], int | None]:
    """A page of what is in sight, newest first, under the seq `below`, and the seq to go on under.

    Without a state those that count as parked: given up ones are left out. A page may be short.
    """
    seen = Seen(tx, sight)
    pages = [
        page(tx.each("parked.page", {"lane": lane, "state": each, "below": below}), limit, seen.has)
        for each in ((state,) if state else _WAITING)
    ]
    found = merged(pages, limit)
    return [Refused(*row) for row in found.rows], found.last


def one(tx: ReadTx, lane: str, seq: int, sight: Sight) -> Refused | None:
    """One of them, if it is in sight."""
    row = tx.one("parked.one", {"lane": lane, "seq": seq})
    return Refused(*row) if row is not None and Seen(tx, sight).has(row) else None


async def sent_again(
    store: Store, lane: str, taken: Sequence[int], refused: Sequence[Parked], now_ms: int
) -> None:
    """Keeps what the upstream said of lines that it was sent again, in units that hold nobody up."""
    for start in range(0, max(len(taken), len(refused), 1), MOST_DECIDED):
        end = start + MOST_DECIDED
        await store.write(SentAgain(lane, taken[start:end], refused[start:end], now_ms))


async def again(store: Store, lane: str, *, lines: int, size: int) -> tuple[Page, int] | None:
    """The first lines that wait to be sent again, as far as their seqs follow each other in one epoch, and
    when that was decided last. At most `lines`, and `size` bytes (one line at least)."""

    def read(tx: ReadTx) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = []
        total = 0
        found = tx.each("parked.again", {"lane": lane})
        try:
            for row in found:
                total += len(row[2]) + 1
                follows = not rows or (row[0] == rows[-1][0] + 1 and row[1] == rows[-1][1])
                if not follows or len(rows) == lines or (rows and total > size):
                    break
                rows.append(row)
        finally:
            found.close()
        return rows

    rows = await store.read_with(read)
    if not rows:
        return None
    batch = Page(
        epoch=rows[0][1],
        seqs=tuple([row[0] for row in rows]),
        lines=tuple([row[2] for row in rows]),
        parked=frozenset(),
        damaged=frozenset([row[0] for row in rows if zlib.crc32(row[2]) != row[3]]),
        more=False,
    )
    return batch, max(row[4] for row in rows)
