"""The chore that brings passages and their vectors up to what is wanted, slice by slice.

It does whatever a put did not: passages of long articles, articles of other boxes, vectors that a server
could not make when the article came, and all of them when another model is wanted. Where it is, is in the
store alone (`knowledge_indexed`, `knowledge_models`), so that a box that is killed goes on where it was.

While the vectors of a new model are made, those of the old one are searched. Articles that come meanwhile
get vectors of both if the old model is the one that is built in; otherwise they are found by their words
until the new one serves.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from typing import Any, Final

import msgspec

from ingestbox.enrich.embedding import hashed
from ingestbox.enrich.embedding.vector import WIDTH
from ingestbox.errors import IngestError
from ingestbox.families.knowledge.embedding import Indexed, Made, Probed, Wanted, ask_index, told
from ingestbox.families.knowledge.indexunits import Remove, Serve, Task, Want, WriteIndex
from ingestbox.families.knowledge.vectors import Model, building, serving
from ingestbox.family import Chore, Gauge, Room

SLICE: Final = 24
"""Passages that are made and written at once: with their words they take the writer some 8 ms."""

SLICE_BYTES: Final = 2_097_152
"""What the results of the articles of a slice have in all; one at least."""

ARTICLES: Final = 12

BLAMES: Final = 3
"""Times that an article may fail while its model answers about others; then it is left as it is."""

COUNTED: Final = 100_000
"""Articles that metrics count: some 5 ms."""

_log = logging.getLogger(__name__)


class Indexing:
    """The chore `indexing` of one box."""

    def __init__(self) -> None:
        self._probed: Probed | None = None
        self._careful = False  # one article at a time: one of the last slice failed
        self._blamed: dict[int, int] = {}

    async def run(self, room: Room) -> bool:
        """A slice; whether there is more to do now. Raises IngestError while a server does not answer."""
        if await room.read_with(_nothing_yet):
            return False
        leaving = await room.read_with(_leaving)
        if leaving is not None:
            await room.write(leaving)
            return True
        wanted = await self._wanted(room)
        serves, target = await room.read_with(lambda tx: (serving(tx), building(tx) or serving(tx)))
        if target is None or (target.name, target.dimension) != (wanted.model, wanted.dimension):
            await room.write(Want(wanted.model, wanted.dimension))
            return True
        models = [target] if serves is None or serves.id == target.id else [target, serves]
        tasks = await room.read_with(lambda tx: self._tasks(tx, models, self._blamed))
        if not tasks and self._blamed:  # none but these are left
            tasks = (await room.read_with(lambda tx: self._tasks(tx, models, ())))[:1]
        if tasks:
            await self._index(room, tasks, models)
            return True
        if len(models) == 2 and await room.write(Serve(target.id)):
            _log.info("Articles are searched by another model.", extra={"model": target.name})
            return True
        return False

    async def _wanted(self, room: Room) -> Probed:
        """The model that the settings want. Raises IngestError when it does not answer."""
        given = room.settings.enrich.embeddings
        if not given.url and not given.model_path:
            return Probed(hashed.MODEL, hashed.DIMENSION)
        if self._probed is None:
            probed, _ = told(await room.compute(_INDEX, ask_index([]), stepped=True))
            if not self._is_wanted(room, probed):
                raise IngestError("overloaded", "The model that makes vectors does not answer.")
            self._probed = probed
        return self._probed

    def _is_wanted(self, room: Room, probed: Probed) -> bool:
        given = room.settings.enrich.embeddings
        return probed.model != hashed.MODEL or not (given.url or given.model_path)

    def _tasks(self, tx: Any, models: Sequence[Model], without: Collection[int]) -> list[Task]:
        """What waits next: first what is found by no vector, the newest first."""
        target = models[0].id
        old = models[1] if len(models) > 1 and models[1].name == hashed.MODEL else None
        found: list[Task] = []
        room, size = SLICE, 0
        for low, high in ((0, 1), (1, target), (target + 1, 1 << 62)):
            skip = msgspec.json.encode([*without, *(each.article for each in found)]).decode()
            query = {"low": low, "high": high, "skip": skip, "limit": ARTICLES}
            for article, edition, passages, title, length in tx.all("knowledge.indexing_next", query):
                if room <= 0 or (found and (size + length > SLICE_BYTES or self._careful)):
                    return found
                task = _task(tx, article, edition, passages, title, target, old, room)
                room -= len(task.wanted.rows) + len(task.wanted.places) + len(task.wanted.old)
                size += length
                found.append(task)
        return found

    async def _index(self, room: Room, tasks: Sequence[Task], models: Sequence[Model]) -> None:
        target = models[0]
        asked = ask_index([task.wanted for task in tasks])
        try:
            probed, made = told(await room.compute(_INDEX, asked, stepped=True))
        except IngestError as error:
            if error.code not in ("validation_failed", "internal"):
                raise
            probed = Probed(target.name, target.dimension)  # it ended its child, or took too long
            made = [Indexed([], []) for _ in tasks]
        complete = [
            task.whole and _has_all(task, each, target) for task, each in zip(tasks, made, strict=True)
        ]
        await room.write(WriteIndex(tasks, made, models, target.id, complete))
        failed = [task for task, each in zip(tasks, made, strict=True) if not _has_all(task, each, target)]
        if not failed:
            self._careful = False
            return
        if (probed.model, probed.dimension) != (target.name, target.dimension):
            self._probed = None
            raise IngestError("overloaded", "The model that makes vectors does not answer.")
        self._careful = True
        if len(tasks) == 1:
            await self._blame(room, tasks[0], target)

    async def _blame(self, room: Room, task: Task, target: Model) -> None:
        """The model answers, but not about this article: others go first, and in the end it is left."""
        self._blamed[task.article] = count = self._blamed.get(task.article, 0) + 1
        if count >= BLAMES:
            del self._blamed[task.article]
            _log.warning("An article is found by its words alone.", extra={"article": task.article})
            await room.write(WriteIndex([task], [Indexed([], [])], [], target.id, [True]))


def _has_all(task: Task, made: Indexed, target: Model) -> bool:
    """Whether the model made every vector that was wanted of it."""
    wanted = set(task.wanted.places)
    return wanted <= {each.place for each in made.vectors if _is_of(each, target)}


def _is_of(made: Made, model: Model) -> bool:
    return made.model == model.name and len(made.numbers) == WIDTH * model.dimension


def _task(
    tx: Any, article: int, edition: int, passages: int, title: str, target: int, old: Model | None, room: int
) -> Task:
    own = {"article": article, "edition": edition, "target": target, "old": old.id if old else 0}
    have = {place: (new, known) for place, new, known in tx.all("knowledge.indexing_have", own)}
    rows = [place for place in range(passages) if place not in have]
    places = [place for place in range(passages) if not have.get(place, (0, 0))[0]]
    olds = [place for place in range(passages) if old and not have.get(place, (0, 0))[1]]
    every = sorted({*rows, *places, *olds})
    now = set(every[: max(1, room // (3 if old else 2))])
    ((result,),) = tx.all("knowledge.indexing_result", {"article": article})
    wanted = Wanted(
        title,
        result,
        [place for place in rows if place in now],
        [place for place in places if place in now],
        [place for place in olds if place in now],
    )
    return Task(article, edition, wanted, len(now) == len(every))


def _nothing_yet(tx: Any) -> bool:
    return not tx.one("knowledge.indexing_any")[0]


def _leaving(tx: Any) -> Remove | None:
    row = tx.one("knowledge.leaving_next")
    if row is not None:
        params = {"article": row[0], "edition": row[1]}
        return Remove("knowledge.leaving_passages", "knowledge.leaving_done", params)
    model = tx.one("knowledge.vectors_model", {"state": "leaving"})
    if model is not None:
        return Remove("knowledge.leaving_signs", "knowledge.models_gone", {"model": model[0]})
    return None


def state(tx: Any) -> str:
    """What is searched by, and how much waits, for people."""
    serves, builds = serving(tx), building(tx)
    if serves is None:
        return ""
    target = builds or serves
    waiting = tx.one("knowledge.indexing_waiting", {"model": target.id, "most": -1})[0]
    said = f"articles are searched by {serves.name} ({serves.dimension})"
    if waiting:
        said += f"; {waiting:,} wait for vectors of {target.name}"
    return said


def gauges(tx: Any) -> list[Gauge]:
    """See `Family.gauges`."""
    target = building(tx) or serving(tx)
    asked = {"model": -1 if target is None else target.id, "most": COUNTED}
    waiting = float(tx.one("knowledge.indexing_waiting", asked)[0])
    text = f"Articles that wait for vectors of the model that is wanted; at most {COUNTED:,} are counted."
    return [Gauge("knowledge_articles_unindexed", text, (), {(): waiting})]


_INDEX: Final = "ingestbox.families.knowledge.embedding:index"


def chore() -> Chore:
    """The chore, with what it remembers of one box."""
    return Chore("indexing", Indexing().run, state)
