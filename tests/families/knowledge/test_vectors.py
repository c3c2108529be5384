"""Passages and vectors in the store: what a put writes, what is near, what the background makes up for."""

from __future__ import annotations

import asyncio
import functools
import json
import zlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from ingestbox.config import Settings
from ingestbox.config.settings import EmbeddingsStep, Enrich
from ingestbox.enrich.embedding import hashed
from ingestbox.enrich.embedding.vector import Vector, cosine, packed, unpacked
from ingestbox.enrich.steps import Answers, BuiltIn
from ingestbox.errors import IngestError
from ingestbox.families.knowledge import embedding, vectors
from ingestbox.families.knowledge.indexing import Indexing, state
from ingestbox.families.knowledge.indexunits import Serve
from ingestbox.families.knowledge.process import KIND, process, project
from ingestbox.model import Chunk, Item
from ingestbox.store import Store, engine, nearest
from tests.families.knowledge.embedder import numbers
from tests.families.knowledge.support import article, text
from tests.store.support import with_store

T = TypeVar("T")

SERVED = Settings(enrich=Enrich(embeddings=EmbeddingsStep(url="http://x", model="m")))


class Served(BuiltIn):
    """A server: it answers but for texts with a word that it refuses, and for nothing while it is down."""

    def __init__(self, name: str = "http/m", dimension: int = 24, refuses: str = "zyloprim") -> None:
        self.name, self.dimension, self.refuses = name, dimension, refuses
        self.down = False

    def embeddings(self, texts: Sequence[str]) -> Answers[Vector]:
        """All of a request, or none of it."""
        if self.down or any(self.refuses in text for text in texts):
            return super().embeddings(texts)
        found = [Vector(self.name, packed(numbers(text, self.dimension))) for text in texts]
        return Answers(found, [self.name] * len(found))


class Room:
    """What a chore may ask for, with the steps done here instead of in a child."""

    def __init__(self, store: Store, steps: BuiltIn, settings: Settings) -> None:
        self._store, self._steps, self.settings = store, steps, settings

    async def read_with(self, function: Callable[[Any], T]) -> T:
        return await self._store.read_at_once(function)

    async def write(self, unit: Any) -> Any:
        assert unit.weight <= 1_500
        return await self._store.write(unit)

    async def compute(
        self, function: str, data: bytes, *, stepped: bool = False, seconds: float | None = None
    ) -> bytes:
        assert stepped
        found: bytes = getattr(embedding, function.partition(":")[2])(data, steps=self._steps)
        return found

    def now_ms(self) -> int:
        return self._store.clock.now_ms()


@dataclass(frozen=True)
class Put:
    """A put of some articles of a workspace; with `finished` as they come from another box."""

    items: dict[int, dict[str, object]]
    workspace: str = "default"
    finished: bool = False
    steps: BuiltIn = BuiltIn()  # noqa: RUF009 - it has no state
    weight: int = 10

    def apply(self, tx: Any) -> None:
        payloads = {number: json.dumps(item).encode() for number, item in self.items.items()}
        chunk = Chunk("knowledge", [Item(number, "k", data) for number, data in payloads.items()], job=1)
        for outcome in process(chunk, self.steps):
            put = outcome.put
            assert put is not None
            columns = project(KIND, payloads[outcome.index], put.result) if self.finished else put.columns
            tx.run(
                "knowledge.put_article",
                {
                    **columns,
                    **({} if self.finished else put.blobs),
                    "workspace": self.workspace,
                    "origin": "branch" if self.finished else "",
                    "object_id": put.id,
                    "version": 1,
                    "record_id": outcome.index,
                    "job_id": "j",
                    "at_ms": 1,
                    "result": put.result,
                    "record": payloads[outcome.index] if self.finished else None,
                    "crc": zlib.crc32(put.result),
                },
            )


@dataclass(frozen=True)
class Gone:
    """Everything is removed."""

    weight: int = 1

    def apply(self, tx: Any) -> None:
        for row in tx.all("knowledge.indexing_next", {"low": 0, "high": 99, "skip": "[]", "limit": 99}):
            tx._connection.execute("DELETE FROM knowledge_articles WHERE id = ?", (row[0],))


def counts(tx: Any, *tables: str) -> list[int]:
    return [
        tx._connection.execute(f"SELECT COUNT(*) FROM knowledge_{table}").fetchone()[0] for table in tables
    ]


def served_by(tx: Any) -> str:
    model = vectors.serving(tx)
    return model.name if model else ""


