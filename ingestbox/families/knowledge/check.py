"""What is wrong with one article by itself (contract: knowledge, Item). Light: children import it."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from typing import Any
from urllib.parse import urlsplit

from ingestbox.errors import Fault
from ingestbox.families.knowledge.times import millis

LEAST_CHARACTERS = 100
MOST_CHARACTERS = 1_000_000
MOST_TITLE = 500
MOST_SOURCE = 255
MOST_URL = 4_096

MOST_FAULTS = 100
"""So many are told of one item: an article may have 30,000 entities, and all of them wrong."""

LANGUAGES = ("vi", "en")

TOO_LARGE = "content_too_large"
"""The code of a content that is too long."""

TYPES = (
    "article",
    "regulation",
    "guideline",
    "news",
    "research",
    "policy",
    "advice",
    "prevention",
    "service",
    "department",
    "guide",
    "medical_info",
    "doctor_profile",
    "specialty",
    "health_guide",
    "medical_article",
    "symptoms",
    "treatment",
)
"""What `content_type` may be, unless the settings say otherwise."""

_MISSING, _WRONG = "missing_required", "wrong_type"

Said = tuple[str, str, str]
"""A code, a field, and a sentence."""


def check(value: object, index: int | None, types: Collection[str]) -> tuple[str, list[Fault]]:
    """The article's key (its address; empty for one that has none), and everything that is wrong with it, up
    to MOST_FAULTS; `types` are those that content may have. Lengths are in code points, as they are sent."""
    if not isinstance(value, dict):
        return "", [Fault(_WRONG, "An item must be an object", index)]
    faults: list[Fault] = []
    for code, field, sentence in _faults(value, types):
        faults.append(Fault(code, sentence, index, field))
        if len(faults) == MOST_FAULTS:
            break
    url = value.get("source_url")
    return url.strip() if isinstance(url, str) and not address_faults(url) else "", faults


def _faults(item: dict[str, Any], types: Collection[str]) -> Iterator[Said]:
    yield from _source(item.get("source_id"))
    yield from _address(item.get("source_url"))
    yield from _title(item.get("title"))
    yield from _content(item.get("content"))
    yield from _words(item, types)
    for field in ("published_at", "crawled_at"):
        yield from _time(field, item.get(field))
    yield from _metadata(item.get("metadata"))
    field = "extracted_entities" if item.get("extracted_entities") is not None else "entities"
    yield from _entities(field, item.get(field))


def _text(field: str, value: object) -> Iterator[Said]:
    """What is wrong with what has to be a text with something in it."""
    if value is None or (isinstance(value, str) and not value.strip()):
        yield _MISSING, field, f"{field} is required"
    elif not isinstance(value, str):
        yield _WRONG, field, f"{field} must be text"


def _source(value: object) -> Iterator[Said]:
    yield from _text("source_id", value)
    if isinstance(value, str) and len(value) > MOST_SOURCE:
        yield "too_long", "source_id", f"source_id must have 1 to {MOST_SOURCE} characters"


def _address(value: object) -> Iterator[Said]:
    yield from _text("source_url", value)
    if isinstance(value, str) and value.strip() and (sentence := address_faults(value)):
        yield "invalid_url", "source_url", sentence


def address_faults(value: str) -> str:
    """What is wrong with an address that has to be an absolute one of http or https; empty: nothing."""
    url = value.strip()
    if len(url) > MOST_URL:
        return f"source_url must have at most {MOST_URL} characters"
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets or a port that are none
        good = False
    # urlsplit drops line ends and tabs wherever they stand.
    if not good or any(character <= " " or character == "\x7f" for character in url):
        return "source_url must be an absolute URL (http or https)"
    return ""


def _title(value: object) -> Iterator[Said]:
    yield from _text("title", value)
    if isinstance(value, str) and len(value) > MOST_TITLE:
        yield "too_long", "title", f"title must have 1 to {MOST_TITLE} characters"


def _content(value: object) -> Iterator[Said]:
    if isinstance(value, str) and len(value) < LEAST_CHARACTERS:
        yield "too_short", "content", f"Content too short (minimum {LEAST_CHARACTERS} characters)"
    elif isinstance(value, str) and len(value) > MOST_CHARACTERS:
        yield TOO_LARGE, "content", f"Content too long (maximum {MOST_CHARACTERS} characters)"
    else:
        yield from _text("content", value)


def _words(item: dict[str, Any], types: Collection[str]) -> Iterator[Said]:
    kind, language = item.get("content_type"), item.get("language")
    if kind is not None and kind not in tuple(types):
        yield "unknown_type", "content_type", f"content_type must be one of {', '.join(types)}"
    if language is not None and language not in LANGUAGES:
        yield "unknown_language", "language", f"language must be one of {', '.join(LANGUAGES)}"


def _time(field: str, value: object) -> Iterator[Said]:
    if value is not None and millis(value) is None:
        yield "invalid_time", field, f"{field} must be a time in ISO 8601, such as 2024-01-15T10:30:00Z"


def _metadata(value: object) -> Iterator[Said]:
    if value is None:
        return
    if not isinstance(value, dict):
        yield _WRONG, "metadata", "metadata must be an object"
        return
    for name in ("author", "category", "content_hash"):
        if not isinstance(value.get(name), str | None):
            yield _WRONG, f"metadata.{name}", f"{name} must be text"
    yield from _texts("metadata.tags", "tags must be a list of texts", value.get("tags"))
    specialty = value.get("medical_specialty")
    if not isinstance(specialty, str):
        sentence = "medical_specialty must be a list of texts, or a text"
        yield from _texts("metadata.medical_specialty", sentence, specialty)
    score = value.get("authority_score")
    if score is not None and not _within(score, 100):
        yield "out_of_range", "metadata.authority_score", "authority_score must be a number from 0 to 100"


def _texts(field: str, sentence: str, value: object) -> Iterator[Said]:
    if value is not None and not (isinstance(value, list) and all(isinstance(each, str) for each in value)):
        yield _WRONG, field, sentence


def _entities(field: str, value: object) -> Iterator[Said]:
    if value is None:
        return
    if not isinstance(value, list):
        yield _WRONG, field, f"{field} must be a list of objects"
        return
    for place, entity in enumerate(value):
        where = f"{field}[{place}]"
        if not isinstance(entity, dict):
            yield _WRONG, where, "An entity must be an object"
            continue
        for name in ("text", "type"):
            for code, _, sentence in _text(name, entity.get(name)):
                yield code, f"{where}.{name}", sentence
        confidence = entity.get("confidence")
        if not _within(confidence, 1):
            yield "out_of_range", f"{where}.confidence", "confidence must be a number from 0 to 1"
        yield from _span(where, entity)


def _span(where: str, entity: dict[str, Any]) -> Iterator[Said]:
    start, end = entity.get("start"), entity.get("end")
    for name, value in (("start", start), ("end", end)):
        if value is not None and not (type(value) is int and value >= 0):
            yield "out_of_range", f"{where}.{name}", f"{name} must be a whole number from 0 on"
            return
    if start is not None and end is not None and end < start:
        yield "out_of_range", f"{where}.end", "end must not be before start"


def _within(value: object, most: int) -> bool:
    """Whether it is a number from 0 to `most`; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= most


def content_hash(content: str) -> str:
    """What `metadata.content_hash` is of a content: SHA-256 of its UTF-8."""
    return "sha256:" + hashlib.sha256(content.encode()).hexdigest()


def hash_differs(item: dict[str, Any]) -> bool:
    """Whether the `metadata.content_hash` of a good article is another than its content's. One that is empty
    says nothing."""
    metadata = item.get("metadata")
    given = metadata.get("content_hash") if isinstance(metadata, dict) else None
    if not isinstance(given, str) or not given.strip():
        return False
    wanted = content_hash(item["content"])
    return given.strip().lower().removeprefix("sha256:") != wanted.removeprefix("sha256:")
