"""How tickets look on the wire, in lists and each by itself (contract: feedback, Read-side shapes)."""

from __future__ import annotations

import zlib
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ingestbox.clock import iso
from ingestbox.errors import IngestError
from ingestbox.families.feedback.analysis import (
    Analysis,
    FieldSentiment,
    LanguageName,
    NamedEntity,
    Score,
    Sentiment,
    Trend,
)
from ingestbox.model import checksum

T = TypeVar("T")

_KNOWN = ("id", "summary", "description", "comments")
_analysis = msgspec.json.Decoder(Analysis)

Indexing = Annotated[
    bool | UnsetType,
    Meta(description="True while tickets from before an update wait to be found again: there are more."),
]


class TicketLine(msgspec.Struct, frozen=True, kw_only=True):
    """A ticket in a list."""

    ticket_id: str
    summary: str | None
    sentiment: Sentiment
    score: Score
    trend: Annotated[Trend, Meta(description="The later half of those texts against the earlier one.")]
    language: LanguageName
    updated_at: str
    box: Annotated[str | UnsetType, Meta(description="The box that it came from, if not this one.")] = UNSET


class TicketPage(msgspec.Struct, frozen=True):
    """A page of tickets, newest first."""

    results: list[TicketLine]
    total: Annotated[int, Meta(ge=0, description="How many tickets the filters let pass, on all pages.")]
    next_cursor: str | None
    total_is: Annotated[
        Literal["lower bound"] | UnsetType,
        Meta(description="There if `q` finds so many tickets that they are not all counted."),
    ] = UNSET
    indexing: Indexing = UNSET


class TicketBody(TicketLine, frozen=True, kw_only=True):
    """A ticket with its texts and its analysis."""

    description: str | None
    comments: list[str | None]
    fields: Annotated[list[FieldSentiment], Meta(description="The sentiment of each text that is not blank.")]
    entities: Annotated[list[NamedEntity], Meta(description="What summary and description name.")]
    keywords: list[str]
    steps: Annotated[
        dict[str, str], Meta(description="Who did which step: `builtin/…` is the box, `http…` a server.")
    ]
    job_id: Annotated[str, Meta(description="The job that it came with.")]
    record_id: Annotated[
        str | UnsetType, Meta(description="The record that it was made of; left out of one from another box.")
    ] = UNSET
    extra: Annotated[dict[str, Any], Meta(description="What else was sent with it.")]


def ticket_line(row: tuple[Any, ...]) -> TicketLine:
    """A ticket in a list, from the columns that the lists' queries begin with."""
    ticket_id, origin, summary, sentiment, score, trend, updated_ms, language = row[:8]
    return TicketLine(
        ticket_id=ticket_id,
        summary=summary,
        sentiment=sentiment,
        score=score,
        trend=trend,
        language=language or None,
        updated_at=iso(updated_ms) or "",
        box=origin or UNSET,
    )


def ticket_body(row: tuple[Any, ...]) -> TicketBody:
    """A ticket with its texts, its analysis and what else was sent with it, from the query `ticket`.

    Raises IngestError `damaged` when something does not match its checksum.
    """
    ticket_id, origin, summary, sentiment, score, trend, updated_ms = row[:7]
    job_id, result, record, crc, payload, payload_crc = row[7:13]
    if zlib.crc32(result + (record or b"")) != crc:
        raise IngestError("damaged")
    if record is None:
        record = payload
        if payload is None or checksum(ticket_id.encode(), payload) != payload_crc:
            raise IngestError("damaged")
    sent: dict[str, Any] = msgspec.json.decode(record)
    found = _read(result, sentiment, score, trend)
    return TicketBody(
        ticket_id=ticket_id,
        summary=sent.get("summary", summary),
        sentiment=found.sentiment,
        score=found.score,
        trend=found.trend,
        language=found.language,
        updated_at=iso(updated_ms) or "",
        box=origin or UNSET,
        description=sent.get("description"),
        comments=sent.get("comments") or [],
        fields=found.fields,
        entities=found.entities,
        keywords=found.keywords,
        steps=found.steps,
        job_id=job_id,
        record_id=UNSET if origin else str(row[13]),
        extra={key: value for key, value in sent.items() if key not in _KNOWN},
    )


def _read(result: bytes, sentiment: Sentiment, score: float, trend: Trend) -> Analysis:
    """The analysis; of a result that is not quite one, for boxes once sent what nobody looked at, what can
    be read, with the row's own columns."""
    try:
        return _analysis.decode(result)
    except msgspec.ValidationError:
        given = msgspec.json.decode(result)
    if not isinstance(given, dict):
        given = {}
    return Analysis(
        sentiment=sentiment,
        score=score,
        trend=trend,
        fields=_those(given.get("fields"), FieldSentiment),
        entities=_those(given.get("entities"), NamedEntity),
        keywords=_those(given.get("keywords"), str),
    )


def _those(given: object, kind: type[T]) -> list[T]:
    """The elements of a list that are of a type; none of what is no list."""
    found: list[T] = []
    for each in given if isinstance(given, list) else ():
        try:
            found.append(msgspec.convert(each, kind))
        except msgspec.ValidationError:
            continue
    return found
