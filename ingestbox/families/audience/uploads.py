"""The list of uploads, and each with its records (contract: audience)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from functools import partial

import msgspec
from msgspec import UNSET

from ingestbox.clock import iso
from ingestbox.families.audience import filters, paging
from ingestbox.families.audience.elsewhere import BOX
from ingestbox.families.audience.selection import BEFORE, NOTHING_YET, Upload, page_of, total_of, upload_from
from ingestbox.families.audience.shapes import PATH, UploadLine, UploadList, UploadWhole
from ingestbox.families.audience.sight import ALL, UPLOAD_ID, scope, scoped, sight_of, upload_of
from ingestbox.families.audience.whole import around, body_of, reply, whole_upload
from ingestbox.family import Ask
from ingestbox.route import Answer, Reply, Route
from ingestbox.store import ReadTx

PIECE_ROWS = 500
PIECE_BYTES = 1_048_576
"""What one read of the list takes at most, one upload at least: some milliseconds."""

_ABOVE_ALL = (1 << 63) - 1

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class _List:
    """A list of uploads: its query with the parameters, and whether it says whose each is."""

    query: str
    params: Mapping[str, object]
    everybody: bool

    def piece(self, tx: ReadTx, below: int, most: int) -> tuple[list[UploadLine], int | None]:
        """Some below an id, at most `most`, and the id below which there are more (None: there are none)."""
        limit = min(most, PIECE_ROWS)
        lines: list[UploadLine] = []
        size = last = 0
        each = tx.each(self.query, {**self.params, "below": below, "limit": limit + 1})
        try:
            for row in each:
                if len(lines) == limit or size > PIECE_BYTES:
                    return lines, last
                upload = upload_from(row)
                lines.append(_line(upload, self.everybody))
                size, last = size + len(row[3]), upload.id
        finally:
            each.close()
        return lines, None


def _line(upload: Upload, everybody: bool) -> UploadLine:
    return UploadLine(
        upload_id=upload.public_id,
        upload_name=upload.name,
        created_at=iso(upload.created_ms) or "",
        rows_received=upload.total,
        status="uploaded",
        fields=upload.fields,
        rows_stored=upload.stored,
        rows_processed=upload.known,
        owner=upload.owner if everybody else UNSET,
        box=upload.origin or UNSET,
    )


async def uploads(ask: Ask) -> Reply:
    """GET /api/audience/batch-upload: those in sight, newest first."""
    sight, part = sight_of(ask), paging.part_of(ask.query)
    wanted = _List(scoped("uploads", sight), scope(sight), sight.subject is None)
    below = _ABOVE_ALL if part is None or part.after is None else part.after
    most = paging.WHOLE if part is None else part.limit

    def first(tx: ReadTx) -> tuple[int, list[UploadLine], int | None]:
        total: int = tx.all(scoped("count", sight), scope(sight))[0][0]
        return total, *wanted.piece(tx, below, most)

    total, lines, last = await ask.box.read_with(first)
    if part is not None:
        return Reply(UploadList("success", lines, total, None if last is None else paging.cursor(last)))
    if last is None:
        return Reply(UploadList("success", lines, total))
    return reply(_written(ask, wanted, total, lines, last))


async def _written(
    ask: Ask, wanted: _List, total: int, lines: list[UploadLine], last: int | None
) -> AsyncIterator[bytes]:
    """A long list: an UploadList, sent while it is read."""
    head, tail = around(_encode(UploadList("success", [], total)), "uploads")
    yield head + _joined(lines)
    sent = len(lines)
    while last is not None and sent < paging.WHOLE:
        lines, last = await ask.box.read_with(partial(wanted.piece, below=last, most=paging.WHOLE - sent))
        yield b"".join((b"," if lines else b"", _joined(lines)))
        sent += len(lines)
    if last is not None:
        _, tail = around(_encode(UploadList("success", [], total, paging.cursor(last))), "uploads")
    yield tail


def _joined(lines: list[UploadLine]) -> bytes:
    return _encode(lines)[1:-1]


async def one(ask: Ask) -> Reply:
    """GET /api/audience/batch-upload/{upload_id}: an upload with its records."""
    part, wanted = paging.part_of(ask.query), filters.asked(ask.query)
    upload = await upload_of(ask)
    condition = None if wanted is None else wanted.condition
    if part is None:
        return await whole_upload(ask, upload, condition)
    after = BEFORE if part.after is None else part.after
    piece = await page_of(ask.box, upload, after, part.limit, condition)
    going_on = None if piece.next is None else paging.cursor(piece.next)
    found = msgspec.structs.replace(body_of(upload, piece.rows), next_cursor=going_on)
    if condition is None:
        return Reply(found)
    seen = piece if after == BEFORE else NOTHING_YET  # nothing is looked at twice
    total, exact, _ = await total_of(ask.box, upload, condition, seen=seen)
    return Reply(msgspec.structs.replace(found, total=total, total_is=UNSET if exact else "lower bound"))


ROUTES: tuple[Route, ...] = (
    Route(
        "GET",
        PATH,
        uploads,
        "Your uploads",
        description=f"Newest first, to {paging.WHOLE:,}; with more, or with `limit`, `next_cursor` goes on.",
        parameters=(paging.LIMIT_OF_WHOLE, paging.CURSOR, ALL),
        answers=(Answer(UploadList, description="Newest first."),),
        errors=("bad_parameter", "forbidden"),
    ),
    Route(
        "GET",
        PATH + "/{upload_id}",
        one,
        "An upload with its records",
        description="All of them, or with `limit` a page. `records` are exactly as they were sent, and "
        "`results` what was found out about each, at the same place. A record that waits on an issue is not "
        "there, and joins when it is repaired. A long answer is sent while it is read, and is cut off if "
        "the upload is deleted meanwhile. With `filter` those that pass, and `total` says how many they are.",
        parameters=(UPLOAD_ID, paging.LIMIT_OF_RECORDS, paging.CURSOR, filters.FILTER, ALL, BOX),
        answers=(Answer(UploadWhole, description="The upload."),),
        errors=("bad_parameter", "not_found", "forbidden"),
    ),
)
