"""Sources as they lie in the store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from ingestbox.clock import iso
from ingestbox.families.knowledge.sources.shapes import Selectors, Source

QUIET_AFTER = 2
"""So many times of its crawl frequency a source is silent before that is an alarm."""


class Says(msgspec.Struct, frozen=True):
    """What the maker of a source says of it besides."""

    base_url: str | None = None
    language: str | None = None
    selectors: Selectors = {}


@dataclass(frozen=True, slots=True)
class Kept:
    """A row. `since_ms` is when silence began to count."""

    id: int
    source_id: str
    name: str
    type: str
    status: str
    crawl_frequency: str
    says: Says
    every_ms: int | None
    total_content: int
    last_crawl_ms: int | None
    heard_ms: int | None
    since_ms: int
    created_ms: int
    updated_ms: int

    def quiet(self, now_ms: int) -> bool:
        """Whether it is missed."""
        watched = self.status == "active" and self.every_ms is not None
        return watched and now_ms > self.since_ms + QUIET_AFTER * (self.every_ms or 0)


_says = msgspec.json.Decoder(Says)


def kept_of(row: tuple[Any, ...]) -> Kept:
    """A row of `source` or `source_page`."""
    values = (*row[:6], _says.decode(row[6]), *row[7:])
    return Kept(*values)


def source_of(kept: Kept, now_ms: int) -> Source:
    """As it is told."""
    return Source(
        id=kept.source_id,
        name=kept.name,
        type=kept.type,
        status=kept.status,
        last_crawl=iso(kept.last_crawl_ms),
        total_content=kept.total_content,
        crawl_frequency=kept.crawl_frequency,
        base_url=kept.says.base_url,
        language=kept.says.language,
        selectors=dict(kept.says.selectors),
        last_heard=iso(kept.heard_ms),
        quiet=kept.quiet(now_ms),
        created_at=iso(kept.created_ms) or "",
        updated_at=iso(kept.updated_ms) or "",
    )
