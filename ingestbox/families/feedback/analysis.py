"""A ticket's analysis as it is stored, sent upstream and served (contract: feedback, Analysis)."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

Sentiment = Literal["positive", "neutral", "negative"]
Trend = Literal["improving", "declining", "stable"]

Share = Annotated[float, Meta(ge=0, le=1)]
Score = Annotated[
    float,
    Meta(ge=-1, le=1, description="Over the last five texts, later ones more; ±0.2 decides `sentiment`."),
]
LanguageName = Annotated[
    str | None, Meta(description="`vi`, `en` or `other`; null for what was analysed before languages were.")
]


class FieldSentiment(msgspec.Struct, frozen=True, kw_only=True):
    """The sentiment of one of a ticket's texts."""

    field: Literal["summary", "description", "comment"]
    sentiment: Sentiment
    confidence: Annotated[Share, Meta(description="How likely the sentiment is to be right.")]
    language: LanguageName = None
    comment_number: Annotated[int, Meta(ge=1, description="Of a comment: which, from 1.")] | UnsetType = UNSET
    author: Annotated[str | UnsetType, Meta(description="Who wrote the comment, if it says so.")] = UNSET
    at: Annotated[str | UnsetType, Meta(description="When the comment was written, if it says so.")] = UNSET
    analysed_characters: (
        Annotated[int, Meta(ge=1, description="Of a very long text: how many characters were analysed.")]
        | UnsetType
    ) = UNSET


class NamedEntity(msgspec.Struct, frozen=True):
    """Something that a text names; `text` is the field's from `start` to before `end`, in code points."""

    text: str
    label: Annotated[str, Meta(description="Its kind: `PERSON`, `LOCATION`, `MONEY` and others.")]
    field: Literal["summary", "description"]
    start: Annotated[int, Meta(ge=0)]
    end: Annotated[int, Meta(ge=0)]


class Analysis(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that was found out about a ticket. Results of older versions end with `fields`."""

    sentiment: Sentiment
    score: Score
    trend: Trend
    fields: list[FieldSentiment]
    language: str | None = None
    entities: list[NamedEntity] = []
    keywords: list[str] = []
    steps: dict[str, str] = {}
