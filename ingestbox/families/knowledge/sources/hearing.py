"""What came again is no new content; but its source is not silent, and was crawled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ingestbox.family import Ask
from ingestbox.store.unit import Tx

MOST = 200
"""Sources of one request that are heard."""


def hear(tx: Any, workspace: str, came: Iterable[tuple[str, int | None]], now_ms: int) -> None:
    """Of sources (their ids, and when it was crawled; None: nobody says) the same came again as is here
    already. Those heard within a minute stay as they are, and one that is not known stays unknown."""
    for source_id, crawled_ms in list(dict(came).items())[:MOST]:
        row = {"workspace": workspace, "source_id": source_id}
        tx.run("knowledge.source_heard", {**row, "crawled_ms": crawled_ms, "now": now_ms})


@dataclass(frozen=True, slots=True)
class Hear:
    """Notes when sources were heard (`hear`)."""

    workspace: str
    sources: Mapping[str, int | None]
    now_ms: int

    @property
    def weight(self) -> int:
        """A row for each."""
        return len(self.sources)

    def apply(self, tx: Tx) -> None:
        """Writes it."""
        hear(tx, self.workspace, self.sources.items(), self.now_ms)


async def heard(ask: Ask, came: Iterable[tuple[str, int | None]]) -> None:
    """Of sources (their ids, and when it was crawled) the same came again as is here already."""
    sources = dict(list(dict(came).items())[:MOST])
    if sources:
        await ask.box.write(Hear(ask.caller.workspace, sources, ask.box.now_ms()))
