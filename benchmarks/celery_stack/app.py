# mypy: disable-error-code="import-not-found,misc,untyped-decorator"
"""The API: FastAPI, pydantic models, rows by COPY, one Celery task a batch. No authentication."""

from __future__ import annotations

import os
import uuid
from typing import Annotated, Any

from fastapi import FastAPI, HTTPException
from psycopg_pool import ConnectionPool
from pydantic import BaseModel, ConfigDict, Field, model_validator

from benchmarks.celery_stack.tasks import process_batch

app = FastAPI()
pool = ConnectionPool(os.environ["STACK_POSTGRES"], min_size=4, max_size=8, open=True)


class Record(BaseModel):
    """One piece of feedback, with the box's own rules."""

    model_config = ConfigDict(extra="allow")
    id: Annotated[str, Field(min_length=1, max_length=100)]
    summary: str | None = None
    description: str | None = None
    comments: list[str | None] | None = None

    @model_validator(mode="after")
    def has_text(self) -> Record:
        """Raises ValueError when there is nothing to analyse."""
        if not any(text and text.strip() for text in (self.summary, self.description)):
            raise ValueError("summary or description required")
        return self


class Batch(BaseModel):
    """Up to 1,000 records."""

    records: Annotated[list[Record], Field(min_length=1, max_length=1_000)]


@app.post("/api/data-ingest")
def ingest(batch: Batch) -> dict[str, Any]:
    """Stores the batch, then queues its task."""
    job_id = uuid.uuid4()
    with pool.connection() as connection, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO jobs (id, status, total) VALUES (%s, 'queued', %s)", (job_id, len(batch.records))
        )
        with cursor.copy(
            "COPY records (job_id, position, record_id, summary, description) FROM STDIN"
        ) as copy:
            for position, record in enumerate(batch.records):
                copy.write_row((job_id, position, record.id, record.summary, record.description))
    process_batch.delay(str(job_id))
    return {"job_id": str(job_id), "record_count": len(batch.records)}


@app.get("/api/job/{job_id}")
def job(job_id: uuid.UUID) -> dict[str, Any]:
    """The job's status."""
    with pool.connection() as connection:
        row = connection.execute("SELECT status, processed FROM jobs WHERE id = %s", (job_id,)).fetchone()
    if row is None:
        raise HTTPException(404)
    return {"job_id": str(job_id), "status": row[0], "records_processed": row[1]}
