"""What an article is about and names: what came with it, each at its place, and what is found besides."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ingestbox.enrich.folding import lowered, nfc
from ingestbox.families.knowledge.result import Named, Warned

MOST: Final = 1_000
"""Entities of one article; what came with it goes first."""

MOST_CHARACTERS: Final = 500
"""An entity is a term or a name, and no paragraph."""

MOST_LOOKED_AT: Final = 500
"""Places that are looked at for one entity: most of a short one's are within words."""

MEMBERS: Final = ("extracted_entities", "entities")
"""What the list is called in an item; the first that is there counts."""

LABELS: Final = {
    "PERSON": "person",
    "ORGANIZATION": "organization",
    "LOCATION": "location",
    "DATE": "date",
}
"""What is kept of the entities that texts of any kind name, and as which type."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """All entities of an article, and what is to be said about them."""

    entities: list[Named]
    warnings: list[Warned] = field(default_factory=list)


def gather(text: str, record: Mapping[str, Any], found: Sequence[Named]) -> Gathered:
    """The entities of the item (`record`) as far as they can be read, each once and with its place in
    `text`; then those of `found` (in the order of their places) that are none of these.

    A given one whose own place is not right is looked for: the occurrence next to it counts, or the first.
    """
    given, unreadable, beyond = _given(record)
    places = _Places(text)
    kept: dict[tuple[str, str, int | None], Named] = {}
    for each in given:
        start = places.of(each.text, each.start, each.end)
        end = None if start is None else start + len(each.text)
        placed = Named(
            text=each.text, type=each.type, confidence=each.confidence, start=start, end=end, given=True
        )
        kept.setdefault((each.text.casefold(), each.type, start), placed)
    mine = list(kept.values())
    taken = _Taken(mine)
    more = [each for each in found if not taken.has(each)]
    room = MOST - len(mine)
    warnings = []
    if unreadable:
        sentence = f"{unreadable} of the item's entities could not be read; each needs a text and a type."
        warnings.append(Warned("entities_unreadable", sentence))
    lost = sum(1 for each in mine if each.start is None)
    if lost:
        warnings.append(Warned("entities_not_found", f"{lost} of the item's entities are not in its text."))
    if beyond or len(more) > room:
        warnings.append(Warned("entities_capped", f"Only {MOST:,} entities are kept."))
    return Gathered([*mine, *more[:room]], warnings)


@dataclass(frozen=True, slots=True)
class _Given:
    text: str
    type: str
    confidence: float | None
    start: int | None
    end: int | None


def _given(record: Mapping[str, Any]) -> tuple[list[_Given], int, bool]:
    """Those of the item, how many of them cannot be read, and whether there are more than are kept."""
    lists = [record.get(name) for name in MEMBERS]
    every = next((each for each in lists if isinstance(each, list)), [])
    made = [_read(each) for each in every[:MOST]]
    good = [each for each in made if each is not None]
    return good, len(made) - len(good), len(every) > MOST


def _read(value: object) -> _Given | None:
    if not isinstance(value, dict):
        return None
    text, kind = value.get("text"), value.get("type")
    if not isinstance(text, str) or not isinstance(kind, str) or not kind.strip():
        return None
    text = nfc(text).strip()
    if not text or len(text) > MOST_CHARACTERS:
        return None
    start, end = _place(value.get("start")), _place(value.get("end"))
    return _Given(text, kind.strip()[:100], _share(value.get("confidence")), start, end)


def _place(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _share(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value <= 1 else None


class _Places:
    """Where terms stand in a text, as words of their own."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._lower = lowered(text)

    def of(self, term: str, start: int | None, end: int | None) -> int | None:
        """Where a term begins: at `start`, if it is there; otherwise where it is next to that, or first."""
        if start is not None and end is not None and self._text[start:end] == term:
            return start
        exactly = self._next(self._text, term, start)
        return self._next(self._lower, lowered(term), start) if exactly is None else exactly

    def _next(self, text: str, term: str, wanted: int | None) -> int | None:
        if wanted is None:
            return next(self._each(text, term), None)
        return min(self._each(text, term), key=lambda place: abs(place - wanted), default=None)

    def _each(self, text: str, term: str) -> Iterator[int]:
        place = -1
        for _ in range(MOST_LOOKED_AT):
            place = text.find(term, place + 1)
            if place < 0:
                return
            if _is_whole(text, place, place + len(term)):
                yield place


def _is_whole(text: str, start: int, end: int) -> bool:
    """Whether no word goes on beyond what is between these places."""
    before = start > 0 and text[start - 1].isalnum() and text[start].isalnum()
    after = end < len(text) and text[end].isalnum() and text[end - 1].isalnum()
    return not (before or after)


class _Taken:
    """Where the item's own entities are."""

    def __init__(self, given: Iterable[Named]) -> None:
        self._places: dict[str, list[tuple[int, int]]] = {}
        for each in given:
            if each.start is not None and each.end is not None:
                self._places.setdefault(each.text.casefold(), []).append((each.start, each.end))

    def has(self, found: Named) -> bool:
        """Whether one of them is what was found: the same words there, whatever type they were given."""
        places = self._places.get(found.text.casefold(), ())
        start, end = found.start or 0, found.end or 0
        return any(first < end and start < beyond for first, beyond in places)
