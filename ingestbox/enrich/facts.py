"""What is found out about a text: its language, its sentiment, and what it names; no I/O."""

from __future__ import annotations

from typing import Literal, get_args

import msgspec

Step = Literal["language", "sentiment", "entities", "keywords", "embeddings"]
"""The parts of an analysis, in the order in which they are done."""

LanguageCode = Literal["vi", "en", "other"]
SentimentLabel = Literal["positive", "neutral", "negative"]
EntityLabel = Literal[
    "PERSON",
    "ORGANIZATION",
    "LOCATION",
    "PRODUCT",
    "MONEY",
    "DATE",
    "TIME",
    "PERCENT",
    "EMAIL",
    "URL",
    "PHONE",
]

SENTIMENTS: tuple[SentimentLabel, ...] = get_args(SentimentLabel)


class Language(msgspec.Struct, frozen=True, array_like=True):
    """The language of a text, and how likely it is to be that one (0 to 1)."""

    code: LanguageCode
    confidence: float


class Sentiment(msgspec.Struct, frozen=True, array_like=True):
    """The label of a text, and how likely it is to be right (0 to 1)."""

    label: SentimentLabel
    confidence: float


class Entity(msgspec.Struct, frozen=True, array_like=True):
    """What a text names: `text` is exactly `whole[start:end]`, in code points of the text as it was sent."""

    text: str
    label: EntityLabel
    start: int
    end: int
