"""Files of contacts: rows validated and consolidated per second, what that takes in memory, whether ten times
the rows take ten times as long, and what small requests wait meanwhile.

`python -m benchmarks.contacts FILE ROWS [--faulty PERCENT]` writes such a file alone.
"""

from __future__ import annotations

import csv
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from statistics import median

import click
import httpx2
import msgspec

from benchmarks import boxes, load
from benchmarks.load import Load, Spec, Target
from benchmarks.report import Options, Row, alternate
from ingestbox.model import Role
from ingestbox.store.engine import connect_writer
from tests.harness import BoxProcess, until

SMALL, MIDDLE, LARGE = 10_000, 100_000, 1_000_000
"""Rows of a file; the last with --full alone."""

CONFIG = "[limits]\ncontacts_mb = 200\n"
TARGET_MB = 250.0
TARGET_RATIO = 0.3
COMMIT_ROWS = 1_000
"""Rows in a transaction of the floor."""

FAULTY_PERCENT = 1.0
END_SECONDS = 3_600.0
WATCH_SECONDS = 0.2
EVERY = 0.01
"""Seconds between two small requests."""

BEAT_SECONDS = 2
CONNECTIONS = 16
MOST_BEATS = 60
FIRST_SMALL = 100_000_000

HEADER = ("email", "first_name", "last_name", "company", "phone", "city", "notes")
FIRST_NAMES = ("Anna", "João", "Hương", "Jürgen", "Zoé", "Grace", "Minh", "Inês", "Uwe", "Tom")
LAST_NAMES = ("Nguyễn", "Conceição", "Schäfer", "Lefèvre", "Okafor", "Stone", "Trần", "Magalhães", "Weiß")
COMPANIES = ("Pellwick Bank", "Padaria do Sol", "Bärwald & Söhne", "Atelier d'Été", "Sông Hồng, vận tải")
CITIES = ("London", "São Paulo", "Köln", "Lyon", "Hải Phòng", "Leeds")


class Imported(msgspec.Struct, frozen=True):
    """One import: seconds from the first byte of the file to its end, the rows' outcome, the most memory."""

    seconds: float
    status: str
    issues: int
    most_mb: float


def write(path: Path, rows: int, *, faulty: float = 0.0, seed: int = 1) -> Path:
    """A file of about 100 bytes a row, each with an address of its own; in `faulty` percent of the rows it is
    none."""
    random = Random(seed)
    with path.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(HEADER)
        for number in range(rows):
            wrong = random.random() * 100 < faulty
            lines.writerow(
                (
                    f"person{number}.{seed}{'' if wrong else '@mail.example'}",
                    random.choice(FIRST_NAMES),
                    random.choice(LAST_NAMES),
                    random.choice(COMPANIES),
                    f"+44 {random.randrange(10**9):09}",
                    random.choice(CITIES),
                    f"note {random.randrange(10**9):09}",
                )
            )
    return path


