"""What feedback's reads cost at 1,000,000 tickets, against 10,000 of them; and what one more ticket costs.

The tickets are put straight into the store by the program's own statement, as a central box has them: two
languages, three years of days, entities of which few are frequent and many are rare.
"""

from __future__ import annotations

import itertools
import json
import random
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import msgspec

from benchmarks import boxes, filling, load, texts
from benchmarks.load import Spec, Target
from benchmarks.report import Options, Row
from ingestbox import families
from ingestbox.clock import SystemClock, iso
from ingestbox.families.feedback.columns import LABELS, columns
from ingestbox.store import DATABASE, load_queries
from ingestbox.store.engine import connect_writer
from ingestbox.store.unit import Tx
from tests.harness import BoxProcess

SIZES, FULL_SIZES = (10_000, 100_000), (10_000, 1_000_000)
CHUNK = 100
MEASURED = 50
"""Chunks whose puts are measured, the last ones."""

READS = 40
"""Of each kind in a round."""

TARGET_MS = 50.0
TARGET_US = 100.0
DAYS = 1_095
DAY_MS = 86_400_000
MODELS = 2_000
"""Different tickets, whose copies differ in id, time and what they name."""

NAMES = 20_000
VIETNAMESE = (
    "Giao hàng quá chậm, tôi rất thất vọng với cửa hàng ở Hà Nội và sẽ không mua lại lần nữa.",
    "Sản phẩm rất tốt, đóng gói cẩn thận, nhân viên nhiệt tình, tôi rất hài lòng và sẽ mua lại.",
    "Tôi muốn hỏi về đơn hàng đặt hôm qua, hiện nay vẫn chưa thấy cập nhật trạng thái trên ứng dụng.",
)


def measure(options: Options) -> list[Row]:
    """Milliseconds an answer at the larger size, with the ratio to the smaller; and microseconds a put."""
    sizes = FULL_SIZES if options.full else SIZES
    now = SystemClock().now_ms()
    with boxes.scratch() as folder:
        box = BoxProcess(folder)
        try:
            box.start()  # makes the store
            costs, reads = [], []
            there = 0
            for size in sizes:
                box.stop()
                costs.append(_fill(box.data, there, size, now))
                there = size
                box.start()
                reads.append(_rounds(boxes.target(box), now, options.rounds))
        finally:
            box.close()
    on = "auth, log INFO; one connection"
    with_ = f"with {sizes[-1]:,} tickets"
    rows = [
        Row(
            name=f"{name} {with_}",
            unit="ms",
            rounds=many,
            floor_name=f"with {sizes[0]:,}",
            floor_rounds=few,
            on=on,
        )
        for name, many, few in ((name, reads[-1][name], reads[0][name]) for name in reads[0])
    ]
    slowest = max(reads[-1], key=lambda name: median(reads[-1][name]))
    rows.append(
        Row(
            name=f"the slowest of these: {slowest}",
            unit="ms",
            rounds=reads[-1][slowest],
            bound=TARGET_MS,
            bound_is="most",
            on=on,
        )
    )
    rows.append(
        Row(
            name=f"a put {with_}, full text, entities and tallies included",
            unit="µs/ticket",
            rounds=costs[-1],
            floor_name=f"up to {sizes[0]:,}",
            floor_rounds=costs[0],
            on=f"chunks of {CHUNK}; processor time of the writer's thread, without the commit",
        )
    )
    return rows


