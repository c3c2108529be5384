"""What the chore `indexing` writes: units of work (`store.unit`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from ingestbox.enrich.embedding.vector import WIDTH
from ingestbox.families.knowledge.embedding import Indexed, Row, Wanted
from ingestbox.families.knowledge.vectors import Model, building, serving

GONE: Final = 60
"""Vectors or passages that are removed at once."""


@dataclass(frozen=True, slots=True)
class Task:
    """An article of which something waits, and what. `whole`: nothing more once this is done."""

    article: int
    edition: int
    wanted: Wanted
    whole: bool


@dataclass(frozen=True, slots=True)
class Want:
    """Makes a model the wanted one: it serves at once if none does, else it is being built."""

    name: str
    dimension: int

    @property
    def weight(self) -> int:
        """A few rows."""
        return 4

    def apply(self, tx: Any) -> None:
        """Does it; what else was being built is given up."""
        own = {"name": self.name, "dimension": self.dimension}
        serves, builds = serving(tx), building(tx)
        if serves is None:
            tx.run("knowledge.models_add", {**own, "state": "serving"})
            return
        if builds is not None and (builds.name, builds.dimension) != (self.name, self.dimension):
            tx.run("knowledge.models_move", {"id": builds.id, "state": "leaving"})
            builds = None
        if (serves.name, serves.dimension) == (self.name, self.dimension):
            if builds is not None:
                tx.run("knowledge.models_move", {"id": builds.id, "state": "leaving"})
        elif builds is None:
            tx.run("knowledge.models_add", {**own, "state": "building"})


@dataclass(frozen=True, slots=True)
class Serve:
    """Lets the model that was being built serve, if every article has its vectors."""

    model: int

    @property
    def weight(self) -> int:
        """A few rows."""
        return 4

    def apply(self, tx: Any) -> bool:
        """Whether it serves now."""
        builds, serves = building(tx), serving(tx)
        if (
            builds is None
            or builds.id != self.model
            or tx.one("knowledge.indexing_left", {"model": self.model})
        ):
            return False
        if serves is not None:
            tx.run("knowledge.models_move", {"id": serves.id, "state": "leaving"})
        tx.run("knowledge.models_move", {"id": self.model, "state": "serving"})
        return True


@dataclass(frozen=True, slots=True)
class WriteIndex:
    """Writes what was made of some articles, unless they have changed since. `models` are those in use."""

    tasks: Sequence[Task]
    made: Sequence[Indexed]
    models: Sequence[Model]
    target: int
    complete: Sequence[bool]

    @property
    def weight(self) -> int:
        """A passage has its row, its words, and two rows for each vector."""
        words = sum(
            len(row.title) + len(row.body) + len(row.exact) for each in self.made for row in each.rows
        )
        vectors = [len(vector.numbers) for each in self.made for vector in each.vectors]
        return 2 + 3 * len(vectors) + (sum(vectors) >> 11) + (words >> 7) + 2 * len(self.tasks)

    def apply(self, tx: Any) -> None:
        """Writes them."""
        ids = {(model.name, model.dimension): model.id for model in self.models}
        for task, made, complete in zip(self.tasks, self.made, self.complete, strict=True):
            own = {"article": task.article, "edition": task.edition}
            if tx.one("knowledge.indexing_is", own) is None:
                continue
            for row in made.rows:
                self._passage(tx, own, row)
            for vector in made.vectors:
                model = ids.get((vector.model, len(vector.numbers) // WIDTH))
                if model is not None:
                    values = {"model": model, "bits": vector.bits, "numbers": vector.numbers}
                    tx.run("knowledge.indexing_embed", {**own, **values, "place": vector.place})
            if complete:
                tx.run("knowledge.indexing_done", {**own, "model": self.target})

    def _passage(self, tx: Any, own: dict[str, int], row: Row) -> None:
        place = {**own, "place": row.place, "first": row.first, "beyond": row.beyond}
        added = tx.one("knowledge.indexing_passage", place)
        if added is not None:
            words = {"title": row.title, "body": row.body, "exact": row.exact}
            tx.run("knowledge.indexing_words", {"id": added[0], **words})


@dataclass(frozen=True, slots=True)
class Remove:
    """Removes a slice of what nothing needs any more, by one of two queries and the one that ends it."""

    query: str
    last: str
    params: dict[str, int]

    @property
    def weight(self) -> int:
        """Each row that goes takes others along."""
        return 6 * GONE

    def apply(self, tx: Any) -> None:
        """Removes it."""
        if tx.run(self.query, {**self.params, "limit": GONE}) < GONE:
            tx.run(self.last, self.params)
