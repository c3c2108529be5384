"""An upload's records as they lie, piece by piece: all of them, or those of a selection.

Listed are those that are pending or done; one that waits on an issue joins when it is repaired.
"""

from __future__ import annotations

import bisect
import time
import zlib
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol, TypeVar

import msgspec

from ingestbox.errors import IngestError
from ingestbox.family import Box
from ingestbox.model import checksum, index_of, record_id
from ingestbox.store import ReadTx
from ingestbox.store.conditions import Condition

T = TypeVar("T")

PIECE_ROWS = 1_000
PIECE_BYTES = 1_048_576
"""What one read takes at most, one record at least: some 10 ms."""

STRETCH = 200
STRETCH_SECONDS = 0.05
"""Of records that have to pass: how many one statement looks at, and how long one read begins a next one."""

PAGE_READS = 20
READS = 40
"""What one page, and one count, takes at most: one second, and two."""

BEFORE = -1
"""The index after which the first record comes."""


Places = Sequence[int]
"""Records by their index, in order."""

Chosen = Condition | Places | None
"""Which records of an upload: those that pass, or these; None: all."""


class Reading(Protocol):
    """What runs a function over a reader."""

    async def __call__(self, function: Callable[[Any], T]) -> T:
        """What it gives."""


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload, with what its job counts. `id` is its row's, `job_id` its job's; `origin` is the box that it
    came from, empty for this one."""

    id: int
    public_id: str
    name: str
    fields: list[str]
    created_ms: int
    workspace: str
    origin: str
    owner: str
    job_id: int
    total: int
    processed: int
    issues: int
    discarded: int

    @property
    def stored(self) -> int:
        """Records that wait on no issue and were not given up."""
        return self.total - self.issues - self.discarded

    @property
    def known(self) -> int:
        """Records of which there are results."""
        return self.processed - self.issues - self.discarded


def upload_from(row: Sequence[Any]) -> Upload:
    """The upload of a row of `upload`, or of a list of them."""
    public_id, name, fields = row[1:4]
    return Upload(row[0], public_id, name, msgspec.json.decode(fields, type=list[str]), *row[4:])


@dataclass(frozen=True, slots=True)
class Row:
    """A record, by its place in the upload: its bytes as they were sent, and what was found out about it, as
    JSON (None: it is not known).

    Of one that is `damaged` what does not match its checksum is None.
    """

    index: int
    record: bytes | None
    result: bytes | None
    damaged: bool


@dataclass(frozen=True, slots=True)
class Piece:
    """Some records in their order, and the index after which there may be more (None: there are none).

    With a condition it may be short, or empty, and not the last.
    """

    rows: list[Row]
    next: int | None


NOTHING_YET = Piece([], BEFORE)


def rows_of(tx: ReadTx, upload: Upload, after: int, limit: int, chosen: Chosen = None) -> Piece:
    """The records after an index (BEFORE: from the first on): at most `limit`, PIECE_ROWS, and as many as fit
    into PIECE_BYTES. Raises IngestError `not_found` for an upload that was deleted meanwhile."""
    still_there(tx, upload)
    most = min(limit, PIECE_ROWS)
    if isinstance(chosen, Condition):
        return _passing(tx, upload, after, most, chosen)
    if chosen is not None:
        return _among(tx, upload, after, most, chosen)
    query, span, made = _where(upload, after)
    return _taken_of(tx.each(query, {**span, "limit": most + 1}), most, made)


def _taken_of(found: Generator[tuple[Any, ...], None, None], most: int, made: Callable[..., Row]) -> Piece:
    """As many of the rows as there may be; what is left of them comes after the last."""
    rows: list[Row] = []
    size = 0
    try:
        for each in found:
            if len(rows) == most or (rows and size > PIECE_BYTES):
                return Piece(rows, rows[-1].index)
            rows.append(made(*each))
            size += len(each[2]) + len(each[4] or b"")
    finally:
        found.close()
    return Piece(rows, None)


def _passing(tx: ReadTx, upload: Upload, after: int, most: int, condition: Condition) -> Piece:
    """Those that pass. Where they are few the piece ends with the time."""
    rows: list[Row] = []
    size = 0
    ends = time.perf_counter() + STRETCH_SECONDS
    query, _, made = _where(upload, after)
    for span, last in _stretches(tx, upload, after):
        params = {**span, "limit": most + 1 - len(rows)}
        piece = _taken_of(tx.narrowed(f"{query}_passing", params, condition), most - len(rows), made)
        rows += piece.rows
        size += sum(len(row.record or b"") + len(row.result or b"") for row in piece.rows)
        if piece.next is not None:
            return Piece(rows, piece.next)
        if last is not None and (len(rows) == most or size > PIECE_BYTES or time.perf_counter() > ends):
            return Piece(rows, last)
    return Piece(rows, None)


def count_passing(tx: ReadTx, upload: Upload, after: int, condition: Condition) -> tuple[int, int | None]:
    """How many pass of those after an index, up to the one that comes with them (None: to the end)."""
    still_there(tx, upload)
    count = 0
    ends = time.perf_counter() + STRETCH_SECONDS
    query, _, _ = _where(upload, after)
    for span, last in _stretches(tx, upload, after):
        ((found,),) = tx.narrowed(f"{query}_count", span, condition)
        count += found
        if last is not None and time.perf_counter() > ends:
            return count, last
    return count, None


def count_among(tx: ReadTx, upload: Upload, places: Places) -> int:
    """How many of these records are still there."""
    still_there(tx, upload)
    query, _, _ = _where(upload, BEFORE)
    given = {"upload": upload.id, "given": _given(upload, places)}
    ((count,),) = tx.all(f"{query}_there", given)
    return int(count)


def _given(upload: Upload, places: Places) -> str:
    base = 0 if upload.origin else record_id(upload.job_id, 0)
    return msgspec.json.encode([base + place for place in places]).decode()


def _stretches(tx: ReadTx, upload: Upload, after: int) -> Iterator[tuple[Mapping[str, int], int | None]]:
    """Spans of STRETCH records after an index, each with the index that it ends at (None: the last one)."""
    end = upload.total - 1
    if upload.origin:
        ((end,),) = tx.all("audience.last_from", {"upload": upload.id})
    base = 0 if upload.origin else record_id(upload.job_id, 0)
    while True:
        upto = min(after + STRETCH, end)
        whose = {"upload": upload.id} if upload.origin else {}
        yield {**whose, "after": base + after, "upto": base + upto}, upto if upto < end else None
        if upto >= end:
            return
        after = upto


def _among(tx: ReadTx, upload: Upload, after: int, most: int, places: Places) -> Piece:
    """Those of them that are there still."""
    start = bisect.bisect_right(places, after)
    some = list(places[start : start + most])
    if not some:
        return Piece([], None)
    query, _, made = _where(upload, after)
    given = {"upload": upload.id, "given": _given(upload, some)}
    piece = _taken_of(tx.each(f"{query}_among", given), most, made)
    if piece.next is None and start + most < len(places):
        return Piece(piece.rows, some[-1])
    return piece


def reading(box: Box, chosen: Chosen) -> Reading:
    """What reads so: those that are narrowed by a condition are on their own."""
    return box.read_apart if isinstance(chosen, Condition) else box.read_with


async def pieces(
    box: Box,
    upload: Upload,
    take: Callable[[list[Row]], T],
    chosen: Chosen = None,
    first: Piece | None = None,
) -> AsyncIterator[T]:
    """What `take` makes, where they are read, of some records after the other, until there are no more. Of
    `first` it is what was read already. Raises as `rows_of` does."""
    after: int | None = BEFORE
    read = reading(box, chosen)
    if first is not None:
        after = first.next
        yield take(first.rows)
    while after is not None:
        taken, after = await read(partial(_taken, upload, take, after, chosen))
        yield taken


def _taken(
    upload: Upload, take: Callable[[list[Row]], T], after: int, chosen: Chosen, tx: ReadTx
) -> tuple[T, int | None]:
    piece = rows_of(tx, upload, after, PIECE_ROWS, chosen)
    return take(piece.rows), piece.next


async def page_of(box: Box, upload: Upload, after: int, limit: int, chosen: Chosen) -> Piece:
    """The records after an index, at most `limit`: fewer only where they are large, or few of many pass."""
    read = reading(box, chosen)
    rows: list[Row] = []
    size = 0
    for _ in range(PAGE_READS):
        piece = await read(partial(_rows, upload, after, limit - len(rows), chosen))
        rows += piece.rows
        size += sum(len(row.record or b"") for row in piece.rows)
        if piece.next is None or len(rows) == limit or size > PIECE_BYTES:
            return Piece(rows, piece.next)
        after = piece.next
    return Piece(rows, after)


def _rows(upload: Upload, after: int, limit: int, chosen: Chosen, tx: ReadTx) -> Piece:
    return rows_of(tx, upload, after, limit, chosen)


async def total_of(
    box: Box, upload: Upload, condition: Condition, reads: int = READS, seen: Piece = NOTHING_YET
) -> tuple[int, bool, int]:
    """How many records pass, whether they were counted to the end, for which so many reads are made at most,
    and how many of these are left. `seen` are the first of them."""
    total, after = len(seen.rows), seen.next
    while after is not None and reads > 0:
        count, after = await box.read_apart(partial(_count, upload, after, condition))
        total += count
        reads -= 1
    return total, after is None, reads


def _count(upload: Upload, after: int, condition: Condition, tx: ReadTx) -> tuple[int, int | None]:
    return count_passing(tx, upload, after, condition)


def results_of(tx: ReadTx, upload: Upload, indexes: Sequence[int]) -> list[Row]:
    """What is found out by now about these records, in their order: rows without the records. Raises
    IngestError `not_found` for an upload that was deleted meanwhile."""
    still_there(tx, upload)
    given = _given(upload, indexes)
    if upload.origin:
        rows = tx.all("audience.records_from_among", {"upload": upload.id, "given": given})
        found = [replace(_row_from(*each), record=None) for each in rows]
    else:
        found = [_result(*each) for each in tx.all("audience.results", {"ids": given})]
    known = {row.index: row for row in found}
    return [known.get(index) or Row(index, None, None, damaged=False) for index in indexes]


def still_there(tx: ReadTx, upload: Upload) -> None:
    """Raises IngestError `not_found` for an upload that is deleted."""
    if tx.one("audience.there", {"id": upload.id}) is None:
        raise gone()


def gone() -> IngestError:
    """What is said of an upload that is not there (contract: audience, Errors)."""
    return IngestError("not_found", "Batch upload not found")


def _where(upload: Upload, after: int) -> tuple[str, Mapping[str, int], Callable[..., Row]]:
    """The query of its records after an index, with its parameters, and what makes a row of a row."""
    if upload.origin:
        return "audience.records_from", {"upload": upload.id, "after": after}, _row_from
    span = {"after": record_id(upload.job_id, 0) + after, "beyond": record_id(upload.job_id + 1, 0)}
    return "audience.records", span, _row


def _row_from(index: int, _: object, record: bytes, crc: int, result: bytes, __: object) -> Row:
    """Of another box record and result have one checksum: it does not say which of them is damaged."""
    sound = zlib.crc32(result + record) == crc
    return Row(index, record if sound else None, result if sound else None, not sound)


def _result(rid: int, result: bytes, crc: int) -> Row:
    sound = zlib.crc32(result) == crc
    return Row(index_of(rid), None, result if sound else None, not sound)


def _row(rid: int, key: bytes, payload: bytes, crc: int, result: bytes | None, result_crc: int | None) -> Row:
    sound = checksum(key, payload) == crc
    kept = result is None or zlib.crc32(result) == result_crc
    return Row(index_of(rid), payload if sound else None, result if kept else None, not (sound and kept))
