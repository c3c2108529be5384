"""What is sent to knowledge's uploads, as it is documented."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from ingestbox.families.knowledge.batches import MOST_NAME
from ingestbox.families.knowledge.check import (
    LEAST_CHARACTERS,
    MOST_CHARACTERS,
    MOST_SOURCE,
    MOST_TITLE,
    MOST_URL,
)

_FILLED = r"[^\s\x1c-\x1f\x85]"  # what Python takes for a blank
_TIME = "ISO 8601; without a zone it is UTC."

Filled = Annotated[str, Meta(extra_json_schema={"pattern": _FILLED})]
SourceId = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=MOST_SOURCE,
        description="The source that it is from. One that is not known yet is made known, unless the "
        "settings say otherwise.",
        extra_json_schema={"pattern": _FILLED},
    ),
]


class EntitySent(msgspec.Struct):
    """Something that the crawler found in the article. `start` and `end` are places in `content`."""

    text: Filled
    type: Annotated[
        Filled, Meta(description="`medical_condition`, `disease`, `medication`, `procedure`, `symptom` …")
    ]
    confidence: Annotated[float, Meta(ge=0, le=1)]
    start: Annotated[int, Meta(ge=0)] | None = None
    end: Annotated[int, Meta(ge=0)] | None = None


class MetadataSent(msgspec.Struct):
    """What the crawler knows about an article. Other members are kept as they are."""

    author: str | None = None
    category: str | None = None
    tags: list[str] | None = None
    medical_specialty: list[str] | str | None = None
    authority_score: Annotated[float, Meta(ge=0, le=100)] | None = None
    content_hash: Annotated[
        str | None,
        Meta(
            description="SHA-256 of the content in UTF-8: `sha256:` and its hex digits, or these alone. One "
            "that does not match is a warning."
        ),
    ] = None


class _Article(msgspec.Struct):
    source_url: Annotated[
        str,
        Meta(
            max_length=MOST_URL,
            description="Absolute, of http or https.",
            extra_json_schema={"pattern": r"^\s*[Hh][Tt][Tt][Pp][Ss]?://[^\s/?#]", "format": "uri"},
        ),
    ]
    title: Annotated[str, Meta(max_length=MOST_TITLE, extra_json_schema={"pattern": _FILLED})]
    content: Annotated[
        str,
        Meta(
            min_length=LEAST_CHARACTERS,
            max_length=MOST_CHARACTERS,
            description="The text; it may be HTML. What is sent is kept as it is.",
            extra_json_schema={"pattern": _FILLED},
        ),
    ]
    content_type: Annotated[
        str | None,
        Meta(
            description="`article` (if there is none), `regulation`, `guideline`, `news`, `research` and "
            "others: `[knowledge] content_types`."
        ),
    ] = None
    language: Annotated[Literal["vi", "en"] | None, Meta(description="`vi` if there is none.")] = None
    published_at: Annotated[str | None, Meta(description=_TIME)] = None
    crawled_at: Annotated[
        str | None, Meta(description=f"{_TIME} When it was taken in, if there is none.")
    ] = None
    metadata: MetadataSent | None = None
    extracted_entities: list[EntitySent] | None = None
    entities: Annotated[
        list[EntitySent] | None, Meta(description="Another name of `extracted_entities`.")
    ] = None


class ArticleBody(_Article, kw_only=True):
    """A crawled article. Members that are not named here are kept as they are, too."""

    source_id: SourceId


class ItemBody(_Article, kw_only=True):
    """A crawled article of a bulk upload. Its own source goes before that of the batch."""

    source_id: SourceId | None = None


class ArticlesBody(msgspec.Struct):
    """Articles in one request."""

    batch_id: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=MOST_NAME,
            description="What the batch is called. Of one that is sent in parts, `<batch_id>_chunk_1` and so "
            "on, the status is that of all parts.",
            extra_json_schema={"pattern": _FILLED},
        ),
    ]
    items: Annotated[
        list[ItemBody],
        Meta(min_length=1, description="At most `[limits] knowledge_items`: 1,000, unless set otherwise."),
    ]
    source_id: SourceId | None = None


EXAMPLE = {
    "source_id": "ministry-health",
    "source_url": "https://moh.gov.vn/article/123",
    "title": "Vietnamese Healthcare Guidelines 2024",
    "content": "Bộ Y tế khuyến cáo người dân giảm muối trong bữa ăn hằng ngày để phòng bệnh tăng huyết áp. "
    "Mỗi người chỉ nên ăn dưới năm gam muối một ngày, và đo huyết áp ít nhất mỗi năm một lần.",
    "content_type": "article",
    "language": "vi",
    "published_at": "2024-01-15T10:30:00Z",
    "crawled_at": "2024-01-16T08:15:00Z",
    "metadata": {
        "author": "Ministry of Health",
        "category": "guidelines",
        "tags": ["healthcare", "policy", "2024"],
        "medical_specialty": ["general"],
        "authority_score": 95,
    },
    "extracted_entities": [{"text": "huyết áp", "type": "medical_condition", "confidence": 0.95}],
}
"""An article that is taken."""

BULK_EXAMPLE = {
    "batch_id": "batch_20240116_001",
    "source_id": "ministry-health",
    "items": [{name: value for name, value in EXAMPLE.items() if name != "source_id"}],
}
"""A bulk upload that is taken."""
