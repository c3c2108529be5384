"""GET of segments: the list, one with its records, and its twins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import UNSET

from ingestbox.errors import IngestError
from ingestbox.families.audience import members, paging, sight, twins
from ingestbox.families.audience.segments.shapes import Segment, SegmentList, SegmentWhole
from ingestbox.families.audience.segments.stored import (
    Kept,
    chosen_of,
    count_of,
    kept_from,
    line_of,
    segment_of,
    upload_of,
)
from ingestbox.families.audience.selection import BEFORE, READS, Row, Upload, page_of
from ingestbox.families.audience.whole import whole
from ingestbox.family import Ask
from ingestbox.route import Reply
from ingestbox.store import ReadTx

_ABOVE_ALL = (1 << 63) - 1


async def segments(ask: Ask) -> Reply:
    """GET /api/audience/segments: those in sight, newest first."""
    seen, part = sight.sight_of(ask), paging.part_of(ask.query)
    query, params = sight.scoped("segments", seen), sight.scope(seen)
    total_query = sight.scoped("segments_count", seen)
    if "upload_id" in ask.query:
        upload = await sight.upload_called(ask, ask.query["upload_id"])
        query, total_query = "audience.segments_of", "audience.segments_count_of"
        params = {"upload_id": upload.public_id, "origin": upload.origin, "workspace": upload.workspace}
    below = _ABOVE_ALL if part is None or part.after is None else part.after
    most = paging.WHOLE if part is None else part.limit

    def read(tx: ReadTx) -> tuple[int, list[Kept]]:
        total: int = tx.all(total_query, params)[0][0]
        given: Mapping[str, object] = {**params, "below": below, "limit": most + 1}
        return total, [kept_from(row) for row in tx.all(query, given)]

    total, found = await ask.box.read_with(read)
    lines = await _counted(ask, found[:most], everybody=seen.subject is None)
    last = paging.cursor(found[most - 1].id) if len(found) > most else None
    return Reply(SegmentList("success", lines, total, UNSET if part is None and last is None else last))


async def _counted(ask: Ask, found: Sequence[Kept], *, everybody: bool) -> list[Segment]:
    """The segments with their counts, as far as READS reads go."""
    lines: list[Segment] = []
    uploads: dict[tuple[str, str, str], Upload | None] = {}
    reads = READS
    for kept in found:
        key = (kept.upload_id, kept.origin, kept.workspace)
        count = None
        if reads > 0:
            if key not in uploads:
                uploads[key] = await _upload(ask, kept)
            upload = uploads[key]
            if upload is not None:
                number, exact, reads = await count_of(ask.box, upload, await chosen_of(ask.box, kept), reads)
                count = (number, exact)
        lines.append(line_of(kept, count, everybody=everybody))
    return lines


async def _upload(ask: Ask, kept: Kept) -> Upload | None:
    try:
        return await upload_of(ask, kept)
    except IngestError:
        return None


async def one(ask: Ask) -> Reply:
    """GET /api/audience/segments/{segment_id}: a segment with its records."""
    part = paging.part_of(ask.query)
    kept = await segment_of(ask)
    upload = await upload_of(ask, kept)
    chosen = await chosen_of(ask.box, kept)
    number, exact, _ = await count_of(ask.box, upload, chosen, READS)
    line = line_of(kept, (number, exact), everybody=ask.query.get("all") == "true")

    def made(rows: Sequence[Row], _: int | None) -> SegmentWhole:
        return SegmentWhole(
            status="success",
            records=[None if row.record is None else msgspec.Raw(row.record) for row in rows],
            results=[None if row.result is None else msgspec.Raw(row.result) for row in rows],  # type: ignore[misc]
            indexes=[row.index for row in rows],
            fields=upload.fields,
            segment=line,
            damaged=[row.index for row in rows if row.damaged] or UNSET,
        )

    if part is None:
        return await whole(ask, upload, made, chosen)
    after = BEFORE if part.after is None else part.after
    piece = await page_of(ask.box, upload, after, part.limit, chosen)
    going_on = None if piece.next is None else paging.cursor(piece.next)
    return Reply(msgspec.structs.replace(made(piece.rows, None), next_cursor=going_on))


async def as_csv(ask: Ask) -> Reply:
    """GET /api/audience/segments/{segment_id}.csv."""
    columns = members.chosen(ask.query)
    kept = await segment_of(ask)
    upload = await upload_of(ask, kept)
    return twins.csv_reply(ask, upload, kept.says.name, columns, await chosen_of(ask.box, kept))


async def as_ndjson(ask: Ask) -> Reply:
    """GET /api/audience/segments/{segment_id}.ndjson."""
    columns = members.chosen(ask.query)
    kept = await segment_of(ask)
    upload = await upload_of(ask, kept)
    return twins.ndjson_reply(ask, upload, kept.says.name, columns, await chosen_of(ask.box, kept))