def measure(options: Options) -> list[Row]:
    """Rates, sizes, memory and latency."""
    on = "FULL, auth, log INFO; one file, by POST /jobs/upload, until its job is completed"
    with boxes.scratch() as folder:
        files = {rows: write(folder / f"{rows}.csv", rows) for rows in (SMALL, MIDDLE)}
        wrong = write(folder / "faulty.csv", MIDDLE, faulty=FAULTY_PERCENT)
        every: dict[int, list[Imported]] = {SMALL: [], MIDDLE: []}

        def box(number: int) -> float:
            for rows, path in files.items():
                with boxes.fresh(CONFIG) as fresh:
                    every[rows].append(run(fresh, path, "COMPLETED"))
            return MIDDLE / every[MIDDLE][number].seconds

        floor, rates = alternate(options.rounds, lambda _: bare(folder, files[MIDDLE]), box)
        refused = []
        for _ in range(options.rounds):
            with boxes.fresh(CONFIG) as fresh:
                refused.append(run(fresh, wrong, "NEEDS_REVIEW"))
        rows = [
            Row(
                name=f"contacts: rows validated and consolidated, of {MIDDLE:,}",
                unit="rows/s",
                rounds=rates,
                floor_name="csv of the standard library and a bare SQLite insert, FULL",
                floor_rounds=floor,
                bound=TARGET_RATIO,
                on=on,
            ),
            Row(
                name=f"the same until review: {FAULTY_PERCENT:g} % have no address",
                unit="rows/s",
                rounds=[MIDDLE / each.seconds for each in refused],
                floor_name="csv of the standard library and a bare SQLite insert, FULL",
                floor_rounds=floor,
                on=f"{on} or waits for a person; {refused[0].issues:,} issues",
            ),
            _linear(every, SMALL, MIDDLE),
            _memory(MIDDLE, every[MIDDLE]),
        ]
        largest = files[MIDDLE]
        if options.full:
            largest = write(folder / f"{LARGE}.csv", LARGE)
            with boxes.fresh(CONFIG) as fresh:
                every[LARGE] = [run(fresh, largest, "COMPLETED")]
            floors = [bare(folder, largest)]
            rows += [
                msgspec.structs.replace(
                    rows[0],
                    name=f"the same, of {LARGE:,}",
                    rounds=[LARGE / each.seconds for each in every[LARGE]],
                    floor_rounds=floors,
                ),
                _linear(every, MIDDLE, LARGE),
                _memory(LARGE, every[LARGE]),
            ]
        return rows + _latency(options, largest, LARGE if options.full else MIDDLE)


def run(box: BoxProcess, path: Path, wanted: str) -> Imported:
    """Imports a file. Raises RuntimeError when its job does not end as it is wanted."""
    with httpx2.Client(
        base_url=box.url,
        headers={"Authorization": f"Bearer {box.token(Role.UPLOADER)}"},
        timeout=END_SECONDS,
        trust_env=False,
    ) as client:
        with _watched(box) as peak:
            began = time.perf_counter()
            job_id = _upload(client, path)
            job = until(lambda: _rests(client, job_id), f"job {job_id} rests", END_SECONDS)
            seconds = time.perf_counter() - began
        if job["job_status"] != wanted:
            raise RuntimeError(f"the import is {job['job_status']}: {job['job_error']}")
        return Imported(seconds, str(job["job_status"]), int(job["job_issue_count"]), peak.most)  # type: ignore[call-overload]


def bare(folder: Path, path: Path) -> float:
    """Rows a second of what has to be done at least: reading the file, and storing its rows durably."""
    target = folder / "bare.db"
    connection = connect_writer(target)
    try:
        connection.execute(f"CREATE TABLE rows ({', '.join(f'{name} TEXT' for name in HEADER)})")
        insert = f"INSERT INTO rows VALUES ({', '.join('?' * len(HEADER))})"
        began = time.perf_counter()
        count = 0
        with path.open(encoding="utf-8", newline="") as file:
            lines = csv.reader(file)
            next(lines)
            while part := [line for line, _ in zip(lines, range(COMMIT_ROWS), strict=False)]:
                connection.execute("BEGIN IMMEDIATE")
                connection.executemany(insert, part)
                connection.execute("COMMIT")
                count += len(part)
        return count / (time.perf_counter() - began)
    finally:
        connection.close()
        for left in folder.glob("bare.db*"):
            left.unlink()


def _upload(client: httpx2.Client, path: Path) -> int:
    with path.open("rb") as file:
        answer = client.post("/jobs/upload", files={"file": (path.name, file)})
    if answer.status_code != 201:
        raise RuntimeError(f"{answer.status_code}: {answer.text}")
    return int(answer.json()["job_id"])


def _rests(client: httpx2.Client, job_id: int) -> dict[str, object] | None:
    job: dict[str, object] = client.get(f"/jobs/{job_id}").raise_for_status().json()
    return None if job["job_status"] in ("PENDING", "PROCESSING") else job


@contextmanager
def _watched(box: BoxProcess) -> Iterator[boxes.Peak]:
    """What box and children hold at most in the block, looked at five times a second."""
    peak, over = boxes.Peak(box), threading.Event()

    def look() -> None:
        while not over.wait(WATCH_SECONDS):
            peak.look()

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield peak
    finally:
        over.set()
        watcher.join()


