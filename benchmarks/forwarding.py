"""How fast a box drains its deliveries over loopback: to a bare sink, and to a second box.

The floor is a bare POST of the very bodies that the box sent, over one connection, to the same upstream:
the sink, or another new box. A new lane starts before the first delivery there is, so each round is a lane
with a name of its own on a box that is started anew.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from benchmarks import boxes, load
from benchmarks.load import REPOSITORY, Spec, Target
from benchmarks.report import Options, Row
from benchmarks.sink import PASSED_ON, Seen
from ingestbox.model import Role
from tests.harness import BoxProcess, until

BATCHES, FULL_BATCHES = 30, 200
"""Of 1,000 records, each a delivery."""
PATIENCE = 300.0

Sent = list[tuple[str, dict[str, str]]]
"""The bodies that the box sent, as files, and the headers that go with each."""


def measure(options: Options) -> list[Row]:
    """Megabytes a second, before compression."""
    batches = FULL_BATCHES if options.full else BATCHES
    with boxes.scratch() as folder, boxes.fresh() as edge:
        to = boxes.target(edge)
        jobs = load.run(
            Spec(target=to, requests=batches, batch=1_000, connections=4, want_jobs=True)
        ).jobs
        boxes.wait_jobs(to, jobs)
        total = batches * 1_000
        bodies = _bodies(edge, folder, total)
        size = _uncompressed(edge) / 1_000_000
        sink_floor, to_sink, box_floor, to_box = [], [], [], []
        for number in range(options.rounds):
            with sink() as (url, _):
                sink_floor.append(size / _post(Target(url), bodies))
                to_sink.append(size / _drain(edge, f"sink{number}", Target(url), total))
            with boxes.fresh() as central:
                box_floor.append(size / _post(boxes.target(central, Role.FORWARDER), bodies))
            with boxes.fresh() as central:
                upstream = boxes.target(central, Role.FORWARDER)
                to_box.append(size / _drain(edge, f"box{number}", upstream, total))
    on = f"FULL on both, auth, zstd; {total:,} deliveries of {1_000_000 * size / total:.0f} bytes"
    return [
        _row("forwarding drain to a bare sink", to_sink, sink_floor, on),
        _row("forwarding drain to a second box", to_box, box_floor, on),
        Row(name="forwarding drain, uncompressed", unit="MB/s", rounds=to_box, bound=20.0, on=on),
    ]


def _row(name: str, rounds: list[float], floor: list[float], on: str) -> Row:
    return Row(
        name=name,
        unit="MB/s",
        rounds=rounds,
        floor_name="bare POST of the same bodies",
        floor_rounds=floor,
        bound=0.5,
        on=on,
    )


@contextlib.contextmanager
def sink(folder: Path | None = None) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A bare sink's address and process; bodies are kept in `folder`."""
    command = [sys.executable, "-m", "benchmarks.sink", *([str(folder)] if folder else [])]
    with (boxes.scratch() as place, (place / "seen").open("w+b") as seen):
        process = subprocess.Popen(command, cwd=REPOSITORY, stdout=seen)
        try:
            url = until(lambda: (place / "seen").read_text().partition("\n")[0], "the sink listens")
            yield url, process
        finally:
            process.kill()
            process.wait()
