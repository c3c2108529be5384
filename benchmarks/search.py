"""Full text: what a put costs as the index grows, and what a search takes, with common, rare, several and
half words."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
import zlib
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import httpx2
import msgspec

from benchmarks import boxes, filling
from benchmarks.report import Options, Row
from ingestbox import families
from ingestbox.clock import SystemClock
from ingestbox.config import Limits
from ingestbox.config import Store as StoreSettings
from ingestbox.families.feedback.columns import columns
from ingestbox.model import Role
from ingestbox.store import Store
from ingestbox.store.unit import Tx
from tests.harness import BoxProcess

TICKETS, FULL_TICKETS = 50_000, 1_000_000
CHUNK = 100
MEASURED = 300
"""Chunks whose puts are measured, the last ones."""

SEARCHES = 20
"""Of each query, in a round."""

QUERIES = (
    "the",
    "không",
    "khong",
    "the delivery was not good",
    "không hàng giao",
    "khong hang giao",
    "the không",
    '"delivery was"',
    '"giao hàng"',
    "deliv*",
    "the -delivery",
    "zyzzyva",
    "the zyzzyva",
    "T-4711",
    '"the hàng"',
    "the and was delivery not good product to is it of",
)

_SYLLABLES = [
    *(
        "de",
        "li",
        "ver",
        "ma",
        "pro",
        "duct",
        "ser",
        "vice",
        "ti",
        "me",
        "or",
        "ap",
        "la",
        "te",
        "an",
        "swer",
    ),
    *("slo", "wba", "gre", "ing", "ed", "re", "co", "un", "fast"),
]
_HEADS = ["b", "c", "ch", "đ", "gi", "h", "kh", "l", "m", "n", "ng", "nh", "ph", "qu", "t", "th", "tr", "v"]
_VOWELS = list("aàáảãạăằắặâầấậeèéẹêềếểễệiìíịoòóỏõọôồốổỗộơờớởợuùúủũụưừứửữựyỳý")
_TAILS = ["", "n", "ng", "t", "c", "m", "i", "o", "nh", "ch"]


def _vocabulary(known: str, make: Iterator[str], count: int) -> tuple[list[str], list[float]]:
    """Words, common ones first, and how often they come (Zipf)."""
    words = dict.fromkeys(known.split())
    while len(words) < count:
        words[next(make)] = None
    return list(words), list(itertools.accumulate(1 / (rank + 2.7) for rank in range(count)))


def _english(chance: random.Random) -> Iterator[str]:
    while True:
        yield "".join(chance.choices(_SYLLABLES, k=chance.choice((1, 2, 2, 3, 3, 4))))


def _vietnamese(chance: random.Random) -> Iterator[str]:
    while True:
        yield chance.choice(_HEADS) + chance.choice(_VOWELS) + chance.choice(_TAILS)


def tickets(count: int, seed: int = 1) -> Iterator[dict[str, str]]:
    """Tickets of about 60 words, in English and Vietnamese."""
    chance = random.Random(seed)
    english = _vocabulary("the and was delivery not good product to is it of app", _english(chance), 20_000)
    vietnamese = _vocabulary("không và hàng giao tốt rất là của đã được shop", _vietnamese(chance), 5_000)
    for number in range(count):
        words, often = chance.choice((english, vietnamese))
        text = chance.choices(words, cum_weights=often, k=max(10, int(chance.gauss(60, 20))))
        yield {"id": f"T-{number}", "summary": " ".join(text[:8]), "description": " ".join(text[8:])}


@dataclass(frozen=True, slots=True)
class _Put:
    """Puts finished tickets, as a central box does."""

    rows: list[dict[str, object]]
    weight: int = 400

    def apply(self, tx: Tx) -> float:
        """Milliseconds that it took, without the commit."""
        began = time.perf_counter()
        tx.many("feedback.put_ticket", self.rows)
        return 1_000 * boxes.seconds_of(began)


def _rows(count: int) -> Iterator[list[dict[str, object]]]:
    analysis = {"sentiment": "neutral", "score": 0.0, "trend": "stable", "fields": []}
    result = msgspec.json.encode(analysis)
    now = SystemClock().now_ms() - count
    found: list[dict[str, object]] = []
    for number, ticket in enumerate(tickets(count)):
        record = msgspec.json.encode(ticket)
        found.append(
            {
                **columns(ticket, analysis),
                "workspace": "default",
                "origin": "edge",
                "object_id": ticket["id"],
                "version": 1,
                "record_id": 0,
                "job_id": "j",
                "at_ms": now + number,
                "result": result,
                "record": record,
                "crc": zlib.crc32(result + record),
            }
        )
        if len(found) == CHUNK:
            yield found
            found = []


def fill(folder: Path, count: int) -> list[float]:
    """A store with so many tickets; the milliseconds that each of the last chunks held the writer, with its
    commit."""
    times: list[float] = []

    async def main() -> None:
        async with AsyncExitStack() as stack:
            store = await Store.open(
                folder,
                stack,
                families={name: family.queries for name, family in families.load().items()},
                settings=StoreSettings(),
                limits=Limits(),
                clock=SystemClock(),
                observe=lambda _, seconds: times.append(1_000 * seconds),
            )
            for rows in chunks:
                await store.write(_Put(rows))

    chunks: Iterator[list[dict[str, object]]] = iter(())
    folder.mkdir(parents=True)
    asyncio.run(main())  # makes the store
    chunks = _rows(count)
    bulk = itertools.islice(chunks, count // CHUNK - MEASURED)
    filling.fill(folder, itertools.chain.from_iterable(bulk))
    times.clear()
    asyncio.run(main())
    return times


def measure(options: Options) -> list[Row]:
    """Milliseconds."""
    count = FULL_TICKETS if options.full else TICKETS
    with boxes.scratch() as folder:
        times = sorted(fill(folder / "data", count))
        box = BoxProcess(folder).start()
        try:
            with box.client(Role.ANALYST) as client:
                rounds = {q: [_search(client, q) for _ in range(options.rounds)] for q in QUERIES}
        finally:
            box.close()
    at = f"{count:,} tickets"
    put = (
        ("mean", mean(times)),
        ("99 % below", times[int(len(times) * 0.99)]),
        ("longest", times[-1]),
    )
    rows = [
        Row(name=f"a chunk of {CHUNK} tickets put, {name}", unit="ms", rounds=[value], on=f"to {at}; FULL")
        for name, value in put
    ]
    return rows + [
        Row(
            name=f"search {q}",
            unit="ms",
            rounds=each,
            on=f"{at}; 95 % below; auth",
            bound=50,
            bound_is="most",
        )
        for q, each in rounds.items()
    ]


def _search(client: httpx2.Client, q: str) -> float:
    """The time that 95 % of the searches stay below."""
    times = []
    for _ in range(SEARCHES):
        began = time.perf_counter()
        client.get("/api/search", params={"q": q}).raise_for_status()
        times.append(1_000 * boxes.seconds_of(began))
    return sorted(times)[int(SEARCHES * 0.95)]