def _paths(now: int) -> dict[str, str]:
    half, year = ((iso(now - days * DAY_MS) or "")[:10] for days in (DAYS // 2, 365))
    ten = (iso(now - 3_600 * DAY_MS) or "")[:10]
    return {
        "50 tickets": "/api/tickets?limit=50",
        "500 tickets": "/api/tickets?limit=500",
        "50 from the middle": f"/api/tickets?limit=50&end_date={half}",
        "50 of a sentiment": "/api/tickets?limit=50&sentiment=negative",
        "50 of sentiment, language and half the time": (
            f"/api/tickets?limit=50&sentiment=neutral&language=vi&end_date={half}"
        ),
        "50 that name the most frequent": "/api/tickets?limit=50&entity=name 0",
        "50 of these of a sentiment and a year": (
            f"/api/tickets?limit=50&entity=name 0&sentiment=negative&start_date={year}"
        ),
        "one ticket": "/api/tickets/T-7",
        "30 days by sentiment": "/api/sentiment/overview",
        "ten years by sentiment": f"/api/sentiment/overview?start_date={ten}",
        "the top 50 entities": "/api/entities/top",
        "the top 500 entities": "/api/entities/top?limit=500",
        "the top 50 of a label": "/api/entities/top?label=PERSON",
        "the dashboard of a year": f"/api/dashboard/metrics?start_date={year}",
    }


def _rounds(to: Target, now: int, rounds: int) -> dict[str, list[float]]:
    """Of each read the medians of the rounds, in milliseconds."""
    found: dict[str, list[float]] = {name: [] for name in _paths(now)}
    for _ in range(rounds):
        for name, path in _paths(now).items():
            spec = Spec(target=to, requests=READS, batch=0, path=path.replace(" ", "%20"))
            report = load.run(spec)
            assert not report.refused, (name, report.refused)
            found[name].append(1_000 * median(report.latencies))
    return found


def _fill(folder: Path, first: int, upto: int, now: int) -> list[float]:
    """Puts tickets into a store that nobody has open; gives microseconds a put of the last chunks."""
    rows = _tickets(first, upto, now)
    filling.fill(folder, itertools.islice(rows, upto - first - MEASURED * CHUNK))
    queries = load_queries({name: family.queries for name, family in families.load().items()})
    connection = connect_writer(folder / DATABASE)
    connection.execute("PRAGMA synchronous = OFF")
    tx = Tx(connection, queries)
    costs: list[float] = []
    try:
        while chunk := list(itertools.islice(rows, CHUNK)):
            connection.execute("BEGIN IMMEDIATE")
            began = time.thread_time()
            tx.many("feedback.put_ticket", chunk)
            costs.append(1_000_000 * (time.thread_time() - began) / len(chunk))
            connection.execute("COMMIT")
    finally:
        connection.close()
    return costs


def _tickets(first: int, upto: int, now: int) -> Iterator[dict[str, object]]:
    """What is put, in the order of time; each stretch is spread over the same days."""
    rng = random.Random(first)
    models = list(_models(rng))
    for number in range(first, upto):
        record, result, found = models[rng.randrange(MODELS)]
        at = now - DAYS * DAY_MS + (number - first) * DAYS * DAY_MS // (upto - first)
        yield {
            **found,
            "entities": json.dumps(_entities(rng)),
            "workspace": "default",
            "origin": "b0123456789abcdef",
            "object_id": f"T-{number}",
            "version": 1,
            "record_id": 0,
            "job_id": "01990000-0000-7000-8000-000000000000",
            "at_ms": at,
            "result": result,
            "record": record,
            "crc": zlib.crc32(result + record),
        }


def _models(rng: random.Random) -> Iterator[tuple[bytes, bytes, dict[str, str | int | float | None]]]:
    for record in texts.tickets(1, MODELS):
        language = rng.choice(["vi", "vi", "vi", "en", "en", "other"])
        if language == "vi":
            record["summary"] = rng.choice(VIETNAMESE)[:40]
            record["description"] = " ".join(rng.choices(VIETNAMESE, k=3))
        sentiment = rng.choice(["positive", "negative", "negative", "neutral"])
        fields = [
            {"field": field, "sentiment": sentiment, "confidence": 0.8, "language": language}
            for field in ("summary", "description")
        ]
        result = {
            "sentiment": sentiment,
            "score": round(rng.uniform(-1, 1), 4),
            "trend": "stable",
            "language": language,
            "fields": fields,
            "entities": [],
            "keywords": ["order", "delivery"],
            "steps": {"sentiment": "builtin"},
        }
        yield msgspec.json.encode(record), msgspec.json.encode(result), columns(record, result)


def _entities(rng: random.Random) -> dict[str, str]:
    """None to five: of a few thousand that are frequent in different degrees, and one in five is unique."""
    found: dict[str, str] = {}
    for _ in range(rng.randrange(6)):
        label = rng.choice(LABELS)
        if rng.random() < 0.2:
            name = f"only {rng.getrandbits(40)}"
        else:
            number = min(NAMES - 1, int(rng.paretovariate(0.5)) - 1)
            label, name = LABELS[number % len(LABELS)], f"name {number}"
        found[f"{label} {name}"] = name.title()
    return found
