"""What a record, a page of a list, the box's numbers and a scrape of its metrics cost as the store grows:
with 10 times the records already there, and with --full 100 times."""

from __future__ import annotations

from statistics import median

from benchmarks import boxes, endtoend, load
from benchmarks.load import Spec, Target
from benchmarks.report import Options, Row

SIZES, FULL_SIZES = (10, 100), (10, 100, 1_000)
"""Thousands of records in the store before the measured rounds, which add 25 more."""
BATCHES = 5
"""Of 1,000, in a measured round."""
LISTS = 50
PAGES = (
    ("a page of 50 tickets", "/api/tickets?limit=50"),
    ("the box's numbers", "/v1/stats?all=true"),
    ("a scrape of the metrics", "/metrics"),
)


def measure(options: Options) -> list[Row]:
    """Microseconds a record, and milliseconds a page, against those of the smallest store."""
    costs: list[list[float]] = []
    pages: list[list[list[float]]] = []
    sizes = FULL_SIZES if options.full else SIZES
    with boxes.fresh() as box:
        to = boxes.target(box)
        there = 0
        for size in sizes:
            _fill(to, there, size)
            cost: list[float] = []
            page: list[list[float]] = [[] for _ in PAGES]
            for number in range(options.rounds):
                rate = endtoend.records_per_second(to, BATCHES, round_=1_000 + number + 10 * size)
                cost.append(1_000_000 / rate)
                for times, (_, path) in zip(page, PAGES, strict=True):
                    times.append(_page(to, path))
            costs.append(cost)
            pages.append(page)
            there = size + options.rounds * BATCHES
    rows = []
    for size, cost, page in zip(sizes[1:], costs[1:], pages[1:], strict=True):
        grown = f"{size},000 records in the store ({size // sizes[0]} ×)"
        read = [
            (name, "ms", times, first) for (name, _), times, first in zip(PAGES, page, pages[0], strict=True)
        ]
        for name, unit, rounds, floor in (("end to end", "µs/record", cost, costs[0]), *read):
            rows.append(
                Row(
                    name=f"{name} with {grown}",
                    unit=unit,
                    rounds=rounds,
                    floor_name=f"with {sizes[0]},000",
                    floor_rounds=floor,
                    bound=1.15,
                    bound_is="most",
                    on="FULL, auth, log INFO; analysis on",
                )
            )
    return rows


def _fill(to: Target, first: int, upto: int) -> None:
    spec = Spec(
        target=to, requests=upto - first, batch=1_000, first=first * 1_000, connections=4, want_jobs=True
    )
    boxes.wait_jobs(to, load.run(spec).jobs)


def _page(to: Target, path: str) -> float:
    """The median of a round's pages, in milliseconds."""
    report = load.run(Spec(target=to, requests=LISTS, batch=0, path=path))
    return 1_000 * median(report.latencies)
