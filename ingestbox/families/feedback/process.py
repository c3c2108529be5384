"""What is done with each ticket, from JSON and CSV alike; runs in a child process, so it stays light."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from ingestbox.enrich.facts import Entity, LanguageCode, Step
from ingestbox.enrich.steps import BUILT_IN, Steps
from ingestbox.families.feedback import comments
from ingestbox.families.feedback.aggregate import Analysed, aggregate
from ingestbox.families.feedback.columns import arrived, columns
from ingestbox.families.feedback.excerpt import Excerpt, excerpt
from ingestbox.model import Chunk, Item, Outcome, Put, delivery_digest

DOUBTFUL: Final = 0.5
"""A text whose language is less sure is read in that of its ticket: an "ok", a name, a typing error."""

_NAMED: Final = ("summary", "description")
"""The fields in which entities are looked for."""

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


@dataclass(slots=True)
class Text:
    """One text of a ticket; `number` counts comments from 1 and is None for summary and description."""

    field: str
    number: int | None
    excerpt: Excerpt
    at: str | None = None
    author: str | None = None
    language: LanguageCode = "other"
    sure: float = 0.0
    sentiment: str = "neutral"
    confidence: float = 0.0

    def as_dict(self) -> dict[str, object]:
        """As it goes into a result."""
        said: dict[str, object] = {"field": self.field}
        if self.number is not None:
            said["comment_number"] = self.number
        said["sentiment"], said["confidence"], said["language"] = (
            self.sentiment,
            self.confidence,
            self.language,
        )
        if self.author is not None:
            said["author"] = self.author
        if self.at is not None:
            said["at"] = self.at
        if self.excerpt.analysed is not None:
            said["analysed_characters"] = self.excerpt.analysed
        return said


@dataclass(slots=True)
class Ticket:
    """A ticket while it is analysed; `by` says who did which step for it."""

    item: Item
    record: dict[str, Any]
    texts: list[Text]
    language: LanguageCode = "other"
    entities: list[dict[str, object]] = field(default_factory=list)
    keywords: list[str] = field(default_factory=list)
    by: dict[Step, set[str]] = field(default_factory=dict)

    def note(self, step: Step, by: str) -> None:
        """That a step was done by this one for one of the texts."""
        self.by.setdefault(step, set()).add(by)


def process(chunk: Chunk, steps: Steps = BUILT_IN) -> list[Outcome]:
    """Analyses the tickets of a chunk, one outcome each, in order; each step sees all their texts at once."""
    tickets = [_ticket(item) for item in chunk.items]
    _languages(tickets, steps)
    _sentiments(tickets, steps)
    _entities(tickets, steps)
    _keywords(tickets, steps)
    return [_outcome(ticket) for ticket in tickets]


def _ticket(item: Item) -> Ticket:
    record: dict[str, Any] = _decode(item.payload)
    return Ticket(item, record, texts(record))


def texts(record: dict[str, Any]) -> list[Text]:
    """The texts to analyse, in order; blank ones are skipped, and of a comment all but its text."""
    found: list[Text] = []
    for name in _NAMED:
        text = record.get(name)
        if text and not text.isspace():
            found.append(Text(name, None, excerpt(text)))
    for number, sent in enumerate(record.get("comments") or (), start=1):
        if sent and not sent.isspace():
            comment = comments.parse(sent)
            if comment.text and not comment.text.isspace():
                found.append(Text("comment", number, excerpt(comment.text), comment.at, comment.author))
    return found


def _languages(tickets: Sequence[Ticket], steps: Steps) -> None:
    every = [(ticket, text) for ticket in tickets for text in ticket.texts]
    answers = steps.languages([text.excerpt.text for _, text in every])
    for (ticket, text), found, by in zip(every, answers.found, answers.by, strict=True):
        text.language, text.sure = found.code, found.confidence
        ticket.note("language", by)
    for ticket in tickets:
        ticket.language = _of_all(ticket.texts)
        for text in ticket.texts:
            if text.sure < DOUBTFUL and any(map(str.isalpha, text.excerpt.text)):
                text.language = ticket.language


def _of_all(of: Sequence[Text]) -> LanguageCode:
    """The language of most letters; a text counts by how sure its language is."""
    letters: dict[LanguageCode, float] = {}
    for text in of:
        letters[text.language] = letters.get(text.language, 0.0) + len(text.excerpt.text) * text.sure
    return max(letters, key=lambda code: letters[code], default="other")


def _sentiments(tickets: Sequence[Ticket], steps: Steps) -> None:
    every = [(ticket, text) for ticket in tickets for text in ticket.texts]
    answers = steps.sentiments(*_asked(text for _, text in every))
    for (ticket, text), found, by in zip(every, answers.found, answers.by, strict=True):
        text.sentiment, text.confidence = found.label, found.confidence
        ticket.note("sentiment", by)


def _entities(tickets: Sequence[Ticket], steps: Steps) -> None:
    every = [(ticket, text) for ticket in tickets for text in ticket.texts if text.field in _NAMED]
    answers = steps.entities(*_asked(text for _, text in every))
    for (ticket, text), found, by in zip(every, answers.found, answers.by, strict=True):
        ticket.entities += [_named(entity, text.field) for entity in text.excerpt.in_whole(found)]
        ticket.note("entities", by)


def _keywords(tickets: Sequence[Ticket], steps: Steps) -> None:
    """Of a ticket as a whole: its texts, each on a line of its own."""
    wholes = [excerpt("\n".join(text.excerpt.text for text in ticket.texts)).text for ticket in tickets]
    answers = steps.keywords(wholes, [ticket.language for ticket in tickets])
    for ticket, found, by in zip(tickets, answers.found, answers.by, strict=True):
        ticket.keywords = found
        ticket.note("keywords", by)


def _asked(of: Iterable[Text]) -> tuple[list[str], list[LanguageCode]]:
    every = list(of)
    return [text.excerpt.text for text in every], [text.language for text in every]


def _named(entity: Entity, of: str) -> dict[str, object]:
    return {"text": entity.text, "label": entity.label, "field": of, "start": entity.start, "end": entity.end}


def _outcome(ticket: Ticket) -> Outcome:
    total = aggregate(
        [Analysed(text.field, text.number, text.sentiment, text.confidence) for text in ticket.texts]
    )
    analysis = {
        "sentiment": total.sentiment,
        "score": total.score,
        "trend": total.trend,
        "language": ticket.language,
        "fields": [text.as_dict() for text in ticket.texts],
        "entities": ticket.entities,
        "keywords": ticket.keywords,
        "steps": {step: "+".join(sorted(by)) for step, by in ticket.by.items()},
    }
    result = _encode(analysis)
    item = ticket.item
    return Outcome(
        index=item.index,
        put=Put(
            kind="ticket",
            id=item.key,
            result=result,
            columns=columns(ticket.record, analysis),
            digest=delivery_digest(item.payload, result),
        ),
        tallies=_tallies(ticket.texts, ticket.entities),
    )


class _Analysis(msgspec.Struct):
    """What a result is counted by."""

    fields: list[msgspec.Raw] = []
    entities: list[msgspec.Raw] = []


def counted(result: bytes) -> dict[str, int]:
    """What the record of a result was counted as."""
    analysis = msgspec.json.decode(result, type=_Analysis)
    return _tallies(analysis.fields, analysis.entities)


def _tallies(fields: Sequence[object], entities: Sequence[object]) -> dict[str, int]:
    return {"sentiment_records": int(bool(fields)), "entity_records": int(bool(entities))}


def project(kind: str, record: bytes, result: bytes) -> dict[str, str | int | float | None]:
    """The ticket's columns from a delivery that arrived finished from another box.

    Raises whatever it meets in one that is not a ticket, also for what only a reader would miss.
    """
    return arrived(record, result)
