"""How long small requests take while much else goes on: a POST of one record and a GET of a job, in turn
over a steady beat, on an idle box, while it works off a backlog, and while batches come in besides.

The backlog is batches of 1,000 records: 200,000 records, or 1,000,000 with --full; for files see
`upload.py`. The beat does not wait for answers, so a stall is counted whole.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from statistics import median

from benchmarks import boxes, load
from benchmarks.load import Load, Spec, Target
from benchmarks.report import Options, Row

BACKLOG, FULL_BACKLOG = 200, 1_000
"""Batches of 1,000."""
EVERY = 0.01
"""Seconds between requests."""
SECONDS = 2
"""Of a round."""
CONNECTIONS = 16
FIRST_SMALL = 100_000_000
"""Ids of the small requests' records, away from those of the batches."""


def measure(options: Options) -> list[Row]:
    """p50 and p99 of small requests in milliseconds."""
    backlog = FULL_BACKLOG if options.full else BACKLOG
    with boxes.fresh() as box:
        to = boxes.target(box)
        _beat(to, -1)  # starts the children, fills the caches
        idle = [_beat(to, number) for number in range(options.rounds)]
        load.run(Spec(target=to, requests=backlog, batch=1_000, connections=4))
        busy = [_beat(to, options.rounds + number) for number in range(options.rounds)]
        with _batches_coming_in(to, backlog):
            both = [_beat(to, 2 * options.rounds + number) for number in range(options.rounds)]
    on = f"FULL, auth, log INFO; {1 / EVERY:.0f} requests/s, POST of one record and GET of a job in turn"
    rows = []
    for name, rounds, bounded in (
        (f"small requests while {backlog},000 records are worked off", busy, True),
        ("the same while batches of 1,000 come in too", both, True),
    ):
        for share, position in (("p50", 0), ("p99", 1)):
            rows.append(
                Row(
                    name=f"{share} of {name}",
                    unit="ms",
                    rounds=[each[position] for each in rounds],
                    floor_name="the same when idle",
                    floor_rounds=[each[position] for each in idle],
                    bound=3.0 if bounded and share == "p99" else None,
                    bound_is="most",
                    on=on,
                )
            )
    rows.append(
        Row(
            name="p99 of small requests at its worst",
            unit="ms",
            rounds=[max(median(each[1] for each in busy), median(each[1] for each in both))],
            bound=50.0,
            bound_is="most",
            on=on,
        )
    )
    return rows


def _beat(to: Target, number: int) -> tuple[float, float]:
    """p50 and p99 of one round, in milliseconds."""
    requests = int(SECONDS / EVERY)
    probe = load.run(Spec(target=to, requests=1, first=FIRST_SMALL - 1, want_jobs=True)).jobs[0]
    post = Spec(
        target=to,
        requests=requests // 2,
        first=FIRST_SMALL + (number + 1) * requests,
        connections=CONNECTIONS,
        every=2 * EVERY,
    )
    get = Spec(
        target=to,
        requests=requests // 2,
        batch=0,
        path=f"/api/job/{probe}",
        connections=CONNECTIONS,
        every=2 * EVERY,
    )
    with Load(post) as posting, Load(get) as getting:
        posting.start()
        getting.start()
        reports = [each.report().must_have_succeeded() for each in (posting, getting)]
    every = sorted(latency for each in reports for latency in each.latencies)
    return tuple(1000 * every[int(share * len(every))] for share in (0.5, 0.99))  # type: ignore[return-value]


@contextlib.contextmanager
def _batches_coming_in(to: Target, first: int) -> Iterator[None]:
    """One connection sends batch after batch for the time of a block."""
    spec = Spec(
        target=to, requests=FULL_BACKLOG, batch=1_000, first=first * 1_000, seconds=600.0, connections=1
    )
    with Load(spec) as client:
        client.start()
        yield
        client.kill()
