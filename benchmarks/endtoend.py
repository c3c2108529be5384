"""Feedback from the first POST until every job is completed, with analysis: the box against FastAPI, Celery,
Redis, PostgreSQL and VADER with two worker processes, which do the same to the same texts."""

from __future__ import annotations

import time

from benchmarks import boxes
from benchmarks.celery_stack import stack
from benchmarks.load import Load, Spec, Target
from benchmarks.report import Options, Row, alternate

BATCHES = 20
"""Batches of 1,000 in a round: 20,000 records."""
WARM_UP = 2
CONNECTIONS = 4
WORKERS = 2


def measure(options: Options) -> list[Row]:
    """Records a second, end to end."""
    with stack.running(WORKERS) as floor_to, boxes.fresh() as box:
        to = boxes.target(box)
        # Both have their processes started and warm before the first round.
        records_per_second(floor_to, WARM_UP, round_=options.rounds)
        records_per_second(to, WARM_UP, round_=options.rounds)
        floor, rates = alternate(
            options.rounds,
            lambda number: records_per_second(floor_to, BATCHES, round_=number),
            lambda number: records_per_second(to, BATCHES, round_=number),
        )
    return [
        Row(
            name="feedback end to end",
            unit="records/s",
            rounds=rates,
            floor_name=f"FastAPI + Celery + Redis + PostgreSQL + VADER, {WORKERS} workers, no auth",
            floor_rounds=floor,
            bound=10.0,
            on=f"FULL, auth, log INFO; {BATCHES} batches of 1,000; analysis on",
        )
    ]


def records_per_second(to: Target, batches: int, *, round_: int, size: int = 1_000) -> float:
    """Posts the batches and waits for their jobs; every round has ids of its own."""
    spec = Spec(
        target=to,
        requests=batches,
        batch=size,
        first=round_ * 1_000_000,
        connections=CONNECTIONS,
        want_jobs=True,
    )
    with Load(spec) as client:
        began = time.perf_counter()
        report = client.run()
        boxes.wait_jobs(to, report.jobs)
        return batches * size / (time.perf_counter() - began)
