"""What a server of the analysis may answer, checked against the texts it was asked about."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from ingestbox.enrich.embedding.vector import MOST, Vector, packed
from ingestbox.enrich.facts import (
    Entity,
    EntityLabel,
    Language,
    LanguageCode,
    Sentiment,
    SentimentLabel,
    Step,
)
from ingestbox.enrich.steps import Answers

BY: Final = "http"
"""What a result says of a step that a server did; with a slash and its version, if it has said one."""

_LARGEST: Final = 1e15
"""Of the numbers of a vector; the squares of larger ones have no sum."""

_VERSION: Final = re.compile(r"[\w.:-]{1,64}", re.ASCII)

_Share = Annotated[float, Meta(ge=0, le=1)]


class Unfit(Exception):  # noqa: N818 - says what it is
    """The answer is not one to these texts; the message is a phrase, without anything of it."""


class _Language(msgspec.Struct, frozen=True):
    language: LanguageCode
    confidence: _Share


class _Sentiment(msgspec.Struct, frozen=True):
    sentiment: SentimentLabel
    confidence: _Share


class _Entity(msgspec.Struct, frozen=True):
    label: EntityLabel
    start: Annotated[int, Meta(ge=0)]
    end: Annotated[int, Meta(ge=1)]
    text: str | None = None


class _Entities(msgspec.Struct, frozen=True):
    entities: list[_Entity]


class _Keywords(msgspec.Struct, frozen=True):
    keywords: Annotated[list[Annotated[str, Meta(pattern=r"\S", max_length=200)]], Meta(max_length=100)]


class _Answer(msgspec.Struct, frozen=True):
    results: list[msgspec.Raw]
    version: str | None = None


class _Embedding(msgspec.Struct, frozen=True):
    index: Annotated[int, Meta(ge=0)]
    embedding: Annotated[list[float], Meta(min_length=2, max_length=MOST)]


class _Embeddings(msgspec.Struct, frozen=True):
    data: list[_Embedding]


_answer = msgspec.json.Decoder(_Answer)
_embeddings = msgspec.json.Decoder(_Embeddings)


def read(step: Step, content: bytes, texts: Sequence[str]) -> Answers[Any]:
    """The answer's results, one for each text. Raises Unfit for one that is anything else."""
    try:
        answer = _answer.decode(content)
        if len(answer.results) != len(texts):
            raise Unfit("another number of results")
        found = [_READ[step](result, text) for result, text in zip(answer.results, texts, strict=True)]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Unfit("not in its shape") from None
    by = BY
    if answer.version is not None:
        if not _VERSION.fullmatch(answer.version):
            raise Unfit("not in its shape")
        by = f"{BY}/{answer.version}"
    return Answers(found, [by] * len(found))


def read_embeddings(content: bytes, model: str, count: int) -> Answers[Vector]:
    """The vectors of an answer as OpenAI's servers give it, in the order of the texts, of length one. Raises
    Unfit for anything else: another number of them, or of numbers in one, or numbers that are none."""
    try:
        data = _embeddings.decode(content).data
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Unfit("not in its shape") from None
    if sorted(each.index for each in data) != list(range(count)):
        raise Unfit("another number of results")
    if len({len(each.embedding) for each in data}) > 1:
        raise Unfit("vectors of several dimensions")
    name = f"{BY}/{model}"
    found: list[Vector] = []
    for each in sorted(data, key=lambda one: one.index):
        if not all(map(math.isfinite, each.embedding)) or max(map(abs, each.embedding)) > _LARGEST:
            raise Unfit("numbers that are none")
        if not any(each.embedding):
            raise Unfit("a vector of zeros")
        found.append(Vector(name, packed(each.embedding)))
    return Answers(found, [name] * count)


def _read_language(result: msgspec.Raw, text: str) -> Language:
    said = _languages.decode(result)
    return Language(said.language, said.confidence)


def _read_sentiment(result: msgspec.Raw, text: str) -> Sentiment:
    said = _sentiments.decode(result)
    return Sentiment(said.sentiment, said.confidence)


def _read_entities(result: msgspec.Raw, text: str) -> list[Entity]:
    """In the order of the text; they may not overlap, and each has to be what stands at its place."""
    found: list[Entity] = []
    end = 0
    for said in sorted(_entities.decode(result).entities, key=lambda each: each.start):
        part = text[said.start : said.end]
        if not end <= said.start < said.end <= len(text) or said.text not in (None, part):
            raise Unfit("entities that are not in the text")
        found.append(Entity(part, said.label, said.start, said.end))
        end = said.end
    return found


def _read_keywords(result: msgspec.Raw, text: str) -> list[str]:
    return _keywords.decode(result).keywords


_languages = msgspec.json.Decoder(_Language)
_sentiments = msgspec.json.Decoder(_Sentiment)
_entities = msgspec.json.Decoder(_Entities)
_keywords = msgspec.json.Decoder(_Keywords)

_READ: Final[dict[Step, Callable[[msgspec.Raw, str], Any]]] = {
    "language": _read_language,
    "sentiment": _read_sentiment,
    "entities": _read_entities,
    "keywords": _read_keywords,
}
