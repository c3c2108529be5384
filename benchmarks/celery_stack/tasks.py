# mypy: disable-error-code="import-not-found,import-untyped,misc,untyped-decorator"
"""The worker: one task a batch, VADER for summary and description, results by COPY and one UPDATE."""

from __future__ import annotations

import functools
import os

import psycopg
from celery import Celery
from psycopg.types.json import Jsonb
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

app = Celery("feedback", broker=os.environ["STACK_REDIS"])
app.conf.update(
    task_ignore_result=True,
    # A batch that a killed worker held is given to another one.
    task_acks_late=True,
    worker_prefetch_multiplier=1,
)

DECISIVE = 0.05
"""VADER's own threshold between neutral and the rest."""


@functools.cache
def _connection() -> psycopg.Connection[tuple[object, ...]]:
    """One for each worker process, made after the fork."""
    return psycopg.connect(os.environ["STACK_POSTGRES"])


@functools.cache
def _analyser() -> SentimentIntensityAnalyzer:
    return SentimentIntensityAnalyzer()


def _label(score: float) -> str:
    return "positive" if score >= DECISIVE else "negative" if score <= -DECISIVE else "neutral"


@app.task(name="process_batch")
def process_batch(job_id: str) -> None:
    """Analyses a job's records and completes it, in one transaction."""
    connection, analyser = _connection(), _analyser()
    with connection.transaction():
        connection.execute("UPDATE jobs SET status = 'running' WHERE id = %s", (job_id,))
    with connection.transaction(), connection.cursor() as cursor:
        rows = cursor.execute(
            "SELECT position, summary, description FROM records WHERE job_id = %s ORDER BY position",
            (job_id,),
        ).fetchall()
        cursor.execute(
            "CREATE TEMP TABLE results"
            " (position integer, sentiment text, score double precision, fields jsonb) ON COMMIT DROP"
        )
        with cursor.copy("COPY results FROM STDIN") as copy:
            for position, *texts in rows:
                scores = {
                    field: analyser.polarity_scores(text)["compound"]
                    for field, text in zip(("summary", "description"), texts, strict=True)
                    if text
                }
                score = sum(scores.values()) / len(scores) if scores else 0.0
                copy.write_row((position, _label(score), score, Jsonb(scores)))
        cursor.execute(
            "UPDATE records SET sentiment = r.sentiment, score = r.score, fields = r.fields FROM results AS r"
            " WHERE records.job_id = %s AND records.position = r.position",
            (job_id,),
        )
        cursor.execute(
            "UPDATE jobs SET status = 'completed', processed = total, completed_at = now() WHERE id = %s",
            (job_id,),
        )
