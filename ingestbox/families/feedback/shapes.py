"""How jobs, tickets and errors of this family look on the wire (contract: feedback)."""

from __future__ import annotations

import zlib
from typing import Any

import msgspec

from ingestbox.clock import iso
from ingestbox.errors import Fault, IngestError
from ingestbox.model import Job, JobState, checksum

STATUS = {
    JobState.QUEUED: "queued",
    JobState.RUNNING: "running",
    JobState.REVIEW: "running",
    JobState.COMPLETED: "completed",
    JobState.FAILED: "failed",
    JobState.CANCELLED: "failed",
}
"""Clients poll until exactly `completed` or `failed`; they know four words."""


def states(status: str) -> list[JobState]:
    """The states that a client's word stands for; none for a word it does not know."""
    return [state for state, word in STATUS.items() if word == status]


def job_body(job: Job, faults: list[Fault] | None = None) -> dict[str, object]:
    """A job; `errors` is left out of lists (`faults` None)."""
    duration = None
    if job.started_ms is not None and job.completed_ms is not None:
        duration = max(0, job.completed_ms - job.started_ms) / 1000
    body: dict[str, object] = {
        "job_id": job.public_id,
        "source": job.source,
        "source_type": job.source,
        "file_name": job.name,
        "status": STATUS[job.state],
        "submitted_at": iso(job.submitted_ms),
        "started_at": iso(job.started_ms),
        "completed_at": iso(job.completed_ms),
        "updated_at": iso(job.updated_ms),
        "total_records": job.total,
        "total_rows": job.total,
        "records_processed": job.processed,
        "sentiment_records": job.tallies.get("sentiment_records", 0),
        "entity_records": job.tallies.get("entity_records", 0),
        "duration": duration,
        "error": job.error,
        "warnings": job.warnings,
        "progress": round(job.processed / job.total, 4) if job.total else 1.0,
    }
    if faults is not None:
        body["errors"] = faults
    return body


def ticket_line(row: tuple[Any, ...]) -> dict[str, object]:
    """A ticket in a list, from the columns that `tickets` and `ticket` begin with."""
    ticket_id, origin, summary, sentiment, score, trend, updated_ms = row[:7]
    line: dict[str, object] = {
        "ticket_id": ticket_id,
        "summary": summary,
        "sentiment": sentiment,
        "score": score,
        "trend": trend,
        "updated_at": iso(updated_ms),
    }
    return {**line, "box": origin} if origin else line


def ticket_body(row: tuple[Any, ...]) -> dict[str, object]:
    """A ticket with its text, its fields' sentiments and what else was sent with it.

    Raises IngestError `damaged` when something does not match its checksum.
    """
    job_id, result, record, crc, payload, payload_crc = row[7:13]
    if zlib.crc32(result + (record or b"")) != crc:
        raise IngestError("damaged")
    if record is None:
        record = payload
        if payload is None or checksum(row[0].encode(), payload) != payload_crc:
            raise IngestError("damaged")
    sent: dict[str, object] = msgspec.json.decode(record)
    known = ("id", "summary", "description", "comments")
    return {
        **ticket_line(row),
        "description": sent.get("description"),
        "comments": sent.get("comments") or [],
        "fields": msgspec.json.decode(result)["fields"],
        "job_id": job_id,
        "extra": {key: value for key, value in sent.items() if key not in known},
    }


def error_body(error: IngestError, request_id: str) -> dict[str, object]:
    """`{"detail", "code", "request_id"}`, with `errors` for a body that fails validation."""
    body: dict[str, object] = {"detail": error.detail, "code": error.code, "request_id": request_id}
    if error.faults:
        body["errors"] = error.faults
    return {**body, **error.extra}
