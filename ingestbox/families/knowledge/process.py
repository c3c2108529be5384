"""Articles become objects, with what is found out about each. Runs in a child process, so it stays light."""

from __future__ import annotations

from typing import Any

import msgspec

from ingestbox.enrich.folding import nfc
from ingestbox.enrich.steps import BUILT_IN, Steps
from ingestbox.families.knowledge.contents import content_id
from ingestbox.model import Chunk, Columns, Item, Outcome, Put, delivery_digest, record_id

KIND = "article"

_decode = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.Encoder().encode


def process(chunk: Chunk, steps: Steps = BUILT_IN) -> list[Outcome]:
    """A put for each article."""
    records = [_decode(item.payload) for item in chunk.items]
    texts = [nfc(record["content"]) for record in records]
    languages = steps.languages(texts).found
    keywords = steps.keywords(texts, [language.code for language in languages]).found
    outcomes: list[Outcome] = []
    for item, text, language, words in zip(chunk.items, texts, languages, keywords, strict=True):
        found = {"text": text, "language": language.code, "keywords": words}
        outcomes.append(Outcome(item.index, _put(chunk.job, item, _encode(found))))
    return outcomes


def _put(job_id: int, item: Item, result: bytes) -> Put:
    return Put(
        kind=KIND,
        id=content_id(record_id(job_id, item.index)),
        result=result,
        columns=project(KIND, item.payload, result),
        digest=delivery_digest(item.payload, result),
    )


def project(kind: str, record: bytes, result: bytes) -> Columns:
    """An article's columns, also from a delivery that arrived finished from another box.

    Raises whatever it meets in one that is no article.
    """
    article, found = _decode(record), _decode(result)
    return {
        "source_id": article["source_id"],
        "url": article["source_url"],
        "title": article["title"],
        "language": found["language"],
    }
