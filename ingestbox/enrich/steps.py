"""The steps of an analysis, each over many texts at once, and who did it: built in, or elsewhere."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar

from ingestbox.enrich.embedding import hashed
from ingestbox.enrich.embedding.vector import Vector
from ingestbox.enrich.embedding.wordvectors import Compiled, NoVectorsError, opened
from ingestbox.enrich.facts import Entity, Language, LanguageCode, Sentiment, Step

T = TypeVar("T")

MODULES: Final[dict[Step, str]] = {
    "language": "ingestbox.enrich.language",
    "sentiment": "ingestbox.enrich.sentiment",
    "entities": "ingestbox.enrich.entities",
    "keywords": "ingestbox.enrich.keywords",
}
"""Where the built-in steps are. Children import them, and nothing does so before it needs one: their tables
would take the box itself 8 MB, and a fifth of its start."""


@functools.cache
def builtin() -> Mapping[Step, str]:
    """What a result says of a step that was done here: the version of its rules, which changes whenever an
    answer can. An embedding says its model instead."""
    return {step: f"builtin/{importlib.import_module(module).RULES}" for step, module in MODULES.items()}


@dataclass(frozen=True, slots=True)
class Answers(Generic[T]):
    """What was found for each text, in order, and who found it."""

    found: Sequence[T]
    by: Sequence[str]


class Steps(Protocol):
    """Who analyses texts. Every method answers for each text, in order, and raises for none."""

    def languages(self, texts: Sequence[str]) -> Answers[Language]:
        """The language of each text."""

    def sentiments(self, texts: Sequence[str], languages: Sequence[LanguageCode]) -> Answers[Sentiment]:
        """The sentiment of each text, which is in the language of the same place."""

    def entities(self, texts: Sequence[str], languages: Sequence[LanguageCode]) -> Answers[list[Entity]]:
        """What each text names."""

    def keywords(self, texts: Sequence[str], languages: Sequence[LanguageCode]) -> Answers[list[str]]:
        """What each text is about, the weightiest first."""

    def embeddings(self, texts: Sequence[str]) -> Answers[Vector]:
        """A vector for each text; those by one model have the same dimension."""


class BuiltIn:
    """The steps as this program does them: pure, and linear in the length of each text."""

    def languages(self, texts: Sequence[str]) -> Answers[Language]:
        """See `Steps`."""
        from ingestbox.enrich import language

        return _answers("language", map(language.language, texts))

    def sentiments(self, texts: Sequence[str], languages: Sequence[LanguageCode]) -> Answers[Sentiment]:
        """See `Steps`."""
        from ingestbox.enrich import sentiment

        return _answers("sentiment", map(sentiment.sentiment, texts, languages))

    def entities(self, texts: Sequence[str], languages: Sequence[LanguageCode]) -> Answers[list[Entity]]:
        """See `Steps`."""
        from ingestbox.enrich import entities

        return _answers("entities", map(entities.entities, texts, languages))

    def keywords(self, texts: Sequence[str], languages: Sequence[LanguageCode]) -> Answers[list[str]]:
        """See `Steps`."""
        from ingestbox.enrich import keywords

        return _answers("keywords", map(keywords.keywords, texts, languages))

    def embeddings(self, texts: Sequence[str]) -> Answers[Vector]:
        """See `Steps`."""
        found = [Vector(hashed.MODEL, hashed.embed(text)) for text in texts]
        return Answers(found, [hashed.MODEL] * len(found))


class LookedUp(BuiltIn):
    """The same, but embeddings are made of a file's vectors of words, as long as it can be read."""

    def __init__(self, words: Compiled) -> None:
        self._words = words

    def embeddings(self, texts: Sequence[str]) -> Answers[Vector]:
        """See `Steps`."""
        try:
            file = opened(self._words)
        except (OSError, ValueError, NoVectorsError):
            return super().embeddings(texts)
        found = [Vector(file.model, file.embed(text)) for text in texts]
        return Answers(found, [file.model] * len(found))


def _answers(step: Step, found: Iterable[T]) -> Answers[T]:
    every = list(found)
    return Answers(every, [builtin()[step]] * len(every))


BUILT_IN: Final = BuiltIn()
