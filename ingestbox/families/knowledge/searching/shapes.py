"""A search on the wire: what is asked, and what was found (contract: knowledge, Endpoints)."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ingestbox.families.knowledge.searching.filters import SearchFilter
from ingestbox.store.terms import MAX_CHARACTERS

DEFAULT_TOP, MOST_TOP = 10, 100


class SearchRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What to look for, and where."""

    query: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=MAX_CHARACTERS,
            description='A question or some words. `"Words in quotes"` have to stand together in the '
            "passage, `-word` must not be there, `vacc*` is any word that begins so. Words are found with "
            "and without their diacritics; as they are written comes first.",
        ),
    ]
    top_k: Annotated[int, Meta(ge=1, le=MOST_TOP, description="How many articles, at most.")] = DEFAULT_TOP
    filter: SearchFilter | None = None


class Place(msgspec.Struct, frozen=True):
    """A passage: the `index`th of its article, from `start` to before `end` of the article's text, in code
    points."""

    index: Annotated[int, Meta(ge=0)]
    start: Annotated[int, Meta(ge=0)]
    end: Annotated[int, Meta(ge=0)]


class Mark(msgspec.Struct, frozen=True):
    """A part of a snippet, from `start` to before `end`, in code points."""

    start: Annotated[int, Meta(ge=0)]
    end: Annotated[int, Meta(ge=0)]


class Scores(msgspec.Struct, frozen=True):
    """How well a passage of the article fits, by each of the two; null where it is not among the best."""

    words: Annotated[
        float | None, Meta(description="BM25: higher is better, and means nothing beside another question's.")
    ]
    vector: Annotated[float, Meta(ge=-1, le=1, description="Cosine of the two vectors.")] | None


class FoundArticle(msgspec.Struct, frozen=True, kw_only=True):
    """An article that was found, with its passage that fits best."""

    content_id: str
    title: str
    source_url: str
    source_id: str
    content_type: str
    language: Annotated[str, Meta(description="What was found in the text: `vi`, `en` or `other`.")]
    published_at: str | None
    quality_score: Annotated[float, Meta(ge=0, le=1)] | None
    passage: Place
    snippet: Annotated[
        str,
        Meta(
            description="Plain text of up to 200 characters of the passage; whoever shows it in HTML escapes "
            "it like any text. Empty if the stored text is damaged."
        ),
    ]
    marks: Annotated[list[Mark], Meta(description="Where in `snippet` the words of the query stand.")]
    score: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="Reciprocal rank fusion (k = 60) of the order by words and the order by vectors: 1 "
            "is the first of both. Of equals the one that came first.",
        ),
    ]
    scores: Scores
    vector_id: str
    box: Annotated[str | UnsetType, Meta(description="The box that it came from, if not this one.")] = UNSET


class SearchAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What was found, best first."""

    success: Literal[True] = True
    query: str
    total: Annotated[int, Meta(ge=0, description="How many results there are in this answer.")]
    results: list[FoundArticle]
    vector: Annotated[
        bool,
        Meta(description="Whether vectors were asked; if not, there are none, or what makes them is away."),
    ]
    model: Annotated[str | None, Meta(description="What made the vectors, if they were asked.")]
    indexing: Annotated[
        bool | UnsetType,
        Meta(description="True while some of what is there is not found yet by all that it says."),
    ] = UNSET
