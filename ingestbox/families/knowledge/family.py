"""The knowledge family, put together."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import msgspec

from ingestbox.config import Settings
from ingestbox.families.knowledge.check import TYPES
from ingestbox.families.knowledge.decode import check_record
from ingestbox.families.knowledge.process import KIND, project
from ingestbox.families.knowledge.routes import ROUTES
from ingestbox.families.knowledge.shapes import KnowledgeError, error_body
from ingestbox.families.knowledge.words import reworded
from ingestbox.family import Family


def configured(family: Family, settings: Settings) -> Family:
    """The family with the types of content that the settings have."""
    types = settings.knowledge.content_types or TYPES
    return msgspec.structs.replace(family, check=partial(check_record, types=types))


FAMILY = Family(
    name="knowledge",
    kinds=frozenset({KIND}),
    queries=Path(__file__).with_name("queries.sql"),
    routes=ROUTES,
    process="ingestbox.families.knowledge.process:process",
    project=project,
    check=partial(check_record, types=TYPES),
    error_body=error_body,
    error_type=KnowledgeError,
    reworded=reworded,
    configured=configured,
)
