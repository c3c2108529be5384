"""Feedback's endpoints (contract: feedback, Endpoints)."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta

from ingestbox.errors import IngestError
from ingestbox.families.feedback.decode import decode
from ingestbox.families.feedback.shapes import (
    IngestAnswer,
    IngestBody,
    JobAnswer,
    JobList,
    RecordOutcome,
    Status,
    TicketBody,
    TicketPage,
    job_body,
    states,
    ticket_body,
    ticket_line,
)
from ingestbox.family import DEFAULT_LIMIT, MAX_LIMIT, Answer, Ask, Parameter, Reply, Route, limit_of
from ingestbox.model import Role

NAME = "feedback"
WRITERS = frozenset({Role.ANALYST, Role.INGEST})
READERS = frozenset({Role.ANALYST})
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
    return Reply(job_body(found, await ask.box.faults(found, MAX_ERRORS)))


async def jobs(ask: Ask) -> Reply:
    """GET /api/jobs?status&limit: newest first; the filter is applied before the limit."""
    wanted = ask.query.get("status")
    if wanted is not None and not states(wanted):
        raise IngestError("bad_parameter", "status must be queued, running, completed or failed.")
    every = [state for word in ("queued", "running", "completed", "failed") for state in states(word)]
    limit = limit_of(ask.query)
    found = await ask.box.jobs(ask.caller, NAME, states(wanted) if wanted else every, limit)
    return Reply(JobList([job_body(each) for each in found], len(found)))


async def tickets(ask: Ask) -> Reply:
    """GET /api/tickets?limit&cursor: the workspace's tickets, in the order of their ids."""
    limit = limit_of(ask.query)
    origin, ticket_id = _after(ask.query.get("cursor"))
    scope = {"workspace": ask.caller.workspace}
    rows = await ask.box.read(
        "feedback.tickets", {**scope, "origin": origin, "ticket_id": ticket_id, "limit": limit + 1}
    )
    total = (await ask.box.read("feedback.ticket_count", scope))[0][0]
    page = rows[:limit]
    cursor = _cursor(page[-1][1], page[-1][0]) if len(rows) > limit else None
    return Reply(TicketPage([ticket_line(row) for row in page], total, cursor))


async def ticket(ask: Ask) -> Reply:
    """GET /api/tickets/{ticket_id}: one ticket with its analysis."""
    params = {"workspace": ask.caller.workspace, "ticket_id": ask.path["ticket_id"]}
    rows = await ask.box.read("feedback.ticket", params)
    if not rows:
        raise IngestError("not_found", "Ticket not found")
    return Reply(ticket_body(rows[0]))


def _cursor(origin: str, ticket_id: str) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode((origin, ticket_id))).decode()


def _after(cursor: str | None) -> tuple[str, str]:
    if cursor is None:
        return "", ""
    try:
        origin, ticket_id = msgspec.json.decode(base64.urlsafe_b64decode(cursor), type=tuple[str, str])
    except (binascii.Error, ValueError):
        raise IngestError("bad_parameter", "cursor must be a next_cursor of this list.") from None
    return origin, ticket_id


_LIMIT = Parameter(
    "limit", f"How many; {DEFAULT_LIMIT} unless given.", Annotated[int, Meta(ge=1, le=MAX_LIMIT)]
)

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
    Route(
        "GET",
        "/api/job/{job_id}",
        job,
        "A job with its progress and errors",
        parameters=(Parameter("job_id", "The `job_id` of the answer to the batch.", str, "path"),),
        answers=(Answer(JobAnswer, description="The job."),),
        errors=("job_not_found",),
    ),
    Route(
        "GET",
        "/api/jobs",
        jobs,
        "The workspace's newest jobs",
        description="Newest first; the filter counts before the limit.",
        parameters=(Parameter("status", "Only jobs with this status.", Status), _LIMIT),
        answers=(Answer(JobList, description="The jobs."),),
    ),
    Route(
        "GET",
        "/api/tickets",
        tickets,
        "Tickets with their sentiment",
        READERS,
        description="In the order of their ids.",
        parameters=(_LIMIT, Parameter("cursor", "Where to go on: a `next_cursor` of this list.")),
        answers=(Answer(TicketPage, description="A page of tickets."),),
    ),
    Route(
        "GET",
        "/api/tickets/{ticket_id:path}",
        ticket,
        "One ticket with its analysis",
        READERS,
        parameters=(Parameter("ticket_id", "The ticket's id; it may hold slashes.", str, "path"),),
        answers=(Answer(TicketBody, description="The ticket."),),
        errors=("damaged",),
    ),
)
