"""POST, PATCH and DELETE of segments."""

from __future__ import annotations

from dataclasses import replace

from msgspec import UNSET

from ingestbox import ids
from ingestbox.errors import IngestError
from ingestbox.families.audience import sight
from ingestbox.families.audience.segments import bodies, told
from ingestbox.families.audience.segments.shapes import (
    MAX_FROZEN,
    NewSegment,
    Segment,
    SegmentAnswer,
    SegmentChange,
)
from ingestbox.families.audience.segments.stored import (
    Kept,
    chosen_of,
    count_of,
    line_of,
    missing,
    passing,
    segment_of,
    upload_of,
)
from ingestbox.families.audience.segments.units import (
    NEW,
    ChangeSegment,
    Content,
    CreateSegment,
    RemoveSegment,
    with_content,
)
from ingestbox.families.audience.selection import READS, Chosen, Places, Row, Upload, gone, pieces
from ingestbox.families.audience.shapes import Deleted
from ingestbox.family import Ask
from ingestbox.route import Reply
from ingestbox.store.audit import Act
from ingestbox.store.once import Denied, Made, Once, Recall

TRIES = 3
"""How often a change is tried that others are quicker than."""

WAIT_SECONDS = 2
"""After which a client may try again while an upload is processed."""

_TO_THE_END = 1 << 30

_REPLAYED = (("Idempotency-Replayed", "true"),)


async def create(ask: Ask) -> Reply:
    """POST /api/audience/batch-upload/{upload_id}/segments."""
    wanted = bodies.new_segment(ask.body)
    upload = await sight.upload_of(ask)
    if upload.origin:
        raise IngestError("forbidden", f"This upload is of the box {upload.origin}: make its segments there.")
    once = Once(ask.box.creation(ask), b"", Segment)
    made = None if once.key is None else await ask.box.write(Recall(once))
    if made is None:
        kept = _new(ask, upload, wanted)
        content = await _content(ask, upload, wanted)
        unit = CreateSegment(with_content(kept, content), content, _act(ask, kept), once)
        made = await ask.box.write(unit)
        if isinstance(made, Made) and kept.forward:
            ask.box.changed(kept.job_id)
    if isinstance(made, Denied):
        raise _denied(made, gone())
    return Reply(SegmentAnswer("success", made.what), headers=_REPLAYED if made.replayed else ())


def _new(ask: Ask, upload: Upload, wanted: NewSegment) -> Kept:
    now = ask.box.now_ms()
    return Kept(
        id=NEW,
        workspace=upload.workspace,
        origin="",
        owner=upload.owner,
        object_id=ids.prefixed("seg", now),
        upload_id=upload.public_id,
        job_id=upload.job_id,
        version=0,
        forward=wanted.forward,
        frozen=wanted.frozen,
        created_ms=now,
        updated_ms=now,
        crc=0,
        record=b"",
    )


async def patch(ask: Ask) -> Reply:
    """PATCH /api/audience/segments/{segment_id}."""
    wanted = bodies.change(ask.body)
    for _ in range(TRIES):
        was = _own(await segment_of(ask), "change")
        upload = await upload_of(ask, was)
        if not _differs(was, wanted):
            count = await count_of(ask.box, upload, await chosen_of(ask.box, was), READS)
            return Reply(SegmentAnswer("success", line_of(was, count[:2], everybody=False)))
        asked = _asked(was, wanted)
        # A list stays as it is, unless it is asked for anew.
        stays = was.frozen and wanted.frozen is UNSET
        places = await chosen_of(ask.box, was) if stays else None
        content = await _content(ask, upload, asked, places if stays else None)
        kept = with_content(replace(was, frozen=asked.frozen, forward=asked.forward), content)
        done = await ask.box.write(ChangeSegment(was, kept, content, _act(ask, was)))
        if isinstance(done, Denied):
            raise _denied(done, missing())
        if done is not None:
            if was.forward or kept.forward:
                ask.box.changed(kept.job_id)
            return Reply(SegmentAnswer("success", line_of(done, content.count, everybody=False)))
    raise IngestError("record_changed", "The segment was changed meanwhile.")


def _differs(was: Kept, wanted: SegmentChange) -> bool:
    """Whether anything is asked for that is not so; a list that is asked for anew always is."""
    return (
        wanted.name not in (UNSET, was.says.name)
        or wanted.forward not in (UNSET, was.forward)
        or wanted.frozen is True
        or wanted.frozen not in (UNSET, was.frozen)
    )


def _asked(was: Kept, wanted: SegmentChange) -> NewSegment:
    says = was.says
    return NewSegment(
        name=says.name if wanted.name is UNSET else wanted.name,
        filter=says.filter,
        frozen=was.frozen if wanted.frozen is UNSET else wanted.frozen,
        forward=was.forward if wanted.forward is UNSET else wanted.forward,
    )


async def _content(ask: Ask, upload: Upload, wanted: NewSegment, places: Chosen = None) -> Content:
    """What a segment comes to: `places` are a list that stays. Raises IngestError: job_active,
    validation_failed."""
    if (wanted.frozen or wanted.forward) and upload.processed < upload.total:
        raise _busy()
    record = told.Record(wanted.name, upload.public_id, wanted.filter, wanted.frozen)
    chosen = passing(wanted.filter)
    if not wanted.frozen:
        reads = _TO_THE_END if wanted.forward else READS
        count, exact, _ = await count_of(ask.box, upload, chosen, reads)
        return Content(*told.encoded(record, count, None), (count, exact))
    if isinstance(places, tuple):
        count, exact, _ = await count_of(ask.box, upload, places, READS)
        return Content(*told.encoded(record, count, list(places)), (count, exact))
    rows = await _rows(ask, upload, chosen)
    return Content(*told.encoded(record, len(rows), rows), (len(rows), True))


async def _rows(ask: Ask, upload: Upload, chosen: Chosen) -> list[int]:
    rows: list[int] = []
    async for some in pieces(ask.box, upload, _indexes, chosen):
        rows += some
        if len(rows) > MAX_FROZEN:
            sentence = f"A list has at most {MAX_FROZEN:,} records: keep it as a rule, or filter more."
            raise IngestError("validation_failed", sentence, status=400)
    return rows


def _indexes(rows: list[Row]) -> Places:
    return [row.index for row in rows]


async def delete(ask: Ask) -> Reply:
    """DELETE /api/audience/segments/{segment_id}."""
    kept = _own(await segment_of(ask), "delete")
    if not await ask.box.write(RemoveSegment(kept, _act(ask, kept))):
        raise missing()
    if kept.forward:
        ask.box.changed(kept.job_id)
    return Reply(Deleted("success", "Segment deleted successfully"))


def _own(kept: Kept, verb: str) -> Kept:
    if kept.origin:
        raise IngestError("forbidden", f"This segment is of the box {kept.origin}: {verb} it there.")
    return kept


def _act(ask: Ask, kept: Kept) -> Act:
    return Act(ask.caller.subject, kept.workspace, ask.request_id, ask.box.now_ms())


def _busy() -> IngestError:
    sentence = "Records of the upload are still being processed: what is frozen or forwarded waits for them."
    return IngestError("job_active", sentence, retry_after=WAIT_SECONDS)


def _denied(denied: Denied, absent: IngestError) -> IngestError:
    if denied.code == "not_found":
        return absent
    return _busy() if denied.code == "job_active" else IngestError(denied.code)
