"""Passages of an article as they are put: their places, words and vectors. Light and pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from ingestbox.enrich.embedding.vector import Vector, signs
from ingestbox.enrich.steps import Steps
from ingestbox.families.knowledge.searching.words import words_of
from ingestbox.model import Columns

AT_ONCE: Final = 60
"""Passages of one article that its put writes; the others are written in the background. The triggers of
`knowledge_indexed` have the same number."""

_encode = msgspec.json.Encoder().encode


class Embedded(NamedTuple):
    """The vectors of an article's first passages, as columns of its put and as those that are bytes. The put
    without them leaves the article to be embedded in the background."""

    columns: Columns
    blobs: Mapping[str, bytes]


def columns(found: Mapping[str, Any], title: str) -> dict[str, str | int | None]:
    """Where the passages are that a result has, with their words, as columns of the article's put; none of a
    result without.

    Raises whatever it meets in something that is no result.
    """
    spans = found.get("passages") or []
    places = [(int(span["start"]), int(span["end"])) for span in spans[:AT_ONCE]]
    first = [(start, end, *words_of(found["text"][start:end], title)) for start, end in places]
    return {
        "passages": _encode(first).decode(),
        "passage_count": len(spans),
        "model": None,
        "dimension": None,
        "signs": None,
        "vectors": None,
    }


def embedded(steps: Steps, articles: Sequence[tuple[str, Sequence[tuple[int, int]]]]) -> list[Embedded]:
    """The vectors of each article's first passages, from its text and where these are in it (code points)."""
    texts = [text[start:end] for text, spans in articles for start, end in spans[:AT_ONCE]]
    found = iter(steps.embeddings(texts).found)
    return [_together([next(found) for _ in spans[:AT_ONCE]]) for _, spans in articles]


def _together(vectors: Sequence[Vector]) -> Embedded:
    if len({(each.model, each.dimension) for each in vectors}) != 1:  # a server failed between two passages
        return Embedded({}, {})
    blobs = {
        "signs": b"".join([signs(each.numbers) for each in vectors]),
        "vectors": b"".join([each.numbers for each in vectors]),
    }
    return Embedded({"model": vectors[0].model, "dimension": vectors[0].dimension}, blobs)
