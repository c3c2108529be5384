"""`DELETE /api/audience/batch-upload/{upload_id}` (contract: audience)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine

from ingestbox.errors import IngestError
from ingestbox.families.audience import elsewhere
from ingestbox.families.audience.process import KIND
from ingestbox.families.audience.segments.told import SEGMENT
from ingestbox.families.audience.selection import gone
from ingestbox.families.audience.shapes import PATH, Deleted
from ingestbox.families.audience.sight import ALL, FAMILY, UPLOAD_ID, upload_of
from ingestbox.family import Ask
from ingestbox.route import Answer, Reply, Route
from ingestbox.store.audit import Act
from ingestbox.store.deleting import BeginDelete, carry_out

KINDS = (KIND, SEGMENT)
"""The kinds of objects that go with an upload."""

REASON = "The upload was deleted."

log = logging.getLogger(__name__)


async def delete(ask: Ask) -> Reply:
    """DELETE /api/audience/batch-upload/{upload_id}: nobody sees it any more, and what it brought goes."""
    upload = elsewhere.own(await upload_of(ask))
    by = Act(ask.caller.subject, upload.workspace, ask.request_id, ask.box.now_ms())
    if not await ask.box.write(BeginDelete(upload.job_id, upload.public_id, FAMILY, REASON, by)):
        raise gone()  # somebody else was first
    ask.box.changed(upload.job_id)
    await _to_the_end(_carry_out(ask, upload.job_id))
    ask.box.changed(upload.job_id)
    return Reply(Deleted("success", "Batch upload deleted successfully"))


async def _carry_out(ask: Ask, job_id: int) -> None:
    try:
        await carry_out(ask.box.write, ask.box.now_ms, job_id, KINDS)
    except IngestError as error:  # the decision is on disk, and housekeeping goes on
        log.warning("The rest of a deletion has to wait: %s", error, extra={"job_id": job_id})


async def _to_the_end(work: Coroutine[None, None, None]) -> None:
    """Waits for what has begun; a client that goes away does not stop it."""
    task = asyncio.ensure_future(work)
    task.add_done_callback(lambda done: done.cancelled() or done.exception())  # heard or not
    await asyncio.shield(task)


ROUTES: tuple[Route, ...] = (
    Route(
        "DELETE",
        PATH + "/{upload_id}",
        delete,
        "Delete an upload",
        description="It is gone at once, and with it its records, what was found out about them, and its "
        "segments; upstream is told to remove them. What of it is being processed does not count any more. "
        "Duplicates elsewhere of what was in it are looked at again. Its job stays in `/v1/jobs`, cancelled, "
        "and the audit trail says who deleted it. A repeat is answered with 404; a repeat of the POST that "
        "made it, under the same Idempotency-Key, still with its first answer. The answer comes when all is "
        "removed; after a stop in between the box goes on by itself. An upload that came from another box is "
        "deleted there.",
        parameters=(UPLOAD_ID, ALL, elsewhere.BOX),
        answers=(Answer(Deleted, description="It is gone."),),
        errors=("bad_parameter", "not_found", "forbidden"),
    ),
)
