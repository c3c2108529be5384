"""What the box holds in memory (PSS of the box and its children), and how long it takes to start."""

from __future__ import annotations

import time

import msgspec

from benchmarks import boxes, load
from benchmarks.load import Spec
from benchmarks.report import Options, Row
from tests.harness import BoxProcess, until

RETIRED_SECONDS = 90.0
"""Children without work end after a minute."""
PENDING, FULL_PENDING = 100, 1_000
"""Batches of 1,000 that are pending at a start."""
BIG_BATCHES, BIG_WORDS = 512, 600
"""With --full: 512 batches of 4 MB, a backlog of 2 GB."""
WATCHED_SECONDS = 30.0


def idle(options: Options) -> list[Row]:
    """An idle box: just started, and after work, when its children have retired."""
    rows = []
    with boxes.fresh() as box:
        started = boxes.megabytes(box)
        to = boxes.target(box)
        jobs = load.run(Spec(target=to, requests=20, batch=1_000, connections=4, want_jobs=True)).jobs
        boxes.wait_jobs(to, jobs)
        working = boxes.megabytes(box)
        until(lambda: not box.children(), "the children retire", RETIRED_SECONDS)
        rows = [
            ("memory of an idle box, just started", started, 90.0),
            ("memory right after work, children included", working, None),
            ("memory of an idle box after work, children retired", boxes.megabytes(box), 90.0),
        ]
    return [
        Row(
            name=name,
            unit="MB",
            rounds=[value],
            bound=bound,
            bound_is="most",
            on="PSS; 20,000 records taken in",
        )
        for name, value, bound in rows
    ]


def backlog(options: Options) -> list[Row]:
    """Start with a backlog; with --full also the memory that 2 GB of it take."""
    rows = [_start(options)]
    if options.full:
        rows += _two_gigabytes()
    return rows


def _start(options: Options) -> Row:
    batches = FULL_PENDING if options.full else PENDING
    seconds = []
    with boxes.fresh(boxes.HELD) as box:
        with boxes.holding_back(box):
            load.run(Spec(target=boxes.target(box), requests=batches, batch=1_000, connections=4))
            box.kill()
        for _ in range(options.rounds):
            seconds.append(seconds_to_ready(box))
            box.kill()
    return Row(
        name=f"start to ready with {batches},000 pending records, after a kill",
        unit="s",
        rounds=seconds,
        bound=5.0,
        bound_is="most",
        on="FULL; until /readyz answers 200",
    )


def seconds_to_ready(box: BoxProcess) -> float:
    """Starts a box that is not running; the seconds until /readyz answers 200."""
    began = time.perf_counter()
    box.start()
    with box.client() as client:
        until(lambda: client.get("/readyz").status_code == 200, "the box is ready")
    return time.perf_counter() - began


def _two_gigabytes() -> list[Row]:
    with boxes.fresh(boxes.HELD) as box:
        taking, working = boxes.Peak(box), boxes.Peak(box)
        with boxes.holding_back(box):
            spec = Spec(
                target=boxes.target(box),
                requests=BIG_BATCHES // 8,
                batch=1_000,
                words=BIG_WORDS,
                connections=2,
            )
            for part in range(8):  # the client makes its requests beforehand, so not all at once
                load.run(msgspec.structs.replace(spec, first=part * spec.requests * 1_000))
                taking.look()
        deadline = time.perf_counter() + WATCHED_SECONDS
        until(
            lambda: working.look() or time.perf_counter() > deadline,
            "watched for a while",
            WATCHED_SECONDS + 10,
        )
    return [
        Row(name=name, unit="MB", rounds=[peak.most], bound=250.0, bound_is="most", on="PSS; the most seen")
        for name, peak in (
            ("memory while 2 GB are taken in", taking),
            (f"memory in the first {WATCHED_SECONDS:.0f} s of working them off", working),
        )
    ]
