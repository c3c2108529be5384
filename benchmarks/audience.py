"""Batches of 50,000 audience records: how fast they are taken in, processed and read whole, what that takes
in memory, and what small requests wait while such batches come, are read, exported, filtered and deleted.

`python -m benchmarks.audience FILE RECORDS` writes such a batch alone.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random
from urllib.parse import quote

import click
import httpx2
import msgspec

from benchmarks import boxes
from benchmarks.load import Load, Spec, Target
from benchmarks.report import Options, Row, alternate
from benchmarks.upload import watched
from ingestbox.store.engine import connect_writer
from tests.harness import BoxProcess, until

RECORDS = 50_000
"""The most of a batch, as the box comes: 4.4 MB of them."""

MANY, MANY_MB = 200_000, 64
"""With --full: MAX_BATCH_SIZE raised, and what a body may have."""

CONFIG = f"[limits]\naudience_records = {MANY}\naudience_mb = {MANY_MB}\n"
PATH = "/api/audience/batch-upload"
FILTER = {
    "all": [{"field": "company", "op": "=", "value": "padaria"}, {"field": "score", "op": ">", "value": 90}]
}
TARGET_MB = 250.0
COMMIT_ROWS = 1_000
"""Rows in a transaction of the floor."""

REPEATED = 0.1
"""Of the records, with the address of an earlier one."""

END_SECONDS = 3_600.0
EVERY = 0.05
"""Seconds between two small requests of a sort."""

BEAT_SECONDS = 4
MOST_BEATS = 15
CONNECTIONS = 16
SMALL = 10
"""Records of a small batch."""

FIRST_SMALL = 100_000_000

FIRST_NAMES = ("Anna", "João", "Hương", "Jürgen", "Zoé", "Grace", "Minh", "Inês", "Uwe", "Tom")
COMPANIES = ("Pellwick", "Padaria", "Bärwald", "Atelier", "Sông Hồng")
SERVICES = ("gmail.com", "pellwick.example", "mailinator.com", "baerwald.example", "outlook.com")


class Done(msgspec.Struct, frozen=True):
    """One batch: seconds to its answer, from there until all of it is processed, and to read it whole; the
    most memory of the box's own process (RSS) and of its children (PSS), in MB."""

    taken: float
    processed: float
    read: float
    most_mb: float
    children_mb: float


def batch(count: int, *, seed: int = 1, name: str = "Fair") -> bytes:
    """A body of so many records of about 88 bytes each."""
    random = Random(seed)
    made = []
    for number in range(count):
        who = random.randrange(number) if number and random.random() < REPEATED else number
        record = {
            "email": f"p{who}.{seed}@{SERVICES[who % len(SERVICES)]}",
            "first_name": random.choice(FIRST_NAMES),
            "company": random.choice(COMPANIES),
            "score": random.randrange(100),
        }
        made.append(msgspec.json.encode(record))
    return b'{"upload_name":%s,"records":[%s]}' % (msgspec.json.encode(name), b",".join(made))


def measure(options: Options) -> list[Row]:
    """Rates, memory and latency."""
    rows = _sizes(options, RECORDS)
    if options.full:
        rows += _sizes(options, MANY)
    return rows + _latency(options)


def _sizes(options: Options, count: int) -> list[Row]:
    body = batch(count)
    done: list[Done] = []
    with boxes.scratch() as folder, boxes.fresh(CONFIG) as box:

        def post(number: int) -> float:
            done.append(run(box, body))
            return count / done[number].taken

        floor, rates = alternate(options.rounds, lambda _: bare(folder, body), post)
    on = f"FULL, auth, log INFO; one body of {len(body) / 1e6:.1f} MB"
    taken = Row(
        name=f"audience: a batch of {count:,} taken in",
        unit="records/s",
        rounds=rates,
        floor_name="its records decoded raw, and a bare SQLite insert, FULL",
        floor_rounds=floor,
        on=f"{on}; until the 200",
    )
    held = f"{on}; taken in, processed, and read whole"
    return [
        taken,
        msgspec.structs.replace(
            taken,
            name="the same until all are processed",
            rounds=[count / (each.taken + each.processed) for each in done],
            on=f"{on}; until the job is completed: results, duplicates, deliveries",
        ),
        msgspec.structs.replace(
            taken, name="the same read whole", rounds=[count / each.read for each in done], on=on
        ),
        Row(
            name=f"memory of the box's process, batches of {count:,}",
            unit="MB",
            rounds=[done[-1].most_mb],
            bound=TARGET_MB if count == RECORDS else None,
            bound_is="most",
            on=f"RSS, the kernel's own peak of {len(done)} batches; {held}",
        ),
        Row(
            name="memory of its children meanwhile",
            unit="MB",
            rounds=[each.children_mb for each in done],
            on=f"PSS, the most seen; {held}",
        ),
    ]


def run(box: BoxProcess, body: bytes) -> Done:
    """One batch from its first byte until it was read whole."""
    with watched(box) as peak, _client(box) as client:
        began = time.perf_counter()
        upload_id = _post(client, body)
        taken = time.perf_counter()
        until(lambda: _completed(client, upload_id), "all is processed", END_SECONDS)
        processed = time.perf_counter()
        _read(client, f"{PATH}/{upload_id}")
        read = time.perf_counter()
    return Done(taken - began, processed - taken, read - processed, *peak)


class _Raw(msgspec.Struct):
    records: list[msgspec.Raw]


