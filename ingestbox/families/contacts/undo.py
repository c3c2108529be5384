"""What a person decides about a whole import: that it goes on, is given up, or is taken back (contract:
contacts, Endpoints and Resolving)."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

from ingestbox.errors import IngestError
from ingestbox.families.contacts import deciding
from ingestbox.families.contacts.deciding import EDITORS
from ingestbox.families.contacts.jobs import JOB_ID, file_key, status_of
from ingestbox.families.contacts.process import KIND
from ingestbox.families.contacts.sight import ALL, FAMILY, job_id_of, no_job, sight_of
from ingestbox.family import Ask, Box
from ingestbox.model import Job, JobState, Role
from ingestbox.route import Answer, Reply, Route
from ingestbox.store import ReadTx, changes, jobs, undoing
from ingestbox.store.changes import CancelJob, ChangeSlice
from ingestbox.store.staged import GoOn
from ingestbox.store.undoing import BeginUndo, Undone

T = TypeVar("T")

UPLOADERS = frozenset({Role.UPLOADER})

TURN_SECONDS = 2
"""When to ask again while another import of the same owner makes its contacts."""

CANCELLABLE = "Job can only be cancelled if status is PENDING, NEEDS_REVIEW, or FAILED. Current status: "


class Reprocessed(msgspec.Struct, frozen=True):
    """The import goes on."""

    job_id: int
    message: str
    s3_key: Annotated[str | None, Meta(description="The stored file's key in the data folder.")]


class Cancelled(msgspec.Struct, frozen=True):
    """The import is given up."""

    message: str
    job_id: int


class UndoneImport(msgspec.Struct, frozen=True):
    """The import is taken back."""

    job_id: int
    removed: Annotated[int, Meta(ge=0, description="Contacts that it made, which are gone.")]
    kept: Annotated[
        int, Meta(ge=0, description="Contacts that a later import has changed, or that it only updated.")
    ]


async def reprocess(ask: Ask) -> Reply:
    """POST /jobs/{id}/reprocess."""
    job = await _job(ask)
    if job.state == JobState.CANCELLED:
        raise no_job(job.id)
    blocked = await ask.box.write(GoOn(job.id, job.public_id, deciding.act(ask, job.workspace)))
    if blocked is not None:
        if blocked.code in ("job_not_found", "job_cancelled"):
            raise no_job(job.id)
        raise IngestError(
            blocked.code, f"Job {job.id} cannot be reprocessed: it is {await _status(ask, job)}."
        )
    ask.box.changed(job.id, ring=True)
    row = await ask.box.read_with(lambda tx: tx.one("contacts.stored_file", {"job_id": job.id}))
    key = None if row is None else file_key(row[0])
    return Reply(Reprocessed(job.id, f"Job {job.id} queued for reprocessing", key))


async def cancel(ask: Ask) -> Reply:
    """DELETE /jobs/{id}: a repeat is answered like the first."""
    job = await _job(ask)
    by = deciding.act(ask, job.workspace)
    blocked = await ask.box.write(CancelJob(job.id, job.public_id, by, staged=True))
    if blocked is not None:
        if blocked.code == "job_not_found":
            raise no_job(job.id)
        if blocked.code == "partly_made":
            raise IngestError("partly_made")
        raise IngestError("job_not_cancellable", CANCELLABLE + await _status(ask, job))
    ask.box.changed(job.id)
    await _to_the_end(_discard(ask.box, job.id))
    ask.box.changed(job.id)
    return Reply(Cancelled(f"Job {job.id} cancelled successfully", job.id))


async def undo(ask: Ask) -> Reply:
    """POST /jobs/{id}/undo: a repeat is answered like the first."""
    job = await _job(ask)
    if job.state == JobState.CANCELLED:
        raise no_job(job.id)
    blocked = await ask.box.write(BeginUndo(job.id, job.public_id, deciding.act(ask, job.workspace)))
    if blocked is not None:
        if blocked.code == "job_not_found":
            raise no_job(job.id)
        if blocked.code == "job_not_completed":
            status = await _status(ask, job)
            raise IngestError(blocked.code, f"Job {job.id} cannot be undone: it is {status}, not COMPLETED.")
        raise IngestError(blocked.code, retry_after=TURN_SECONDS)
    undone = await _to_the_end(_take_back(ask.box, job.id))
    return Reply(UndoneImport(job.id, undone.removed, undone.kept))


async def _job(ask: Ask) -> Job:
    """The import that the path names, cancelled ones too. Raises IngestError `job_not_found`."""
    sight, job_id = sight_of(ask), job_id_of(ask)
    job = await ask.box.read_with(lambda tx: jobs.by_id(tx, job_id, sight))
    if job is None or job.family != FAMILY:
        raise no_job(job_id)
    return job


async def _status(ask: Ask, job: Job) -> str:
    """What the import's state is called at this moment."""

    def read(tx: ReadTx) -> tuple[str, int, str]:
        state, issues, phase = tx.all("staged.job", {"id": job.id})[0]
        return state, issues, phase

    state, _, phase = await ask.box.read_with(read)
    return "CANCELLED" if state == JobState.CANCELLED else status_of(state, phase)


