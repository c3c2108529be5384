"""Long answers in JSON, sent while they are read: however long one is, no read takes long, and no more than
a piece is in memory.

`records` and `results` are lists side by side. They are read one after the other: the second time by the
places that the first one went to, so that they stay parallel, whatever joins or leaves meanwhile.
"""

from __future__ import annotations

from array import array
from collections.abc import AsyncIterator, Callable, Sequence

import msgspec
from msgspec import UNSET

from ingestbox.clock import iso
from ingestbox.families.audience.selection import (
    BEFORE,
    PIECE_ROWS,
    Chosen,
    Piece,
    Row,
    Upload,
    pieces,
    reading,
    results_of,
    rows_of,
)
from ingestbox.families.audience.shapes import UploadWhole
from ingestbox.family import Ask
from ingestbox.route import Reply
from ingestbox.store import ReadTx
from ingestbox.store.conditions import Condition

Made = Callable[[Sequence[Row], int | None], msgspec.Struct]
"""Makes an answer with these records, of so many in all (None: that is not known yet). It has the members
`records`, `results` and `indexes`, in this order, and after them `damaged`, and whatever says how many."""

_NULL = b"null"

_encode = msgspec.json.Encoder().encode


def reply(body: AsyncIterator[bytes]) -> Reply:
    """An answer that is sent while it is written."""
    return Reply(body, headers=(("Content-Type", "application/json"),))


async def whole_upload(ask: Ask, upload: Upload, condition: Condition | None = None) -> Reply:
    """An upload with all of its records, or with those that pass, and how many they are."""

    def made(rows: Sequence[Row], count: int | None) -> UploadWhole:
        total = UNSET if condition is None or count is None else count
        return msgspec.structs.replace(body_of(upload, rows), total=total)

    return await whole(ask, upload, made, condition)


async def whole(ask: Ask, upload: Upload, made: Made, chosen: Chosen = None) -> Reply:
    """An answer with all of the chosen records."""
    read = reading(ask.box, chosen)
    piece = await read(lambda tx: rows_of(tx, upload, BEFORE, PIECE_ROWS, chosen))
    if piece.next is None:
        return Reply(made(piece.rows, len(piece.rows)))
    return reply(_written(ask, upload, piece, made, chosen))


def body_of(upload: Upload, rows: Sequence[Row]) -> UploadWhole:
    """The upload with these records."""
    return UploadWhole(
        status="success",
        upload_id=upload.public_id,
        upload_name=upload.name,
        records=[None if row.record is None else msgspec.Raw(row.record) for row in rows],
        results=[None if row.result is None else msgspec.Raw(row.result) for row in rows],  # type: ignore[misc]
        indexes=[row.index for row in rows],
        fields=upload.fields,
        created_at=iso(upload.created_ms) or "",
        rows_received=upload.total,
        upload_status="uploaded",
        rows_stored=upload.stored,
        rows_processed=upload.known,
        damaged=[row.index for row in rows if row.damaged] or UNSET,
    )


async def _written(
    ask: Ask, upload: Upload, first: Piece, made: Made, chosen: Chosen
) -> AsyncIterator[bytes]:
    places, damaged = array("I"), set[int]()
    empty = made((), None)
    head, rest = around(_encode(empty), "records")
    between, _ = around(rest, "results")
    yield head
    comma = b""
    async for rows, text in pieces(ask.box, upload, _joined, chosen, first):
        if rows:
            yield comma + text
            comma = b","
        places.extend(row.index for row in rows)
        damaged.update(row.index for row in rows if row.damaged)
    yield between
    for start in range(0, len(places), PIECE_ROWS):
        some = places[start : start + PIECE_ROWS].tolist()
        rows = await ask.box.read_with(_results(upload, some))
        damaged.update(row.index for row in rows if row.damaged)
        yield (b"," if start else b"") + b",".join(row.result or _NULL for row in rows)
    told = msgspec.structs.replace(made((), len(places)), damaged=sorted(damaged) or UNSET)
    between, tail = around(around(_encode(told), "results")[1], "indexes")
    yield between
    for start in range(0, len(places), PIECE_ROWS):
        some = places[start : start + PIECE_ROWS].tolist()
        yield (b"," if start else b"") + _encode(some)[1:-1]
    yield tail


def _joined(rows: list[Row]) -> tuple[list[Row], bytes]:
    return rows, b",".join(row.record or _NULL for row in rows)


def _results(upload: Upload, places: list[int]) -> Callable[[ReadTx], list[Row]]:
    return lambda tx: results_of(tx, upload, places)


def around(text: bytes, member: str) -> tuple[bytes, bytes]:
    """What stands before and after the elements of an empty list in JSON. No text that is quoted in it can be
    taken for the member: there its quotes are escaped."""
    head, found, tail = text.partition(b'"%s":[]' % member.encode())
    assert found
    return head + found[:-1], b"]" + tail
