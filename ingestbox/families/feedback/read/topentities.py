"""`GET /api/entities/top`: what most tickets name."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta

from ingestbox.enrich.facts import EntityLabel
from ingestbox.families.feedback.columns import LABELS
from ingestbox.families.feedback.read.ticket import Indexing
from ingestbox.families.feedback.read.tickets import indexing
from ingestbox.families.feedback.read.words import word_of
from ingestbox.family import Ask
from ingestbox.route import Reply, limit_of


class EntityCount(msgspec.Struct, frozen=True):
    """Something that tickets name."""

    text: Annotated[str, Meta(description="As it is written in one of them, with its marks if any has them.")]
    label: EntityLabel
    count: Annotated[int, Meta(ge=1, description="How many tickets name it.")]


class TopEntities(msgspec.Struct, frozen=True):
    """What most tickets name, the most first."""

    results: list[EntityCount]
    indexing: Indexing = UNSET


async def top_entities(ask: Ask) -> Reply:
    """GET /api/entities/top: of one label or of all; of equals the one that was named first."""
    limit = limit_of(ask.query)
    label = word_of(ask.query, "label", LABELS, fold=True)
    labels = msgspec.json.encode(LABELS if label is None else (label,)).decode()
    scope = {"workspace": ask.caller.workspace, "labels": labels, "limit": limit}
    rows = await ask.box.read("feedback.top_entities", scope)
    return Reply(TopEntities([EntityCount(*row) for row in rows], await indexing(ask)))
