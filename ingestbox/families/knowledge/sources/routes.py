"""The endpoints of sources (contract: knowledge, Endpoints)."""

from __future__ import annotations

from ingestbox.families.knowledge.shapes import PATH
from ingestbox.families.knowledge.sources import managing, validation
from ingestbox.families.knowledge.sources.shapes import (
    NewSource,
    SourceAnswer,
    SourceChange,
    SourceGone,
    SourceList,
    Status,
    Validation,
    ValidationAnswer,
)
from ingestbox.model import Role
from ingestbox.route import LIMIT, Answer, Parameter, Route

SOURCES = f"{PATH}/sources"

READS = frozenset({Role.INGEST, Role.UPLOADER})
MANAGES = frozenset({Role.ADMIN})

_ID = Parameter("source_id", "The id of the source, as its articles have it.", str, "path")

_CONFIG = {
    "id": "new-hospital",
    "name": "Bach Mai Hospital",
    "base_url": "https://benhvienbachmai.vn",
    "type": "hospital",
    "language": "vi",
    "selectors": {"content": ".article-content", "title": ".article-title"},
}

ROUTES: tuple[Route, ...] = (
    Route(
        "GET",
        SOURCES,
        managing.listed,
        "Sources of articles",
        roles=READS,
        rate="knowledge_read",
        counted_alone=True,
        description=f"Newest first, to {managing.WHOLE:,}; with more, or `limit`, `next_cursor` goes on.",
        parameters=(
            Parameter("limit", f"How many; without it all, to {managing.WHOLE:,}.", LIMIT.type),
            Parameter("cursor", "Where to go on: a `next_cursor` of this list."),
            Parameter("status", "Only those with this status.", Status),
        ),
        answers=(Answer(SourceList, description="Newest first."),),
        errors=("bad_parameter",),
    ),
    Route(
        "POST",
        SOURCES,
        managing.create,
        "Make a source",
        roles=MANAGES,
        body_limit="control_kb",
        rate="knowledge_sources",
        description="Answered with 200, which crawlers take for success. A source that is known by its "
        "articles alone (`unconfigured`) is configured by it; one that is just so already stays as it is. "
        "An `active` source of which nothing comes for twice its `crawl_frequency` is an alarm.",
        body=NewSource,
        example={**_CONFIG, "crawl_frequency": "daily"},
        answers=(Answer(SourceAnswer, description="The source."),),
        errors=("malformed_json", "validation_failed", "source_exists", "idempotency_key_invalid"),
        idempotent=True,
    ),
    Route(
        "POST",
        f"{SOURCES}/validate",
        validation.validate,
        "Look at a source before it is crawled",
        roles=READS,
        body_limit="control_kb",
        rate="knowledge_sources",
        counted_alone=True,
        description="Fetches `base_url` and its robots.txt, with at most three redirects, 2 MB and ten "
        "seconds, and tries each selector on the page. Private addresses are not reached, by name, by "
        "redirect or in any spelling, unless `[outbound] allow_hosts` opens them. A page that cannot be had "
        "is no error: `accessible` is false, and `reason` says why. Nothing is kept.",
        body=Validation,
        example={"source_config": _CONFIG},
        answers=(Answer(ValidationAnswer, description="What was found."),),
        errors=("malformed_json", "validation_failed", "overloaded", "shutting_down"),
    ),
    Route(
        "GET",
        SOURCES + "/{source_id:path}",
        managing.one,
        "A source",
        roles=READS,
        rate="knowledge_read",
        counted_alone=True,
        parameters=(_ID,),
        answers=(Answer(SourceAnswer, description="The source."),),
        errors=("source_not_found",),
    ),
    Route(
        "PUT",
        SOURCES + "/{source_id:path}",
        managing.change,
        "Change a source",
        roles=MANAGES,
        body_limit="control_kb",
        rate="knowledge_sources",
        description="What is named changes, the rest stays as it is; what is counted and `id` cannot be "
        "changed, and are passed over. An `unconfigured` source is `active` from now on, unless `status` "
        "says otherwise.",
        body=SourceChange,
        example={"name": "Bach Mai Hospital", "crawl_frequency": "weekly", "status": "active"},
        parameters=(_ID,),
        answers=(Answer(SourceAnswer, description="As it is now."),),
        errors=("malformed_json", "validation_failed", "source_not_found"),
    ),
    Route(
        "DELETE",
        SOURCES + "/{source_id:path}",
        managing.remove,
        "Delete a source",
        roles=MANAGES,
        rate="knowledge_sources",
        description="Only one without content; another one can be switched off: PUT it with "
        '`"status": "disabled"`.',
        parameters=(_ID,),
        answers=(Answer(SourceGone, description="It is gone."),),
        errors=("source_not_found", "source_has_content"),
    ),
)
