"""A job's records in pieces: read in order, processed several at a time, given back in order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ingestbox.family import CHUNK_BYTES
from ingestbox.model import Item, Job, Outcome, checksum, index_of, records_of
from ingestbox.store import ReadTx, files
from ingestbox.store.files import FileState

Context = Callable[[ReadTx, Job, Sequence[int]], bytes]
"""See `family.Family.context`."""


@dataclass(frozen=True, slots=True)
class Piece:
    """What was read for one chunk: items to process, and outcomes already known (damaged records). With
    nothing pending, `file` is what the job's records come from, if that is a file. `context` is what the
    family tells of them."""

    items: list[Item]
    damaged: list[Outcome]
    next_index: int
    last: bool
    read_at: float  # monotonic seconds
    file: FileState | None = None
    job_id: int = 0
    public_id: str = ""
    context: bytes = b""


@dataclass(frozen=True, slots=True)
class _Begun:
    piece: Piece
    processing: asyncio.Task[list[Outcome]]


class Ahead:
    """The pieces of one job that are read and not settled, oldest first, all of them being processed.

    `most` at a time; none follows the job's last one. `drop` them before the job is left.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._begun: deque[_Begun] = deque()

    def has_room(self, *, one: bool) -> bool:
        """Whether another piece is to be begun; with `one`, only if there is none."""
        if not self._begun:
            return True
        return not (one or len(self._begun) >= self._most or self._begun[-1].piece.last)

    @property
    def empty(self) -> bool:
        """Whether there are none."""
        return not self._begun

    def next_index(self, cursor: int) -> int:
        """Where the next piece begins, the settled ones ending at `cursor`."""
        return self._begun[-1].piece.next_index if self._begun else cursor

    def begin(self, piece: Piece, processing: asyncio.Task[list[Outcome]]) -> None:
        """Adds a piece that is being processed."""
        self._begun.append(_Begun(piece, processing))

    def take(self) -> tuple[Piece, asyncio.Task[list[Outcome]]]:
        """The oldest piece, which is the caller's from now on."""
        begun = self._begun.popleft()
        return begun.piece, begun.processing

    def indices(self) -> dict[str, int]:
        """The index of the last record with each key, of those that are not settled."""
        return {item.key: item.index for begun in self._begun for item in begun.piece.items}

    async def drop(self) -> None:
        """Forgets what was begun: it will be read again, if it is still the caller's."""
        given_up = [begun.processing for begun in self._begun]
        self._begun.clear()
        for processing in given_up:
            processing.cancel()
        await asyncio.gather(*given_up, return_exceptions=True)


def read_piece(
    tx: ReadTx,
    job: Job,
    cursor: int,
    most: int,
    now: float,
    context: Context | None = None,
    most_bytes: int = CHUNK_BYTES,
) -> Piece:
    """Up to `most` pending records from the cursor on, each checked against its checksum; with more than
    `most_bytes` of payload only if it is one."""
    items: list[Item] = []
    damaged: list[Outcome] = []
    size = 0
    next_index = cursor
    rows = tx.each("records.pending", {**records_of(job.id, cursor), "limit": most})
    for rid, key, payload, crc in rows:  # key and payload as bytes, whatever became of them
        if items and size + len(payload) > most_bytes:
            break
        index = index_of(rid)
        next_index = index + 1
        if checksum(key, payload) == crc:
            items.append(Item(index, key.decode(), payload))
            size += len(payload)
        else:
            damaged.append(_damaged(index))
    taken = len(items) + len(damaged)
    file = None
    if taken == 0:
        file = files.state_of(tx, job.id)
        next_index = job.total
    last = taken == 0 or next_index >= job.total
    told = context(tx, job, [item.index for item in items]) if context and items else b""
    return Piece(items, damaged, next_index, last, now, file, job.id, job.public_id, told)


def _damaged(index: int) -> Outcome:
    return Outcome(
        index,
        fault_code="damaged",
        fault_message="The stored record does not match its checksum; it was not processed.",
    )


def set_aside(items: Sequence[Item], reason: str) -> list[Outcome]:
    """Outcomes of records that cannot be processed, for this reason (a sentence without its end)."""
    sentence = f"{reason}; it was set aside."
    return [Outcome(item.index, fault_code="processing_failed", fault_message=sentence) for item in items]
