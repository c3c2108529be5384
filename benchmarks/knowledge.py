"""Knowledge: articles through all steps, beside the same functions called in a loop; how many of the nearest
passages a search by vectors finds, and how long searches take, with sqlite-vec and without.

`python -m benchmarks.knowledge FOLDER PASSAGES` fills a data folder alone.
"""

from __future__ import annotations

import heapq
import itertools
import random
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from statistics import mean

import click
import httpx2
import msgspec

from benchmarks import boxes, filling
from benchmarks.report import Options, Row, alternate
from ingestbox import families
from ingestbox.clock import SystemClock
from ingestbox.enrich.embedding.hashed import embed
from ingestbox.enrich.embedding.vector import cosine, unpacked
from ingestbox.families.knowledge import vectors
from ingestbox.families.knowledge.process import process
from ingestbox.families.knowledge.shapes import PATH
from ingestbox.families.knowledge.vectors import Model
from ingestbox.model import Chunk, Item, Role
from ingestbox.store import DATABASE, ReadTx, load_queries
from ingestbox.store.engine import connect_reader
from ingestbox.store.nearest import learn
from tests.harness import BoxProcess, until

PASSAGES, FULL_PASSAGES = (10_000,), (10_000, 100_000)
ARTICLES = 400
"""Articles of a round, in bulk uploads of BATCH."""

BATCH = 100
LENGTH = 5_000
"""Characters of an article."""

SLICE = 25
"""Articles processed at once in the loop, as many as in a chunk."""

WORKSPACE = "default"
TOPICS, TOPIC_WORDS, COMMON_WORDS = 150, 40, 3_000
TOPICAL = 0.3
"""Of the words of an article, those of its topic."""

QUERIES = 60
NEAREST = 10
EVERY = """
SELECT s.passage, v.numbers FROM knowledge_signs AS s JOIN knowledge_vectors AS v ON v.id = s.vector
"""
CONFIG = "[rates]\nknowledge_bulk = 0\nknowledge_read = 0\n"
END_SECONDS = 600.0

_ENGLISH = (
    *("ca", "re", "li", "ver", "ma", "pro", "duct", "ser", "vice", "ti", "me", "or", "ap", "la", "te"),
    *("an", "swer", "slo", "gre", "ing", "ed", "co", "un", "dia", "be", "tes", "the", "ra", "py"),
)
_HEADS = ("b", "c", "ch", "đ", "gi", "h", "kh", "l", "m", "n", "ng", "nh", "ph", "qu", "t", "th", "tr", "v")
_VOWELS = "aàáảãạăằắặâầấậeèéẹêềếểễệiìíịoòóỏõọôồốổỗộơờớởợuùúủụưừứửữựy"
_TAILS = ("", "n", "ng", "t", "c", "m", "i", "o", "nh", "ch")


def _word(chance: random.Random, vietnamese: bool) -> str:
    if vietnamese:
        return chance.choice(_HEADS) + chance.choice(_VOWELS) + chance.choice(_TAILS)
    return "".join(chance.choices(_ENGLISH, k=chance.choice((2, 2, 3, 3, 4))))


class Corpus:
    """Articles and questions about some topics, in two languages; the same for the same seed."""

    def __init__(self, seed: int = 1) -> None:
        chance = random.Random(seed)
        self._common = [[_word(chance, tongue) for _ in range(COMMON_WORDS)] for tongue in (False, True)]
        self._often = list(itertools.accumulate(1 / (rank + 2.7) for rank in range(COMMON_WORDS)))
        self._topics = [
            [_word(chance, number % 2 == 1) for _ in range(TOPIC_WORDS)] for number in range(TOPICS)
        ]

    def article(self, number: int) -> dict[str, object]:
        """An article; `number` gives it its topic, its words and its address."""
        chance = random.Random(number)
        topic = number % TOPICS
        own, common = self._topics[topic], self._common[topic % 2]
        parts: list[str] = []
        size = 0
        while size < LENGTH:
            count = chance.randint(8, 24)
            some = chance.choices(common, cum_weights=self._often, k=count)
            words = [chance.choice(own) if chance.random() < TOPICAL else word for word in some]
            parts.append(" ".join(words).capitalize() + chance.choice((". ", ". ", ".\n\n")))
            size += len(parts[-1])
        return {
            "source_id": f"source-{topic % 20}",
            "source_url": f"https://{topic}.example/{number}",
            "title": " ".join(chance.sample(own, 6)).capitalize(),
            "content": "".join(parts)[:LENGTH],
            "language": "vi" if topic % 2 else "en",
            "published_at": f"20{number % 24:02}-01-15T10:30:00Z",
            "metadata": {"authority_score": number % 100},
        }

    def question(self, number: int) -> str:
        """A question about a topic."""
        chance = random.Random(-1 - number)
        topic = number % TOPICS
        words = [*chance.sample(self._topics[topic], 4), *chance.choices(self._common[topic % 2][:50], k=2)]
        chance.shuffle(words)
        return " ".join(words)