def _linear(every: dict[int, list[Imported]], few: int, many: int) -> Row:
    return Row(
        name=f"a row's cost: {many:,} rows to {few:,}",
        unit="µs",
        rounds=[each.seconds / many * 1e6 for each in every[many]],
        floor_name=f"the same of {few:,}",
        floor_rounds=[each.seconds / few * 1e6 for each in every[few]],
        bound=1.15,
        bound_is="most",
        on="seconds until the job is completed, by row",
    )


def _memory(rows: int, found: list[Imported]) -> Row:
    return Row(
        name=f"memory of box and children while {rows:,} contacts are imported",
        unit="MB",
        rounds=[each.most_mb for each in found],
        bound=TARGET_MB,
        bound_is="most",
        on="PSS, the most seen, five looks a second",
    )


def _latency(options: Options, path: Path, count: int) -> list[Row]:
    """Small requests while the file is worked off, against the same when idle."""
    with boxes.fresh(CONFIG) as box:
        to = boxes.target(box)
        _beat(to, -1)  # starts the children, fills the caches
        idle = [_beat(to, number) for number in range(options.rounds)]
        ended = threading.Event()
        failed: list[BaseException] = []

        def work() -> None:
            try:
                run(box, path, "COMPLETED")
            except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
                failed.append(error)
            finally:
                ended.set()

        worker = threading.Thread(target=work)
        worker.start()
        busy: list[tuple[float, float]] = []
        while not ended.is_set() and len(busy) < MOST_BEATS:
            busy.append(_beat(to, options.rounds + len(busy)))
        worker.join()
        if failed:
            raise failed[0]
    on = f"FULL, auth, log INFO; {1 / EVERY:.0f} requests/s, GET /healthz and POST of one ticket in turn"
    share = Row(
        name=f"p99 of small requests while {count:,} contacts are imported",
        unit="ms",
        rounds=[each[1] for each in busy],
        floor_name="the same when idle",
        floor_rounds=[each[1] for each in idle],
        bound=3.0,
        bound_is="most",
        on=f"{on}; {len(busy)} rounds of {BEAT_SECONDS} s, from the first byte of the file to its end",
    )
    return [
        msgspec.structs.replace(
            share,
            name=share.name.replace("p99", "p50"),
            rounds=[each[0] for each in busy],
            floor_rounds=[each[0] for each in idle],
            bound=None,
        ),
        share,
        Row(
            name="the same p99 in milliseconds",
            unit="ms",
            rounds=[median(each[1] for each in busy)],
            bound=50.0,
            bound_is="most",
            on=f"{on}; the worst round: {max(each[1] for each in busy):.0f} ms",
        ),
    ]


def _beat(to: Target, number: int) -> tuple[float, float]:
    """p50 and p99 of one round, in milliseconds."""
    requests = int(BEAT_SECONDS / EVERY / 2)
    post = Spec(
        target=to,
        requests=requests,
        first=FIRST_SMALL + (number + 1) * requests,
        connections=CONNECTIONS,
        every=2 * EVERY,
    )
    get = Spec(
        target=to, requests=requests, batch=0, path="/healthz", connections=CONNECTIONS, every=2 * EVERY
    )
    with Load(post) as posting, Load(get) as getting:
        posting.start()
        getting.start()
        reports: list[load.Report] = [each.report().must_have_succeeded() for each in (posting, getting)]
    every = sorted(latency for each in reports for latency in each.latencies)
    return 1000 * every[len(every) // 2], 1000 * every[int(0.99 * len(every))]


@click.command()
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path))
@click.argument("rows", type=click.IntRange(1, 16_777_216))
@click.option("--faulty", type=click.FloatRange(0, 100), default=0.0, help="Percent without an address.")
@click.option("--seed", default=1, show_default=True, help="Another one makes other addresses.")
def main(path: Path, rows: int, faulty: float, seed: int) -> None:
    """Writes a file of contacts."""
    write(path, rows, faulty=faulty, seed=seed)


if __name__ == "__main__":
    main()