async def finish(chore: Indexing, room: Room, most: int = 200) -> int:
    """Runs the chore until there is nothing to do; how many slices that took."""
    for done in range(most):
        if not await chore.run(room):
            return done
    raise AssertionError("it goes on for ever")


def near(tx: Any, query: str, workspace: str = "default", limit: int = 5) -> list[vectors.Near]:
    model, span = vectors.serving(tx), vectors.workspace_range(tx, workspace)
    if model is None or span is None:
        return []
    found = vectors.nearest(tx, model, hashed.embed(query), *span, limit)
    assert found == sorted(found, key=lambda each: (-each.score, each.passage))
    return found


def run(folder: Path, body: Callable[[Store], Awaitable[T]]) -> T:
    return with_store(folder, body)


@pytest.mark.parametrize("extension", [True, False])
def test_what_is_put_is_near_at_once_in_its_own_workspace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, extension: bool
) -> None:
    """The same with sqlite-vec and without."""
    monkeypatch.setattr(engine, "learn", functools.partial(nearest.learn, extension=extension))

    async def body(store: Store) -> None:
        rare = "Bệnh viện hướng dẫn cách uống zyloprim khi bị bệnh gút, theo lời bác sĩ. " * 3
        await store.write(
            Put({1: article(1), 2: article(2, content=rare), 3: article(3, content=text(3) * 3)})
        )
        await store.write(Put({4: article(4, content=rare + "Khác.")}, workspace="other"))
        here = await store.read_apart(lambda tx: near(tx, "uong zyloprim chua gut"))
        there = await store.read_apart(lambda tx: near(tx, "zyloprim", "other"))
        nowhere = await store.read_apart(lambda tx: near(tx, "zyloprim", "nobody's"))
        assert here[0].article == 2
        assert (here[0].place, here[0].first, here[0].beyond) == (0, 0, len(rare.strip()))
        assert {each.article for each in here} == {1, 2, 3}
        assert {each.article for each in there} == {4}
        assert nowhere == []
        assert not await store.read_with(vectors.indexing)
        assert await store.read_with(state) == f"articles are searched by {hashed.MODEL} ({hashed.DIMENSION})"

    run(tmp_path, body)


def test_the_second_stage_is_exact(tmp_path: Path) -> None:
    """With fewer passages than the first one lets through, the answers are those of comparing all."""

    async def body(store: Store) -> None:
        await store.write(Put({number: article(number) for number in range(1, 30)}))

        def compare(tx: Any) -> None:
            rows = tx._connection.execute("SELECT passage, numbers FROM knowledge_embedded").fetchall()
            for query in ("huyết áp", "vaccination", "suc khoe tre em"):
                wanted = unpacked(hashed.embed(query))
                every = sorted((-cosine(wanted, unpacked(row[1])), row[0]) for row in rows)
                found = [(-each.score, each.passage) for each in near(tx, query, limit=10)]
                assert found == every[:10]

        await store.read_with(compare)

    run(tmp_path, body)


