"""What of a text is analysed: all of it, or the two ends of one that is very long."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from ingestbox.enrich.facts import Entity

MOST: Final = 100_000
"""Characters of one text that are analysed: a book in a field takes seconds that its chunk has not."""

_HEAD: Final = MOST * 3 // 5
_SEAM: Final = "\n"


@dataclass(frozen=True, slots=True)
class Excerpt:
    """The `text` to analyse; `skipped` characters were left out of it at `cut`, where a line ends instead."""

    text: str
    cut: int = 0
    skipped: int = 0

    @property
    def analysed(self) -> int | None:
        """How many characters of the whole are in it; None for all of them."""
        return len(self.text) - len(_SEAM) if self.skipped else None

    def in_whole(self, entities: Iterable[Entity]) -> Iterator[Entity]:
        """The entities at their places in the whole text, without those that only the cut has made."""
        shift = self.skipped - len(_SEAM)
        for entity in entities:
            if not self.skipped or entity.end <= self.cut:
                yield entity
            elif entity.start > self.cut:
                yield Entity(entity.text, entity.label, entity.start + shift, entity.end + shift)


def excerpt(text: str) -> Excerpt:
    """The text itself, or of one over `MOST` characters its beginning and its end."""
    if len(text) <= MOST:
        return Excerpt(text)
    tail = MOST - _HEAD
    return Excerpt(f"{text[:_HEAD]}{_SEAM}{text[-tail:]}", _HEAD, len(text) - MOST)
