"""Articles become objects, with what is found out about each. Runs in a child process, so it stays light."""

from __future__ import annotations

from typing import Any

import msgspec

from ingestbox.enrich.steps import BUILT_IN, Steps
from ingestbox.families.knowledge.analysis import analyse, low_quality
from ingestbox.families.knowledge.contents import content_id
from ingestbox.families.knowledge.context import known
from ingestbox.families.knowledge.passages import Embedded, columns, embedded
from ingestbox.families.knowledge.result import Found
from ingestbox.families.knowledge.searching.labels import labels_of
from ingestbox.families.knowledge.times import millis
from ingestbox.model import Chunk, Columns, Item, Outcome, Put, delivery_digest, record_id

KIND = "article"
LOW_QUALITY = "low_quality"
"""What an article is held for."""

_decode = msgspec.json.Decoder(dict[str, Any]).decode
_found = msgspec.json.Decoder(Found).decode
_encode = msgspec.json.Encoder().encode


def process(chunk: Chunk, steps: Steps = BUILT_IN) -> list[Outcome]:
    """A put for each article; one of low quality is held."""
    about = known(chunk.context)
    records = [_decode(item.payload) for item in chunk.items]
    found = analyse(records, [about.sources.get(item.index, "") for item in chunk.items], steps)
    vectors = embedded(steps, [(each.text, [(p.start, p.end) for p in each.passages]) for each in found])
    outcomes: list[Outcome] = []
    for item, each, vector in zip(chunk.items, found, vectors, strict=True):
        put = _put(chunk.job, item, _encode(each), each.text_hash, vector)
        low = low_quality(each, about.low_quality)
        if low is None:
            outcomes.append(Outcome(item.index, put))
        else:
            outcomes.append(Outcome(item.index, put, LOW_QUALITY, low, "content"))
    return outcomes


def _put(job_id: int, item: Item, result: bytes, text_hash: str, vectors: Embedded) -> Put:
    return Put(
        kind=KIND,
        id=content_id(record_id(job_id, item.index)),
        result=result,
        columns={**project(KIND, item.payload, result), "text_hash": text_hash, **vectors.columns},
        digest=delivery_digest(item.payload, result),
        blobs=vectors.blobs,
    )


def project(kind: str, record: bytes, result: bytes) -> Columns:
    """An article's columns, also from a delivery that arrived finished from another box.

    Raises whatever it meets in one that is no article.
    """
    article, found = msgspec.json.decode(record, type=_Article), _found(result)
    return {
        "source_id": article.source_id.strip(),
        "url": article.source_url,
        "title": article.title,
        "language": found.language.code,
        "type": article.content_type if isinstance(article.content_type, str) else "article",
        "quality": found.quality_score,
        "published_ms": millis(article.published_at),
        "labels": labels_of(article.metadata),
        "fingerprint": found.fingerprint,
        "crawled_ms": millis(article.crawled_at),
        "text_hash": None,
        **columns({"passages": msgspec.to_builtins(found.passages), "text": found.text}, article.title),
    }


class _Article(msgspec.Struct):
    """What of an item its columns are made of."""

    source_id: str
    source_url: str
    title: str
    content_type: Any = None
    published_at: Any = None
    crawled_at: Any = None
    metadata: Any = None