def bare(folder: Path, body: bytes) -> float:
    """Records a second of what has to be done at least: decoding the body, storing each record durably."""
    path = folder / "bare.db"
    connection = connect_writer(path)
    try:
        connection.execute("CREATE TABLE records (id INTEGER PRIMARY KEY, payload BLOB NOT NULL)")
        began = time.perf_counter()
        found = msgspec.json.decode(body, type=_Raw).records
        for first in range(0, len(found), COMMIT_ROWS):
            part = [(bytes(raw),) for raw in found[first : first + COMMIT_ROWS]]
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT INTO records (payload) VALUES (?)", part)
            connection.execute("COMMIT")
        return len(found) / (time.perf_counter() - began)
    finally:
        connection.close()
        for left in folder.glob("bare.db*"):
            left.unlink()


def _latency(options: Options) -> list[Row]:
    """Small requests while large batches come and go, against the same when nothing else does."""
    with boxes.scratch() as folder, boxes.fresh(CONFIG) as box:
        to, small = boxes.target(box), folder / "small.json"
        small.write_bytes(batch(SMALL, seed=2, name="Small"))
        _beat(to, small, -1)  # starts the children, fills the caches
        idle = [_beat(to, small, number) for number in range(options.rounds)]
        with _coming_and_going(box, batch(RECORDS)) as done:
            busy: list[dict[str, tuple[float, float]]] = []
            # Until the first ones are deleted, so that whatever is done to a batch has its share.
            while len(busy) < options.rounds or (not done["deleted"] and len(busy) < MOST_BEATS):
                busy.append(_beat(to, small, options.rounds + len(busy)))
            deeds = ", ".join(f"{number} × {what}" for what, number in done.items())
    rows = []
    on = f"FULL, auth, log INFO; a request of each sort every {1000 * EVERY:.0f} ms; meanwhile {deeds}"
    for sort in idle[0]:
        for position, share in enumerate(("p50", "p99")):
            rows.append(
                Row(
                    name=f"{share} of {sort} meanwhile",
                    unit="ms",
                    rounds=[each[sort][position] for each in busy],
                    floor_name="the same when idle",
                    floor_rounds=[each[sort][position] for each in idle],
                    bound=3.0 if share == "p99" else None,
                    bound_is="most",
                    on=on,
                )
            )
    return rows


def _beat(to: Target, small: Path, number: int) -> dict[str, tuple[float, float]]:
    """p50 and p99 of one round in milliseconds, for each sort of request."""
    count = int(BEAT_SECONDS / EVERY)
    common = Spec(target=to, requests=count, connections=CONNECTIONS, every=EVERY)
    change = msgspec.structs.replace
    feedback = FIRST_SMALL + (number + 1) * count * SMALL
    specs = {
        "GET /health": change(common, path="/health", batch=0),
        f"POST of {SMALL} tickets": change(common, batch=SMALL, first=feedback),
        f"POST of {SMALL} audience records": change(
            common, path=PATH, files=[(str(small), {"Content-Type": "application/json"})] * count
        ),
    }
    found = {}
    with ExitStack() as stack:
        loads = {sort: stack.enter_context(Load(spec)) for sort, spec in specs.items()}
        for load in loads.values():
            load.start()
        for sort, load in loads.items():
            report = load.report().must_have_succeeded()
            found[sort] = (1000 * report.percentile(0.5), 1000 * report.percentile(0.99))
    return found


@contextmanager
def _coming_and_going(box: BoxProcess, body: bytes) -> Iterator[Counter[str]]:
    """One client after the other posts a batch, two at a time, for the time of a block: once it is processed,
    it is read whole, exported, filtered and deleted. What was done is counted."""
    over, done, failed = threading.Event(), Counter[str](), list[BaseException]()

    def steps(client: httpx2.Client) -> Iterator[str]:
        upload_id = _post(client, body)
        yield "posted"
        until(lambda: over.is_set() or _completed(client, upload_id), "all is processed", END_SECONDS)
        yield "processed"
        filtered = f"?limit=500&filter={quote(msgspec.json.encode(FILTER))}"
        for what, rest in (
            ("read", ""),
            ("as CSV", ".csv"),
            ("as NDJSON", ".ndjson"),
            ("filtered", filtered),
        ):
            _read(client, f"{PATH}/{upload_id}{rest}")
            yield what
        client.delete(f"{PATH}/{upload_id}").raise_for_status()
        yield "deleted"

    def work() -> None:
        try:
            with _client(box) as client:
                while not over.is_set():
                    for what in steps(client):
                        if over.is_set():
                            return
                        done[what] += 1
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            failed.append(error)
            done["deleted"] += 1  # nobody is to wait for more

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    try:
        yield done
    finally:
        over.set()
        for worker in workers:
            worker.join()
    if failed:
        raise failed[0]


def _client(box: BoxProcess) -> httpx2.Client:
    headers = {"Authorization": f"Bearer {box.token()}"}
    return httpx2.Client(base_url=box.url, headers=headers, timeout=END_SECONDS, trust_env=False)


def _post(client: httpx2.Client, body: bytes) -> str:
    answer = client.post(PATH, content=body, headers={"Content-Type": "application/json"})
    if answer.status_code != 200:
        raise RuntimeError(f"{answer.status_code}: {answer.text[:300]}")
    return str(answer.json()["upload_id"])


def _completed(client: httpx2.Client, upload_id: str) -> bool:
    return bool(client.get(f"/v1/jobs/{upload_id}").raise_for_status().json()["state"] == "completed")


def _read(client: httpx2.Client, path: str) -> None:
    """Reads an answer to its end without looking at it: what is measured is the box."""
    with client.stream("GET", path) as answer:
        answer.raise_for_status()
        for _ in answer.iter_raw():
            pass


@click.command()
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path))
@click.argument("records", type=click.IntRange(1, 1_000_000))
@click.option("--seed", default=1, show_default=True, help="Another one makes other addresses.")
def main(path: Path, records: int, seed: int) -> None:
    """Writes a batch."""
    path.write_bytes(batch(records, seed=seed))


if __name__ == "__main__":
    main()