async def _to_the_end(work: Coroutine[None, None, T]) -> T:
    """Waits for what has begun; a client that goes away does not stop it."""
    task = asyncio.ensure_future(work)
    task.add_done_callback(lambda done: done.cancelled() or done.exception())  # heard or not
    return await asyncio.shield(task)


async def _discard(box: Box, job_id: int) -> None:
    """What of a cancelled import is unfinished is given up, slice by slice."""
    while True:
        looked = await box.read_with(lambda tx: changes.look(tx, job_id, {}))
        if await box.write(ChangeSlice(job_id, looked, box.now_ms())):
            return


async def _take_back(box: Box, job_id: int) -> Undone:
    """Removes what the import made, and has those go on that waited for it."""
    undone = await undoing.carry_out(box.write, box.now_ms, job_id, KIND)
    box.changed(job_id)
    for (waiting,) in await box.read_with(lambda tx: tx.all("undoing.waiting", {"job_id": job_id})):
        box.changed(waiting, ring=True)
    return undone


_PLACE = (JOB_ID, ALL)

ROUTES: tuple[Route, ...] = (
    Route(
        "POST",
        "/jobs/{id}/reprocess",
        reprocess,
        "Check an import again, and go on with it",
        UPLOADERS,
        description="Of an import that needs review, or has failed: what is staged is checked, not the file. "
        "Rows that were given up are passed over. Issues whose rows are all right, or given up, are "
        "resolved, others are open again. With none left the rows become contacts.",
        parameters=_PLACE,
        answers=(Answer(Reprocessed, description="It is queued."),),
        errors=("bad_parameter", "forbidden", "job_not_found", "job_active", "job_ended"),
    ),
    Route(
        "DELETE",
        "/jobs/{id}",
        cancel,
        "Cancel an import",
        EDITORS,
        description="Its rows are given up, and it is gone from the list; that is final. Its file may be "
        "uploaded again. One that was cancelled before is answered alike.",
        parameters=_PLACE,
        answers=(Answer(Cancelled, description="It is cancelled."),),
        errors=("bad_parameter", "forbidden", "job_not_found", "job_not_cancellable", "partly_made"),
    ),
    Route(
        "POST",
        "/jobs/{id}/undo",
        undo,
        "Take a completed import back",
        EDITORS,
        description="The contacts that it made are removed, all at once to those who read, and upstream is "
        "told. Those that a later import has changed are kept, and so are those that it only updated. Its "
        "file may be uploaded again. A repeat is answered with the same counts.",
        parameters=_PLACE,
        answers=(Answer(UndoneImport, description="It is undone."),),
        errors=("bad_parameter", "forbidden", "job_not_found", "job_not_completed", "turn_taken"),
    ),
)
