"""The knowledge family, put together."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from ingestbox.config import Knowledge, Settings
from ingestbox.families.knowledge import indexing
from ingestbox.families.knowledge.check import TYPES
from ingestbox.families.knowledge.context import context
from ingestbox.families.knowledge.decode import check_record
from ingestbox.families.knowledge.hashing import record_hash
from ingestbox.families.knowledge.process import KIND, LOW_QUALITY, project
from ingestbox.families.knowledge.redact import SUBJECTS, redact
from ingestbox.families.knowledge.routes import ROUTES
from ingestbox.families.knowledge.search import SEARCH
from ingestbox.families.knowledge.shapes import KnowledgeError, error_body
from ingestbox.families.knowledge.sources import quiet
from ingestbox.families.knowledge.view import views
from ingestbox.families.knowledge.words import reworded
from ingestbox.family import Family, Gauge
from ingestbox.view import OTHERS, Form

ASKED_FOR = ("title", "content", "source_url")
"""The fields of an article that a person is asked for first."""


def configured(family: Family, settings: Settings) -> Family:
    """The family with the types of content, and the quality that is too low, that the settings have."""
    types = settings.knowledge.content_types or TYPES
    check = partial(check_record, types=types)
    told = partial(context, low_quality=settings.knowledge.low_quality)
    chores = (indexing.chore(),)
    return msgspec.structs.replace(family, check=check, views=views(types), context=told, chores=chores)


def gauges(tx: Any) -> list[Gauge]:
    """See `Family.gauges`."""
    return [*quiet.gauges(tx), *indexing.gauges(tx)]


CHUNK_BYTES = 49_152
"""Of articles in one chunk: passages, vectors and words make a short one cost the writer 0.2 ms, and each KiB
some 0.11 ms more."""

FAMILY = Family(
    name="knowledge",
    kinds=frozenset({KIND}),
    queries=Path(__file__).with_name("queries.sql"),
    routes=ROUTES,
    process="ingestbox.families.knowledge.process:process",
    project=project,
    search=SEARCH,
    check=partial(check_record, types=TYPES),
    error_body=error_body,
    error_type=KnowledgeError,
    reworded=reworded,
    configured=configured,
    views=views(TYPES),
    forms={OTHERS: Form("raw", ASKED_FOR), LOW_QUALITY: Form("fields", ASKED_FOR)},
    subjects=SUBJECTS,
    redact=redact,
    context=partial(context, low_quality=Knowledge().low_quality),
    chunk_bytes=CHUNK_BYTES,
    conditions=quiet.conditions,
    gauges=gauges,
    same=record_hash,
)
