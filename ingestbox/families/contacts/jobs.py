"""`GET /jobs` and `GET /jobs/{id}`: imports, and how far they are (contract: contacts, Endpoints)."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, UnsetType

from ingestbox.clock import iso
from ingestbox.families.contacts import pages
from ingestbox.families.contacts.shapes import ContactsJob, ContactsJobs, JobStatus
from ingestbox.families.contacts.sight import ALL, job_id_of, job_row, no_job, scope, scoped, sight_of
from ingestbox.family import Ask
from ingestbox.route import Answer, Parameter, Reply, Route
from ingestbox.store import ReadTx

JOB_ID = Parameter("id", "The `job_id` of the answer to the upload.", int, "path")

_STATUS: dict[str, JobStatus] = {
    "queued": "PENDING",
    "running": "PROCESSING",
    "review": "NEEDS_REVIEW",
    "completed": "COMPLETED",
    "failed": "FAILED",
}
_AT_IT = frozenset({"turn", "consolidating"})
"""Phases in which a job is worked on, even while no worker holds it."""


def status_of(state: str, phase: str) -> JobStatus:
    """What a job's state is called on the wire: one that waits for its turn is not at its beginning."""
    return "PROCESSING" if state == "queued" and phase in _AT_IT else _STATUS[state]


def file_key(stored: str) -> str:
    """The key of a stored file: its path in the data folder."""
    return f"files/{stored}"


def job_body(row: tuple[Any, ...]) -> ContactsJob:
    """A job, from a row of the queries `job` (without its first two columns) and `jobs_…`."""
    job_id, created, owner, name, stored, state, phase, total, loaded, issues, start, end, error, undone = row
    return ContactsJob(
        job_id=job_id,
        job_created_at=iso(created) or "",
        job_user_id=owner,
        job_original_filename=name,
        job_s3_object_key=None if stored is None else file_key(stored),
        job_status=status_of(state, phase),
        job_total_rows=total,
        job_processed_rows=loaded,
        job_issue_count=issues,
        job_process_start=iso(start),
        job_process_end=iso(end),
        job_error=error,
        undone_at=UNSET if undone is None else iso(undone) or "",
    )


async def jobs(ask: Ask) -> Reply:
    """GET /jobs: newest first."""
    sight, part = sight_of(ask), pages.part_of(ask.query)

    def read(tx: ReadTx) -> ContactsJobs:
        wanted = {**scope(sight), "below": part.below, "limit": part.limit + 1}
        total: int = tx.all(scoped("jobs_total", sight), wanted)[0][0]
        rows = tx.all(scoped("jobs", sight), wanted)
        last: str | UnsetType = pages.cursor(rows[part.limit - 1][0]) if len(rows) > part.limit else UNSET
        return ContactsJobs([job_body(row) for row in rows[: part.limit]], total, last)

    return Reply(await ask.box.read_with(read))


async def job(ask: Ask) -> Reply:
    """GET /jobs/{id}."""
    sight, job_id = sight_of(ask), job_id_of(ask)
    row = await ask.box.read_with(lambda tx: job_row(tx, job_id, sight))
    if row is None:
        raise no_job(job_id)
    return Reply(job_body(row))


ROUTES: tuple[Route, ...] = (
    Route(
        "GET",
        "/jobs",
        jobs,
        "Your imports, newest first",
        description="Cancelled ones are gone.",
        parameters=(*pages.PARAMETERS, ALL),
        answers=(Answer(ContactsJobs, description="The jobs."),),
        errors=("bad_parameter", "forbidden"),
    ),
    Route(
        "GET",
        "/jobs/{id}",
        job,
        "One import: its state, and how far it is",
        parameters=(JOB_ID, ALL),
        answers=(Answer(ContactsJob, description="The job."),),
        errors=("bad_parameter", "forbidden", "job_not_found"),
    ),
)