def test_an_article_that_is_put_again_is_found_by_what_it_says_now(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        await store.write(Put({1: article(1, content=text(1, sentences=1500))}))
        first = await store.read_with(lambda tx: counts(tx, "passages", "signs", "vectors", "leaving"))
        assert first == [60, 60, 60, 0]
        await store.write(Put({1: article(1, content="Chỉ còn một đoạn nói về zyloprim. " * 5)}))
        again = await store.read_with(lambda tx: counts(tx, "passages", "signs", "vectors", "leaving"))
        assert again == [1, 1, 1, 1]
        assert len(await store.read_with(lambda tx: near(tx, "huyết áp zyloprim", limit=50))) == 1

    run(tmp_path, body)


def test_what_goes_takes_everything_along_and_a_long_one_little_by_little(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        room, chore = Room(store, BuiltIn(), Settings()), Indexing()
        await store.write(Put({1: article(1), 2: article(2, content=text(2, sentences=1500))}))
        assert await store.read_with(vectors.indexing)
        await finish(chore, room)
        whole = await store.read_with(lambda tx: counts(tx, "passages", "signs", "vectors", "words_docsize"))
        assert len(set(whole)) == 1
        assert whole[0] > 61
        assert not await store.read_with(vectors.indexing)
        await store.write(Gone())
        assert await store.read_with(lambda tx: near(tx, "huyết áp")) == []
        assert (await store.read_with(lambda tx: counts(tx, "passages")))[0] == whole[0] - 61
        await finish(chore, room)
        tables = ("passages", "signs", "vectors", "words_docsize", "leaving", "indexed")
        assert await store.read_with(lambda tx: counts(tx, *tables)) == [0] * 6

    run(tmp_path, body)


def test_articles_of_other_boxes_get_their_vectors_here(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        room, chore = Room(store, BuiltIn(), Settings()), Indexing()
        await store.write(Put({number: article(number) for number in range(1, 20)}, finished=True))
        assert await store.read_with(lambda tx: (near(tx, "huyết áp"), vectors.indexing(tx))) == ([], True)
        await finish(chore, room)
        assert len(await store.read_with(lambda tx: near(tx, "huyết áp"))) == 5
        assert await store.read_with(lambda tx: vectors.indexing(tx)) is False

    run(tmp_path, body)


def test_a_change_of_model_serves_the_old_one_until_the_new_one_is_whole(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        served, chore = Served(), Indexing()
        room = Room(store, served, SERVED)
        await store.write(Put({number: article(number) for number in range(1, 40)}))
        for _ in range(2):
            assert await chore.run(room)
        serves, builds = await store.read_with(lambda tx: (vectors.serving(tx), vectors.building(tx)))
        assert serves is not None and builds is not None
        assert (serves.name, builds.name, builds.dimension) == (hashed.MODEL, "http/m", 24)
        assert len(await store.read_with(lambda tx: near(tx, "huyết áp"))) == 5
        assert "wait for vectors of http/m" in await store.read_with(state)
        assert not await store.write(Serve(builds.id))

        # One that comes meanwhile is found by the old one, too; and a new chore goes on where this one was.
        await store.write(Put({50: article(50, content="Nói về allopurinol. " * 10)}, steps=served))
        assert await store.read_with(vectors.indexing)
        chore = Indexing()
        while await store.read_with(vectors.indexing):
            assert await chore.run(room)
        assert await store.read_with(vectors.serving) == serves
        (newest, *_) = await store.read_with(lambda tx: near(tx, "allopurinol"))
        assert (newest.article, newest.first) == (40, 0)

        await finish(chore, room)
        assert await store.read_with(lambda tx: (vectors.serving(tx), vectors.building(tx))) == (builds, None)
        passages, signs, kept, known = await store.read_with(
            lambda tx: counts(tx, "passages", "signs", "vectors", "models")
        )
        assert (signs, kept, known) == (passages, passages, 1)

        # And back again before anything was built.
        back = Room(store, served, Settings())
        await Indexing().run(back)
        assert await store.read_with(vectors.building) is not None
        await finish(Indexing(), room)
        assert await store.read_with(lambda tx: (vectors.serving(tx), vectors.building(tx))) == (builds, None)

    run(tmp_path, body)


def test_a_server_that_is_down_is_waited_for_and_a_text_that_it_refuses_is_not(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        served, chore = Served(), Indexing()
        room = Room(store, served, SERVED)
        poison = article(3, content=text(3) + "\n\nzyloprim " * 3)
        await store.write(Put({1: article(1), 2: article(2), 3: poison, 4: article(4)}))
        served.down = True
        for _ in range(5):
            with pytest.raises(IngestError):
                await chore.run(room)
        assert await store.read_with(served_by) == hashed.MODEL
        served.down = False
        await chore.run(room)
        served.down = True
        for _ in range(5):
            with pytest.raises(IngestError):
                await finish(chore, room)
        served.down = False
        await finish(chore, room)
        assert await store.read_with(served_by) == "http/m"
        passages, signs = await store.read_with(lambda tx: counts(tx, "passages", "signs"))
        assert 0 < signs < passages

    run(tmp_path, body)


def test_nobody_is_near_a_vector_of_another_model_or_of_nothing(tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        await store.write(Put({1: article(1)}))

        def look(tx: Any) -> None:
            model, span = vectors.serving(tx), vectors.workspace_range(tx, "default")
            assert model is not None and span is not None
            assert vectors.nearest(tx, model, packed([1.0, 2.0]), *span, 5) == []
            assert vectors.nearest(tx, model, hashed.embed("!!!"), *span, 5) == []

        await store.read_with(look)

    run(tmp_path, body)


def test_the_chore_is_cut_off_anywhere(tmp_path: Path) -> None:
    """Cancelled at each of its steps, it ends as if it had not been."""

    async def body(store: Store) -> None:
        room = Room(store, Served(), SERVED)
        await store.write(Put({number: article(number) for number in range(1, 25)}))
        for delay in range(40):
            task = asyncio.create_task(finish(Indexing(), room))
            for _ in range(delay):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await finish(Indexing(), room)
        assert await store.read_with(served_by) == "http/m"
        passages, signs, kept = await store.read_with(lambda tx: counts(tx, "passages", "signs", "vectors"))
        assert passages == signs == kept

    run(tmp_path, body)
