"""Feedback's endpoints (contract: feedback, Endpoints)."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import UNSET

from ingestbox.errors import IngestError
from ingestbox.families.feedback.decode import decode
from ingestbox.families.feedback.read.routes import READS
from ingestbox.families.feedback.read.search import ROUTE as SEARCH
from ingestbox.families.feedback.shapes import (
    IngestAnswer,
    IngestBody,
    JobAnswer,
    JobList,
    RecordOutcome,
    Status,
    job_body,
    states,
)
from ingestbox.families.feedback.upload import ROUTES as UPLOADS
from ingestbox.families.feedback.upload import SOURCE as UPLOADED
from ingestbox.family import Ask
from ingestbox.model import Role
from ingestbox.route import LIMIT, Answer, Parameter, Reply, Route, limit_of

NAME = "feedback"
WRITERS = frozenset({Role.ANALYST, Role.INGEST})
MAX_ERRORS = 1_000


async def ingest(ask: Ask) -> Reply:
    """POST /api/data-ingest: takes a batch of tickets; 200 once it is on disk."""
    mode = ask.query.get("mode", "all")
    if mode not in ("all", "partial"):
        raise IngestError("bad_parameter", f"mode must be `all` or `partial`, not `{mode}`.")
    decoded = await decode(ask.body, max_records=ask.limits.feedback_records, partial=mode == "partial")
    outcomes = msgspec.convert(decoded.outcomes, list[RecordOutcome]) if mode == "partial" else UNSET

    def answer(public_id: str, _: int) -> object:
        return IngestAnswer(
            job_id=public_id,
            status_url=f"/api/job/{public_id}",
            message="Data ingestion started",
            record_count=len(decoded.batch.records),
            outcomes=outcomes,
        )

    return await ask.box.accept(ask, decoded.batch, answer)


async def job(ask: Ask) -> Reply:
    """GET /api/job/{job_id}: the job with its errors."""
    found = await ask.box.job(ask.caller, NAME, ask.path["job_id"])
    if found is None:
        raise IngestError("job_not_found")
    file = await ask.box.file(found) if found.source == UPLOADED else None
    return Reply(job_body(found, await ask.box.faults(found, MAX_ERRORS), file))


async def jobs(ask: Ask) -> Reply:
    """GET /api/jobs?status&limit: newest first; the filter is applied before the limit."""
    wanted = ask.query.get("status")
    if wanted is not None and not states(wanted):
        raise IngestError("bad_parameter", "status must be queued, running, completed or failed.")
    every = [state for word in ("queued", "running", "completed", "failed") for state in states(word)]
    limit = limit_of(ask.query)
    found = await ask.box.jobs(ask.caller, NAME, states(wanted) if wanted else every, limit)
    return Reply(JobList([job_body(each) for each in found], len(found)))


ROUTES = (
    Route(
        "POST",
        "/api/data-ingest",
        ingest,
        "Take in a batch of tickets",
        WRITERS,
        "feedback_json_mb",
        rate="intake",
        takes_records=True,
        description="The batch is taken whole or not at all, unless `mode=partial` is given: then the good "
        "records are taken, and the others wait as issues. Of an id that comes twice in a batch the last "
        "record wins; one that was sent before is replaced whole.",
        body=IngestBody,
        example={
            "records": [
                {
                    "id": "T-1042",
                    "summary": "The delivery was late",
                    "description": "The answer was slow, but the product itself is great!",
                    "comments": ["It has arrived now, thank you."],
                    "shop": "Berlin",
                }
            ]
        },
        parameters=(
            Parameter(
                "mode",
                "`partial` takes the good records of a batch; `all`, the default, every record or none.",
                Literal["all", "partial"],
            ),
        ),
        answers=(Answer(IngestAnswer, description="The batch is on disk; its job follows."),),
        errors=("validation_failed",),
        idempotent=True,
    ),
    *UPLOADS,
    Route(
        "GET",
        "/api/job/{job_id}",
        job,
        "A job with its progress and errors",
        parameters=(Parameter("job_id", "The `job_id` of the answer to the batch or file.", str, "path"),),
        answers=(Answer(JobAnswer, description="The job."),),
        errors=("job_not_found",),
    ),
    Route(
        "GET",
        "/api/jobs",
        jobs,
        "The workspace's newest jobs",
        description="Newest first; the filter counts before the limit.",
        parameters=(Parameter("status", "Only jobs with this status.", Status), LIMIT),
        answers=(Answer(JobList, description="The jobs."),),
    ),
    *READS,
    SEARCH,
)
