"""`POST …/content/upload`: one article (contract: knowledge, Endpoints)."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType

from ingestbox.errors import IngestError
from ingestbox.families.knowledge import decode
from ingestbox.families.knowledge.check import TYPES
from ingestbox.families.knowledge.contents import content_id
from ingestbox.families.knowledge.decode import WARNINGS
from ingestbox.families.knowledge.keeping import Keeping, NothingNewError, Remember
from ingestbox.families.knowledge.late import close
from ingestbox.families.knowledge.result import Warned
from ingestbox.families.knowledge.sent import EXAMPLE, ArticleBody
from ingestbox.families.knowledge.shapes import FAMILY, PATH, ROLES, Uploaded
from ingestbox.families.knowledge.sources.hearing import heard
from ingestbox.family import Ask, Batch
from ingestbox.model import record_id
from ingestbox.route import Answer, Reply, Route
from ingestbox.store.intake import Refused

SOURCE = "json_api"

MOST_JOB_NAME = 200


async def upload(ask: Ask) -> Reply:
    """POST /knowledge-management/content/upload: takes an article; 200 once it is on disk."""
    types = ask.settings.knowledge.content_types or TYPES
    article = await decode.single(ask.body, types, ask.box.compute)
    keeping = Keeping([article.facts], register=ask.settings.knowledge.auto_register_sources)
    name, warnings = article.record.key[:MOST_JOB_NAME], decode.notices([article])
    batch = Batch(FAMILY, SOURCE, name, [article.record], warnings, sift=keeping.sift)

    def answer(_: str, job_id: int) -> object:
        return _uploaded(record_id(job_id, 0), article)

    try:
        reply = await ask.box.accept(ask, batch, answer)
        await close(ask, keeping.late)
        return reply
    except NothingNewError:
        await close(ask, keeping.late)
        decision = keeping.decisions[0]
        assert decision is not None  # or it would not be known to be there
        assert decision.content is not None
        await heard(ask, [(article.facts.source_id, article.facts.crawled_ms)])
        if decision.fault is not None:
            first = {"content_id": content_id(decision.content)}
            raise IngestError(
                "duplicate_content", decision.fault.message, faults=[decision.fault], extra=first
            ) from None
        return await told(ask, None, [], _uploaded(decision.content, article))


def _uploaded(content: int, article: decode.Article) -> Uploaded:
    return Uploaded(
        success=True,
        content_id=content_id(content),
        status="queued_for_processing",
        message="Content uploaded successfully",
        processing_estimate="less than a minute",
        warnings=warned(article),
    )


def warned(article: decode.Article) -> list[Warned] | UnsetType:
    """What its sender should know."""
    return [Warned(code, message) for code, message in WARNINGS.items()] if article.warns else UNSET


async def told(ask: Ask, batch_id: str | None, contents: list[int], body: object) -> Reply:
    """The answer to a request that makes no job, kept for its Idempotency-Key; see `keeping.Remember`.

    Raises IngestError: `idempotency_mismatch`, `request_in_progress`, and what writing raises.
    """
    key, encoded = ask.box.creation(ask), msgspec.json.encode(body)
    if key is None and batch_id is None:
        return Reply(encoded)
    unit = Remember(ask.caller.workspace, batch_id, contents, key, encoded, ask.box.now_ms())
    outcome = await ask.box.write(unit)
    if isinstance(outcome, Refused):
        raise IngestError(outcome.code, retry_after=1 if outcome.code == "request_in_progress" else None)
    if outcome.replayed:
        return Reply(outcome.body, outcome.status, (("Idempotency-Replayed", "true"),))
    return Reply(outcome.body)


ROUTES: tuple[Route, ...] = (
    Route(
        "POST",
        f"{PATH}/content/upload",
        upload,
        "Take in an article",
        roles=ROLES,
        body_limit="knowledge_mb",
        rate="knowledge_upload",
        takes_records=True,
        description="The article is on disk when this answers, and is processed afterwards: `content/status` "
        "says how it is getting on. Everything that is wrong with it is in `details`. The same text, however "
        "its letters are composed and whatever its case and white space, is taken once: from the same "
        "address within 48 hours it is answered as the first one was, otherwise refused as "
        "`duplicate_content`, with the `content_id` of the first one. A content that is too long is refused "
        "with 413.",
        body=ArticleBody,
        example=EXAMPLE,
        answers=(Answer(Uploaded, description="The article is on disk."),),
        errors=("validation_failed", "duplicate_content", "source_not_found"),
        idempotent=True,
    ),
)
