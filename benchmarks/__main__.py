"""`python -m benchmarks [names…] [--full] [--json]`: floors and box in one run, ratios, medians."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable

import click

from benchmarks import (
    accept,
    analysis,
    audience,
    backup,
    binary,
    contacts,
    draining,
    endtoend,
    forwarding,
    growth,
    knowledge,
    latency,
    memory,
    overload,
    postgres,
    reads,
    search,
    tabular,
    upload,
)
from benchmarks.report import ROUNDS, Options, Row, Unavailable, as_json, as_table

BENCHMARKS: dict[str, Callable[[Options], list[Row]]] = {
    "batches": accept.batches,
    "singles": accept.singles,
    "endtoend": endtoend.measure,
    "sentiment": analysis.scores,
    "bell": analysis.bells,
    "latency": latency.measure,
    "growth": growth.measure,
    "forwarding": forwarding.measure,
    "draining": draining.measure,
    "postgres": postgres.measure,
    "reads": reads.measure,
    "search": search.measure,
    "backup": backup.measure,
    "backlog": memory.backlog,
    "memory": memory.idle,
    "binary": binary.measure,
    "overload": overload.measure,
    "tabular": tabular.measure,
    "upload": upload.measure,
    "contacts": contacts.measure,
    "audience": audience.measure,
    "knowledge": knowledge.measure,
}


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(list(BENCHMARKS)))
@click.option("--full", is_flag=True, help="The full sizes of the targets; takes much longer.")
@click.option("--rounds", default=ROUNDS, show_default=True, help="Rounds of which medians are taken.")
@click.option("--json", "machine", is_flag=True, help="Every single round, as JSON.")
def main(names: tuple[str, ...], full: bool, rounds: int, machine: bool) -> None:
    """Measures the box against its floors. Without NAMES, everything."""
    # As an exception, so that boxes, servers and folders go when the run is ended from outside.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    # A box that is forked, as in tests, starts sooner than a program does, and shares its memory.
    os.environ["TESTS_FORK"] = "0"
    options = Options(full=full, rounds=rounds)
    rows: list[Row] = []
    failures: list[tuple[str, str]] = []
    for name in names or BENCHMARKS:
        began = time.perf_counter()
        print(f"{name} …", end=" ", file=sys.stderr, flush=True)
        try:
            rows += BENCHMARKS[name](options)
        except Unavailable as error:
            failures.append((name, str(error)))
        print(f"{time.perf_counter() - began:.0f} s", file=sys.stderr)
    if machine:
        print(as_json(rows, failures).decode())
    else:
        as_table(rows, failures)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
