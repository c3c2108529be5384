"""What is done with each ticket, from JSON and CSV alike; runs in a child process, so it stays light."""

from __future__ import annotations

from typing import Any

import msgspec

from ingestbox.enrich.sentiment import sentiment
from ingestbox.families.feedback.aggregate import Analysed, aggregate
from ingestbox.model import Chunk, Item, Outcome, Put, delivery_digest

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


def process(chunk: Chunk) -> list[Outcome]:
    """Analyses the tickets of a chunk, one outcome each, in order."""
    return [process_record(item) for item in chunk.items]


def process_record(item: Item) -> Outcome:
    """Sentiment of summary, description and each comment, and the ticket's aggregate."""
    record: dict[str, Any] = _decode(item.payload)
    analysed = [
        Analysed(field, number, *msgspec.structs.astuple(sentiment(text, "en")))
        for field, number, text in texts(record)
    ]
    total = aggregate(analysed)
    result = _encode(
        {
            "sentiment": total.sentiment,
            "score": total.score,
            "trend": total.trend,
            "fields": [each.as_dict() for each in analysed],
        }
    )
    return Outcome(
        index=item.index,
        put=Put(
            kind="ticket",
            id=item.key,
            result=result,
            columns=_columns(record, total.sentiment, total.score, total.trend),
            digest=delivery_digest(item.payload, result),
        ),
        tallies={"sentiment_records": 1},
    )


def texts(record: dict[str, Any]) -> list[tuple[str, int | None, str]]:
    """The texts to analyse as (field, comment number from 1, text); blank ones are skipped."""
    found: list[tuple[str, int | None, str]] = []
    for field in ("summary", "description"):
        text = record.get(field)
        if text and not text.isspace():
            found.append((field, None, text))
    for number, comment in enumerate(record.get("comments") or (), start=1):
        if comment and not comment.isspace():
            found.append(("comment", number, comment))
    return found


def project(kind: str, record: bytes, result: bytes) -> dict[str, str | int | float | None]:
    """The ticket's columns from a delivery that arrived finished from another box.

    Raises whatever it meets in one that is not a ticket, also for what only a reader would miss.
    """
    analysis = _decode(result)
    if type(analysis["fields"]) is not list:
        raise TypeError("fields")
    return _columns(_decode(record), analysis["sentiment"], analysis["score"], analysis["trend"])


def _columns(
    record: dict[str, Any], sentiment_label: str, score: float, trend: str
) -> dict[str, str | int | float | None]:
    return {
        "summary": record.get("summary"),
        "sentiment": sentiment_label,
        "score": score,
        "trend": trend,
        "language": None,
    }
