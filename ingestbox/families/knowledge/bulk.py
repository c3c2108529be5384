"""`POST …/content/bulk-upload`: many articles (contract: knowledge, Endpoints)."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import UNSET

from ingestbox.errors import Fault
from ingestbox.families.knowledge import decode
from ingestbox.families.knowledge.check import TOO_LARGE, TYPES
from ingestbox.families.knowledge.contents import content_id
from ingestbox.families.knowledge.decode import Article
from ingestbox.families.knowledge.keeping import Decision, Keeping, NothingNewError
from ingestbox.families.knowledge.late import close
from ingestbox.families.knowledge.sent import BULK_EXAMPLE, ArticlesBody
from ingestbox.families.knowledge.shapes import FAMILY, PATH, ROLES, BulkItem, BulkUploaded, Detail
from ingestbox.families.knowledge.sources.hearing import heard
from ingestbox.families.knowledge.uploads import SOURCE, told, warned
from ingestbox.family import Ask, Batch
from ingestbox.route import Answer, Reply, Route

ITEMS_A_MINUTE = 500
"""Articles are processed about as fast, or faster; for the estimate."""

_OWN_ERRORS = frozenset({TOO_LARGE, "duplicate_content", "source_not_found"})
"""Faults that are errors by themselves; of all others the error is `validation_failed`."""


async def bulk_upload(ask: Ask) -> Reply:
    """POST /knowledge-management/content/bulk-upload: takes articles; 200 once they are on disk."""
    settings = ask.settings.knowledge
    sent = await decode.bulk(
        ask.body,
        settings.content_types or TYPES,
        ask.box.compute,
        most=ask.limits.knowledge_items,
        most_bytes=ask.limits.knowledge_mb * 1_048_576,
    )
    articles = sent.articles
    facts = [article.facts for article in articles]
    keeping = Keeping(facts, register=settings.auto_register_sources, batch_id=sent.batch_id)
    records = [article.record for article in articles]
    batch = Batch(FAMILY, SOURCE, sent.batch_id, records, decode.notices(articles), sift=keeping.sift)

    def answer(*_: object) -> BulkUploaded:
        return _uploaded(sent.batch_id, articles, keeping)

    try:
        reply = await ask.box.accept(ask, batch, answer)
        await close(ask, keeping.late)
        return reply
    except NothingNewError:
        await close(ask, keeping.late)
        await heard(ask, keeping.repeated())
        again = [each.content for each in keeping.decisions if each is not None and each.belongs]
        contents = [content for content in again if content is not None]
        return await told(ask, sent.batch_id, contents, answer())


def _uploaded(batch_id: str, articles: Sequence[Article], keeping: Keeping) -> BulkUploaded:
    items = [
        _item(article, decision)
        for article, decision in zip(articles, keeping.decisions, strict=True)
        if decision is not None  # there is one for each by now
    ]
    rejected = sum(1 for item in items if item.status == "rejected")
    return BulkUploaded(
        success=True,
        batch_id=batch_id,
        total_items=len(items),
        accepted_items=len(items) - rejected,
        rejected_items=rejected,
        status="processing",
        processing_estimate=_estimate(len(items) - rejected),
        items=items,
    )


def _item(article: Article, decision: Decision) -> BulkItem:
    content = UNSET if decision.content is None else content_id(decision.content)
    if decision.fault is None:
        return BulkItem(article.url, decision.status, content, warnings=warned(article))
    fault, faults = decision.fault, article.faults or [decision.fault]
    return BulkItem(
        source_url=article.url,
        status=decision.status,
        content_id=content,
        error=_error(faults),
        message=fault.message,
        details=[Detail(each.field or "", each.message) for each in faults],
    )


def _error(faults: Sequence[Fault]) -> str:
    own = [fault.code for fault in faults if fault.code in _OWN_ERRORS]
    return own[0] if own else "validation_failed"


def _estimate(items: int) -> str:
    minutes = items // ITEMS_A_MINUTE
    return f"about {minutes + 1} minutes" if minutes else "less than a minute"


ROUTES: tuple[Route, ...] = (
    Route(
        "POST",
        f"{PATH}/content/bulk-upload",
        bulk_upload,
        "Take in many articles",
        roles=ROLES,
        body_limit="knowledge_bulk_mb",
        rate="knowledge_bulk",
        takes_records=True,
        description="What is accepted is on disk when this answers; `items` says of each whether it is, and "
        "why not. It answers 200 also when none is. What is not valid waits as an issue for a person. A "
        "repeat doubles nothing: the same text from the same address within 48 hours is a `duplicate`, "
        "which counts as accepted; from another address, or later, it is rejected. An item without a source "
        "is of the batch's. A batch may come in parts, called `<batch_id>_chunk_1` and so on.",
        body=ArticlesBody,
        example=BULK_EXAMPLE,
        answers=(Answer(BulkUploaded, description="What is accepted is on disk."),),
        errors=("validation_failed",),
        idempotent=True,
    ),
)
