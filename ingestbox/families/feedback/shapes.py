"""How jobs and errors of this family look on the wire (contract: feedback); tickets: `read/ticket.py`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ingestbox.clock import iso
from ingestbox.errors import MAX_FAULTS, Fault, IngestError
from ingestbox.families.feedback.check import MAX_ID_CHARACTERS
from ingestbox.model import Job, JobState, Notice
from ingestbox.sheet import JobFile

Status = Literal["queued", "running", "completed", "failed"]

STATUS: dict[JobState, Status] = {
    JobState.QUEUED: "queued",
    JobState.RUNNING: "running",
    JobState.REVIEW: "running",
    JobState.COMPLETED: "completed",
    JobState.FAILED: "failed",
    JobState.CANCELLED: "failed",
}
"""Clients poll until exactly `completed` or `failed`; they know four words."""

_FILLED = {"type": "string", "pattern": r"[^\s\x1c-\x1f\x85]"}  # what Python takes for a blank


class Ticket(msgspec.Struct):
    """A ticket as it is sent: `summary` or `description` has to hold more than blanks. Members that are not
    named here are kept with it and forwarded."""

    id: Annotated[
        Annotated[str, Meta(min_length=1, max_length=MAX_ID_CHARACTERS)] | int,
        Meta(description=f"Up to {MAX_ID_CHARACTERS} characters; an integer stands for its digits."),
    ]
    summary: str | None = None
    description: str | None = None
    comments: Annotated[
        list[str | None] | None, Meta(description="In the order of time; blank ones are skipped.")
    ] = None


_WORDED: dict[str, Any] = {
    "anyOf": [{"required": [name], "properties": {name: _FILLED}} for name in ("summary", "description")]
}

_WordedTicket = Annotated[Ticket, Meta(extra_json_schema=_WORDED)]


class IngestBody(msgspec.Struct):
    """A batch of tickets."""

    records: Annotated[
        list[_WordedTicket],
        Meta(min_length=1, description="At most `[limits] feedback_records`: 1,000, unless set otherwise."),
    ]


class RecordOutcome(msgspec.Struct, frozen=True):
    """What became of one record of a batch that was taken in part."""

    index: Annotated[int, Meta(ge=0, description="The record's place in the batch, from 0.")]
    id: Annotated[Any, Meta(description="The record's id; what was sent as one, where it has none.")]
    outcome: Annotated[
        Literal["accepted", "duplicate", "rejected"],
        Meta(description="`duplicate`: a later record of the batch has the same id, and wins."),
    ]
    code: Annotated[str | UnsetType, Meta(description="Why it was not accepted, for programs.")] = UNSET
    message: Annotated[str | UnsetType, Meta(description="Why it was rejected, as a phrase.")] = UNSET


class IngestAnswer(msgspec.Struct, frozen=True):
    """The batch is on disk, as a job."""

    job_id: str
    status_url: Annotated[str, Meta(description="Where the job can be followed.")]
    message: str
    record_count: Annotated[int, Meta(ge=1, description="How many records were received.")]
    outcomes: Annotated[
        list[RecordOutcome] | UnsetType, Meta(description="With `mode=partial`: one for each record.")
    ] = UNSET


class JobAnswer(msgspec.Struct, frozen=True):
    """A job: what one batch or file became."""

    job_id: str
    source: Annotated[str, Meta(description="How it came: `json_api` or `csv_upload`.")]
    source_type: Annotated[str, Meta(description="The same as `source`.")]
    file_name: str
    status: Annotated[Status, Meta(description="Poll until it is `completed` or `failed`.")]
    submitted_at: str
    started_at: str | None
    completed_at: str | None
    updated_at: str
    total_records: Annotated[int, Meta(ge=0)]
    total_rows: Annotated[int, Meta(ge=0, description="The same as `total_records`.")]
    records_processed: Annotated[int, Meta(ge=0)]
    sentiment_records: Annotated[int, Meta(ge=0, description="Records whose sentiment is known.")]
    entity_records: Annotated[int, Meta(ge=0, description="Records that name something.")]
    duration: Annotated[float | None, Meta(description="Seconds from start to end; null before the end.")]
    error: Annotated[str | None, Meta(description="Why the job failed, if it did.")]
    warnings: list[Notice]
    progress: Annotated[float, Meta(ge=0, le=1, description="The share of the records that is processed.")]
    errors: Annotated[
        list[Fault] | UnsetType,
        Meta(description="What is wrong with records that wait for a person. Not in lists."),
    ] = UNSET
    file: Annotated[
        JobFile | UnsetType,
        Meta(description="Of an upload: what the file is, and how it is read. Not in lists."),
    ] = UNSET


class JobList(msgspec.Struct, frozen=True):
    """The newest jobs."""

    results: list[JobAnswer]
    count: Annotated[int, Meta(ge=0, description="How many are in `results`.")]


class FeedbackError(msgspec.Struct, frozen=True):
    """Why a call was refused."""

    detail: Annotated[str, Meta(description="What is wrong, as a sentence.")]
    code: Annotated[str, Meta(description="The error, for programs.")]
    request_id: Annotated[str, Meta(description="The X-Request-ID of this answer.")]
    errors: Annotated[
        list[Fault] | UnsetType,
        Meta(description=f"What is wrong with the body: every fault of every record, to {MAX_FAULTS:,}."),
    ] = UNSET


def states(status: str) -> list[JobState]:
    """The states that a client's word stands for; none for a word it does not know."""
    return [state for state, word in STATUS.items() if word == status]


def job_body(job: Job, faults: list[Fault] | None = None, file: JobFile | None = None) -> JobAnswer:
    """A job; `errors` is left out of lists (`faults` None), and `file` of a job that did not come as one."""
    duration = None
    if job.started_ms is not None and job.completed_ms is not None:
        duration = max(0, job.completed_ms - job.started_ms) / 1000
    return JobAnswer(
        job_id=job.public_id,
        source=job.source,
        source_type=job.source,
        file_name=job.name,
        status=STATUS[job.state],
        submitted_at=iso(job.submitted_ms) or "",
        started_at=iso(job.started_ms),
        completed_at=iso(job.completed_ms),
        updated_at=iso(job.updated_ms) or "",
        total_records=job.total,
        total_rows=job.total,
        records_processed=job.processed,
        sentiment_records=job.tallies.get("sentiment_records", 0),
        entity_records=job.tallies.get("entity_records", 0),
        duration=duration,
        error=job.error,
        warnings=job.warnings,
        progress=round(job.processed / job.total, 4) if job.total else 1.0,
        errors=UNSET if faults is None else faults,
        file=UNSET if file is None else file,
    )


def error_body(error: IngestError, request_id: str) -> dict[str, object]:
    """A FeedbackError: `errors` is there for a body that fails validation."""
    body: dict[str, object] = {"detail": error.detail, "code": error.code, "request_id": request_id}
    if error.faults:
        body["errors"] = error.faults
    return {**body, **error.extra}
