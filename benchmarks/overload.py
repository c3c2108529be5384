"""Far more than the box can take: what it accepts meanwhile, what it refuses, and what memory it takes."""

from __future__ import annotations

import threading

from benchmarks import boxes
from benchmarks.report import Options, Row
from tests.faults.overload import BATCHES, LARGE, Overload, megabytes

SECONDS, FULL_SECONDS = 10.0, 60.0
LOOK_SECONDS = 0.05


def measure(options: Options) -> list[Row]:
    """48 connections with batches of 1,000 and 16 with bodies of 16 MB, none of which heeds Retry-After."""
    seconds = FULL_SECONDS if options.full else SECONDS
    with boxes.fresh() as box:
        before = most = megabytes(box)
        end = threading.Event()
        timer = threading.Timer(seconds, end.set)
        with Overload(box) as load:
            timer.start()
            while not end.wait(LOOK_SECONDS):
                most = max(most, megabytes(box))
        box.kill()
    if load.wrong:
        raise RuntimeError(f"an answer that is none: {load.wrong[0][:500]}")
    refused = sum(number for (_, status), number in load.answers.items() if status != 200)
    on = f"FULL; {BATCHES} connections with batches, {LARGE} with 16 MB; {seconds:g} s; authentication on"
    return [
        Row(
            name="accepted under an overload",
            unit="records/s",
            rounds=[sum(load.jobs.values()) / seconds],
            on=f"{on}; {refused} requests refused with Retry-After",
        ),
        Row(
            name="memory that an overload adds to the box",
            unit="MB",
            rounds=[most - before],
            bound=250.0,
            bound_is="most",
            on=f"RSS of the box without its children; {on}",
        ),
    ]
