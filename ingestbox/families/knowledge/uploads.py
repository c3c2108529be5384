"""`POST …/content/upload`: one article (contract: knowledge, Endpoints)."""

from __future__ import annotations

from ingestbox.families.knowledge import decode
from ingestbox.families.knowledge.check import TYPES
from ingestbox.families.knowledge.contents import content_id
from ingestbox.families.knowledge.keeping import Keeping
from ingestbox.families.knowledge.shapes import PATH, Uploaded
from ingestbox.family import Ask, Batch
from ingestbox.model import Role, record_id
from ingestbox.route import Answer, Reply, Route

ROLES = frozenset({Role.INGEST, Role.UPLOADER})


async def upload(ask: Ask) -> Reply:
    """POST /knowledge-management/content/upload: takes an article; 200 once it is on disk."""
    article = await decode.single(ask.body, ask.settings.knowledge.content_types or TYPES)
    batch = Batch("knowledge", "json_api", article.key[:200], [article], sift=Keeping().sift)

    def answer(_: str, job_id: int) -> object:
        return Uploaded(
            success=True,
            content_id=content_id(record_id(job_id, 0)),
            status="queued_for_processing",
            message="Content uploaded successfully",
            processing_estimate="less than a minute",
        )

    return await ask.box.accept(ask, batch, answer)


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
        answers=(Answer(Uploaded, description="The article is on disk."),),
        errors=("validation_failed", "duplicate_content", "source_not_found"),
        idempotent=True,
    ),
)
