"""The passages that are nearest to a vector, in two stages: by the signs of all, then exactly by the best.

What is served is what is in the store: which model's vectors are complete, not what the settings want.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from ingestbox.enrich.embedding import hashed
from ingestbox.enrich.embedding.vector import WIDTH, cosine, signs, unpacked
from ingestbox.errors import IngestError
from ingestbox.families.knowledge.embedding import answered
from ingestbox.family import Box

CANDIDATES: Final = 800
"""Passages that the first stage gives to the second: of 100,000, that is enough for 98 in 100 of the nearest
ten to be among them."""


QUERY_SECONDS: Final = 4.0
"""How long a question may wait for a child, and again for its vector; a server has half of that."""

_QUESTION: Final = "ingestbox.families.knowledge.embedding:question"


class Model(msgspec.Struct, frozen=True):
    """What vectors are made by: its number in the store, its name, and how many numbers its vectors have."""

    id: int
    name: str
    dimension: int


class Near(msgspec.Struct, frozen=True):
    """A passage and how near it is (cosine, -1 to 1); `first` and `beyond` are places in its article's text,
    in code points."""

    passage: int
    article: int
    place: int
    first: int
    beyond: int
    score: float


def serving(tx: Any) -> Model | None:
    """The model whose vectors are searched; None as long as there are none."""
    row = tx.one("knowledge.vectors_model", {"state": "serving"})
    return None if row is None else Model(*row)


def building(tx: Any) -> Model | None:
    """The one whose vectors are being made, to take its place."""
    row = tx.one("knowledge.vectors_model", {"state": "building"})
    return None if row is None else Model(*row)


def workspace_range(tx: Any, workspace: str) -> tuple[int, int] | None:
    """The ids of a workspace's passages lie between these two; None for one that has nothing."""
    row = tx.one("knowledge.vectors_range", {"workspace": workspace})
    return None if row is None else (row[0], row[1])


def indexing(tx: Any, model: Model | None = None) -> bool:
    """Whether some of what is there cannot be found yet by all that it says; if it is searched by a model
    that is being built, whether any of its vectors are missing."""
    if model is not None and model == building(tx):
        return tx.one("knowledge.indexing_left", {"model": model.id}) is not None
    return bool(tx.one("knowledge.vectors_waiting")[0])


def is_used(tx: Any, model: Model) -> bool:
    """Whether a model is searched by still, or already."""
    return model in (serving(tx), building(tx))


async def embed_query(box: Box, text: str) -> tuple[Model, bytes] | None:
    """The model to search by, and the question's vector by it. None when there is no such, or when who makes
    its vectors does not answer in time: then there are words alone.

    That is the model that serves. If it cannot be had any more, for the settings want another, whose vectors
    are being made, it is that one, by which not everything is found yet.
    """
    found: tuple[Model | None, Model | None] = await box.read_with(lambda tx: (serving(tx), building(tx)))
    models = [each for each in found if each is not None]
    if not models:
        return None
    if models[0].name == hashed.MODEL:
        numbers = hashed.embed(text)
        return (models[0], numbers) if len(numbers) == WIDTH * models[0].dimension else None
    try:
        data = text.encode("utf-8", "surrogatepass")
        vector = answered(await box.compute(_QUESTION, data, stepped=True, seconds=QUERY_SECONDS))
    except IngestError:
        return None
    for model in models:
        if (model.name, model.dimension) == (vector.model, vector.dimension):
            return model, vector.numbers
    return None


def nearest(
    tx: Any,
    model: Model,
    numbers: bytes,
    first: int,
    beyond: int,
    limit: int,
    *,
    statement: str = "knowledge.vectors_near",
    params: Mapping[str, object] | None = None,
) -> list[Near]:
    """The passages with ids between `first` and `beyond` that are nearest to a vector of the model, best
    first; those that are as near in the order of their ids.

    It reads the signs of all of them: for `Box.read_apart`. `statement` is the first stage: it gives ids of
    passages, and takes `model`, `first`, `beyond`, `bits`, `most` and `params`. A vector that is not the
    model's, or of zeros, is near nothing.
    """
    if len(numbers) != WIDTH * model.dimension or not any(numbers):
        return []
    asked = {
        **(params or {}),
        "model": model.id,
        "first": first,
        "beyond": beyond,
        "bits": signs(numbers),
        "most": max(CANDIDATES, limit),
    }
    found = [row[0] for row in tx.all(statement, asked)]
    if not found:
        return []
    wanted = unpacked(numbers)
    rows = tx.all("knowledge.vectors_of", {"found": msgspec.json.encode(found).decode(), "model": model.id})
    near = [
        Near(passage, article, place, start, end, cosine(wanted, unpacked(numbers)))
        for passage, article, place, start, end, numbers in rows
    ]
    near.sort(key=lambda each: (-each.score, each.passage))
    return near[:limit]