def _chunks(corpus: Corpus, first: int, count: int) -> Iterator[Chunk]:
    items = (
        Item(number % 1_000_000, "", msgspec.json.encode(corpus.article(number)))
        for number in range(first, first + count)
    )
    while some := list(itertools.islice(items, SLICE)):
        yield Chunk("knowledge", some, job=1 + some[0].index // 1_000_000)


def _rows(corpus: Corpus, passages: int) -> Iterator[dict[str, object]]:
    """Articles as they are put, until they have so many passages."""
    now, left = SystemClock().now_ms(), passages
    blank = {"text_hash": None, "signs": None, "vectors": None}
    for chunk in _chunks(corpus, 0, passages):
        for item, outcome in zip(chunk.items, process(chunk), strict=True):
            put = outcome.put
            assert put is not None
            yield {
                **blank,
                **put.columns,
                **put.blobs,
                "workspace": WORKSPACE,
                "origin": "edge",
                "object_id": put.id,
                "version": 1,
                "record_id": 0,
                "job_id": "j",
                "at_ms": now,
                "result": put.result,
                "record": item.payload,
                "crc": zlib.crc32(put.result + item.payload),
            }
            left -= int(put.columns["passage_count"] or 0)
            if left <= 0:
                return


def fill(folder: Path, passages: int) -> None:
    """A data folder with so many passages; its box has been started once."""
    box = BoxProcess(folder, config=CONFIG).start()
    box.stop()
    filling.fill(box.data, _rows(Corpus(), passages), put="knowledge.put_article")


def measure(options: Options) -> list[Row]:
    """Articles a second; recall; milliseconds."""
    rows = [_articles(options)]
    for passages in FULL_PASSAGES if options.full else PASSAGES:
        rows += _searches(passages, options)
    return rows


def _articles(options: Options) -> Row:
    corpus = Corpus()
    numbers = itertools.count()
    with boxes.fresh(CONFIG) as box, box.client(Role.INGEST) as client:
        through(client, corpus, 10_000_000)  # its children are started and warm
        floor, rates = alternate(
            options.rounds,
            lambda number: looped(corpus, 2_000_000 + ARTICLES * next(numbers)),
            lambda number: through(client, corpus, ARTICLES * next(numbers)),
        )
    return Row(
        name=f"articles of {LENGTH:,} characters through all steps",
        unit="articles/s",
        rounds=rates,
        floor_name="the pure functions in a loop",
        floor_rounds=floor,
        bound=0.5,
        on="FULL, auth; all steps, words and vectors; at least 150/s too",
    )


def looped(corpus: Corpus, first: int) -> float:
    """Articles a second that the family's function alone makes something of, in this process."""
    chunks = list(_chunks(corpus, first, ARTICLES // 2))
    began = time.perf_counter()
    for chunk in chunks:
        process(chunk)
    return ARTICLES // 2 / (time.perf_counter() - began)


def through(client: httpx2.Client, corpus: Corpus, first: int) -> float:
    """Articles a second from the first bulk upload until the last is completed."""
    bodies = [
        msgspec.json.encode(
            {
                "batch_id": f"round-{first}_chunk_{number}",
                "source_id": "bench",
                "items": [corpus.article(first + number * BATCH + each) for each in range(BATCH)],
            }
        )
        for number in range(ARTICLES // BATCH)
    ]
    headers = {"Content-Type": "application/json"}
    began = time.perf_counter()
    for body in bodies:
        answer = client.post(f"{PATH}/content/bulk-upload", content=body, headers=headers).raise_for_status()
        assert answer.json()["accepted_items"] == BATCH, answer.text[:500]

    def ended() -> bool:
        params = {"batch_id": f"round-{first}", "limit": "1"}
        said = client.get(f"{PATH}/content/status", params=params).raise_for_status().json()
        return bool(said["completed"] == ARTICLES)

    until(ended, "every article is completed", END_SECONDS)
    return ARTICLES / (time.perf_counter() - began)


def _searches(passages: int, options: Options) -> list[Row]:
    at = f"{passages:,} passages"
    corpus = Corpus()
    with boxes.scratch() as folder:
        fill(folder, passages)
        shares, exact = recall(folder / "data", corpus)
        built_in = [_first_stage(folder / "data", corpus, extension=False)]
        extension = [_first_stage(folder / "data", corpus, extension=True)]
        times: dict[str, list[float]] = {}
        box = BoxProcess(folder, config=CONFIG).start()
        try:
            with box.client(Role.INGEST) as client:
                for name, wanted in (("", None), (" with a filter", {"language": "vi", "quality_min": 0.3})):
                    _times(client, corpus, wanted)
                    rounds = [_times(client, corpus, wanted) for _ in range(options.rounds)]
                    times[f"search{name}, median"] = [each[len(each) // 2] for each in rounds]
                    times[f"search{name}, 99 % below"] = [each[int(len(each) * 0.99)] for each in rounds]
        finally:
            box.close()
    auth = f"{at}; words and vectors; auth"
    return [
        Row(
            name=f"recall@{NEAREST} of the vectors",
            unit="",
            rounds=shares,
            on=f"{at}; beside all",
            bound=0.95,
        ),
        Row(name="the same by looking at all, exactly", unit="ms", rounds=exact, on=at),
        Row(name="nearest by vectors, sqlite-vec", unit="ms", rounds=extension, on=f"{at}; median"),
        Row(name="nearest by vectors, without it", unit="ms", rounds=built_in, on=f"{at}; median"),
        *(
            Row(name=name, unit="ms", rounds=each, on=auth, bound=100, bound_is="most")
            for name, each in times.items()
        ),
    ]


def _times(client: httpx2.Client, corpus: Corpus, wanted: dict[str, object] | None) -> list[float]:
    """Milliseconds of each of the searches, shortest first."""
    times = []
    for number in range(QUERIES):
        body = {"query": corpus.question(number), "filter": wanted}
        began = time.perf_counter()
        client.post(f"{PATH}/search", json=body).raise_for_status()
        times.append(1_000 * boxes.seconds_of(began))
    return sorted(times)


class _Opened:
    """A store that is only read, in this process."""

    def __init__(self, data: Path, *, extension: bool = True) -> None:
        queries = load_queries({name: family.queries for name, family in families.load().items()})
        connection = connect_reader(data / DATABASE)
        learn(connection, extension=extension)
        self.tx = ReadTx(connection, queries)
        model, span = vectors.serving(self.tx), vectors.workspace_range(self.tx, WORKSPACE)
        assert model is not None
        assert span is not None
        self.model: Model = model
        self.span = span
        self.close = connection.close

    def nearest(self, numbers: bytes) -> list[int]:
        """The nearest passages, as a search finds them."""
        found = vectors.nearest(self.tx, self.model, numbers, *self.span, NEAREST)
        return [each.passage for each in found]


def recall(data: Path, corpus: Corpus) -> tuple[list[float], list[float]]:
    """Of some questions, which part of the nearest passages is found; and the milliseconds that looking at
    all exactly takes."""
    store = _Opened(data)
    try:
        rows = store.tx._connection.execute(EVERY)  # noqa: SLF001 - no query of the program's reads all
        every = [(passage, unpacked(numbers)) for passage, numbers in rows]
        shares, times = [], []
        for number in range(QUERIES // 3):
            asked = embed(corpus.question(number))
            wanted, began = unpacked(asked), time.perf_counter()
            best = heapq.nlargest(NEAREST, ((cosine(wanted, each), -passage) for passage, each in every))
            times.append(1_000 * boxes.seconds_of(began))
            found = set(store.nearest(asked))
            shares.append(len({-passage for _, passage in best} & found) / NEAREST)
    finally:
        store.close()
    return [mean(shares)], times


def _first_stage(data: Path, corpus: Corpus, *, extension: bool) -> float:
    """Milliseconds of a search by vectors alone, the median."""
    store = _Opened(data, extension=extension)
    try:
        times = []
        for number in range(QUERIES):
            asked, began = embed(corpus.question(number)), time.perf_counter()
            store.nearest(asked)
            times.append(1_000 * boxes.seconds_of(began))
    finally:
        store.close()
    return sorted(times)[len(times) // 2]


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("passages", type=int)
def main(folder: Path, passages: int) -> None:
    """Fills a data folder, to be looked at."""
    fill(folder, passages)


if __name__ == "__main__":
    main()
