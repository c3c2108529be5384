"""The columns of a ticket's row: what it is listed, counted and found by; light, as each child imports it."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import Any, get_args

import msgspec

from ingestbox.enrich.facts import EntityLabel, LanguageCode
from ingestbox.enrich.folding import fold
from ingestbox.enrich.searched import entry
from ingestbox.families.feedback.analysis import Analysis

Columns = dict[str, str | int | float | None]

LABELS: tuple[str, ...] = get_args(EntityLabel)
LANGUAGES: tuple[str, ...] = get_args(LanguageCode)

MOST_ENTITIES = 32
"""Different entities by which one ticket is counted and found: the first ones of its texts. Each costs the
writer about 12 µs: a chunk of the worst tickets holds it for some 40 ms. The analysis has them all."""

MOST_LOOKED_AT = 1_000
"""Of a ticket's entities, the first ones: another box may send hundreds of thousands, each some 5 µs."""

MOST_CHARACTERS = 200
"""Of an entity, as it is counted; what is longer counts by its beginning."""


class _Sent(msgspec.Struct):
    """What of a ticket's record has to be of its type, for somebody reads it."""

    summary: str | None = None
    description: str | None = None
    comments: list[str | None] | None = None


_sent = msgspec.json.Decoder(_Sent)
_analysis = msgspec.json.Decoder(Analysis)
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


def columns(record: Mapping[str, Any], result: Mapping[str, Any]) -> Columns:
    """The values of `put_ticket` for a ticket: its record as it was sent, its result as it is stored.

    A result of an older version has neither language nor entities; then the one is null, the others are none.
    """
    language = result.get("language")
    return {
        "summary": record.get("summary"),
        "sentiment": result["sentiment"],
        "score": result["score"],
        "trend": result["trend"],
        "language": language if language is None or language in LANGUAGES else "other",
        "entities": _encode(counted(result.get("entities") or ())).decode(),
        **words(record, result["sentiment"], language),
    }


def words(record: Mapping[str, Any], sentiment: str, language: str | None) -> Columns:
    """What full text finds the ticket by: its id and summary, and its other texts; with it its sentiment and
    language (`enrich.searched.entry`)."""
    comments = [comment for comment in record.get("comments") or () if comment]
    title, body = entry(
        [
            [str(record.get("id", "")), record.get("summary") or ""],
            [record.get("description") or "", *comments],
        ],
        facets=[sentiment, language if language in LANGUAGES else "other"] if language else [sentiment],
    )
    return {"title": title, "body": body}


def arrived(record: bytes, result: bytes) -> Columns:
    """The same for a delivery (JSON, JSON) of another box, which may have been made by any version of it.

    Raises msgspec.ValidationError for one that is no ticket, or that nobody could be shown.
    """
    _sent.decode(record), _analysis.decode(result)
    return columns(_decode(record), _decode(result))


def counted(entities: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Each entity once, from its key to its text as it is shown: the first spelling with the most marks.

    A key is the label, a blank, and the text folded, so that `Hà Nội`, `HÀ NỘI` and `ha noi` are one.
    """
    found: dict[str, str] = {}
    for entity in itertools.islice(entities, MOST_LOOKED_AT):
        label, text = entity["label"], shown(entity["text"])
        if label not in LABELS or not text:
            continue
        key = entity_key(label, text)
        if key not in found and len(found) == MOST_ENTITIES:
            continue
        if key not in found or len(text.encode()) > len(found[key].encode()):
            found[key] = text
    return found


def shown(text: str) -> str:
    """An entity's text on one line, without what cannot be seen, and not longer than it is counted."""
    text = text[: 4 * MOST_CHARACTERS]
    if not text.isprintable():
        text = "".join(each if each.isprintable() else " " for each in text)
    return " ".join(text.split())[:MOST_CHARACTERS].rstrip()


def entity_key(label: str, text: str) -> str:
    """Under which an entity is counted, however its text is written."""
    return f"{label} {' '.join(fold(shown(text)).split())}"
