"""Which column of a file is which field of a contact: found by its name, said by a person, or remembered from
when that person said so. Light: children import it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cache

import msgspec

from ingestbox.families import mapped
from ingestbox.families.contacts.aliases import BESIDE, ELSE, EXACT, INSIDE, LIKELY, WHOLE
from ingestbox.families.contacts.fields import FIELDS
from ingestbox.families.mapped import SHOWN_CHARACTERS, SHOWN_NAMES, folded
from ingestbox.tabular.match import LEAST, likeness, words_of

SURE = 0.8
"""What is found with less is said to be a guess."""
LIKELY_SURE = 0.7
MOST_INSIDE = 0.99
MOST_WORDS = 10
"""A name of more is a sentence, and nothing is looked for in it."""
ALTERNATIVES = 20
"""So many other columns are offered, at most."""


class Choice(msgspec.Struct, frozen=True):
    """A column, as its place in the header, that may hold a field, and how sure that is (0 to 1)."""

    field: str
    place: int
    confidence: float


class Found(msgspec.Struct, frozen=True):
    """What a header's columns are taken for: one column a field at most; `others` were candidates too, the
    best first."""

    chosen: list[Choice]
    others: list[Choice]

    @property
    def places(self) -> dict[str, int]:
        """Field → its column's place."""
        return {each.field: each.place for each in self.chosen}


def signature(header: Sequence[str]) -> str:
    """What a header is remembered by: its names in their order, as they are compared (hex, 64 characters).

    >>> signature(["E-Mail", "First Name"]) == signature(["email", "first_name"])
    True
    """
    return hashlib.sha256(msgspec.json.encode([folded(name) for name in header])).hexdigest()


def find(
    header: Sequence[str],
    preview: Sequence[Sequence[str]] = (),
    fixed: Mapping[int, str | None] | None = None,
) -> Found:
    """What the columns are, from their names, and for addresses the first rows.

    `fixed` is what is known of some already, by their places: a field, or None for a column that is none.
    """
    fixed = fixed or {}
    wanted = [field for field in FIELDS if field not in fixed.values()]
    candidates = [
        (-sure, rank, place, field)
        for place, name in enumerate(header)
        if place not in fixed
        for field, sure, rank in _likenesses(name)
        if field in wanted
    ]
    if any(_has_addresses(preview, place) for _, _, place, field in candidates if field == "email"):
        candidates = [
            each for each in candidates if each[3] != "email" or _has_addresses(preview, each[2]) is not False
        ]
    chosen = {field: Choice(field, place, 1.0) for place, field in fixed.items() if field is not None}
    taken = set(fixed)
    for sure, _, place, field in sorted(candidates):
        if field not in chosen and place not in taken:
            chosen[field] = Choice(field, place, -sure)
            taken.add(place)
    for extra in _beside(header, chosen, taken):
        chosen[extra.field] = extra
        taken.add(extra.place)
    others = [
        Choice(field, place, -sure) for sure, _, place, field in sorted(candidates) if place not in taken
    ]
    return Found([chosen[field] for field in FIELDS if field in chosen], others[:ALTERNATIVES])


def said(mapping: object, header: Sequence[str]) -> dict[int, str | None]:
    """What a person says of columns, by their places; see `mapped.said`. Raises UnclearError."""
    return mapped.said(mapping, header, FIELDS)


def missing(found: Mapping[str, int]) -> list[str]:
    """The fields that no column holds, in their order."""
    return [field for field in FIELDS if field not in found]


def missing_sentence(fields: Sequence[str], header: Sequence[str]) -> str:
    """Why a file without these fields is not taken (contract: contacts, Upload)."""
    shown = ", ".join(name[:SHOWN_CHARACTERS] for name in header[:SHOWN_NAMES])
    more = ", …" if len(header) > SHOWN_NAMES else ""
    return (
        f"CSV file is missing required headers: {', '.join(fields)}. Found headers: {shown}{more}. "
        "Please ensure your CSV file contains columns for: email, first_name, last_name, and company."
    )


def is_whole_name(name: str) -> bool:
    """Whether a column has the name of one for whole names of people."""
    return folded(name) in _whole()


@cache
def _exact() -> dict[str, dict[str, tuple[float, int]]]:
    """Field → folded name → how sure it is, and its rank."""
    made: dict[str, dict[str, tuple[float, int]]] = {}
    for field in FIELDS:
        names: dict[str, tuple[float, int]] = {}
        for sure, spellings in ((1.0, EXACT[field]), (LIKELY_SURE, LIKELY[field])):
            for spelling in spellings:
                names.setdefault(folded(spelling), (sure, len(names)))
        made[field] = names
    return made


@cache
def _whole() -> frozenset[str]:
    return frozenset(folded(name) for name in WHOLE)


@cache
def _else(field: str) -> frozenset[str]:
    words = ELSE["any"] if field == "email" else ELSE["any"] + ELSE["not email"]
    return frozenset(words.split())


@cache
def _inside() -> list[tuple[str, int, tuple[str, ...]]]:
    """Each alias that may stand inside a name: its field, its rank, its words."""
    return [
        (field, 1_000 + place, words_of(alias))
        for field in FIELDS
        for place, alias in enumerate(INSIDE[field])
    ]


def _likenesses(name: str) -> list[tuple[str, float, int]]:
    """The fields that a column of this name may hold, each with how sure that is, and the alias' rank."""
    short = folded(name)
    exact = [(field, *names[short]) for field, names in _exact().items() if short in names]
    if exact or short in _whole():
        return exact
    words = words_of(name)
    if len(words) > MOST_WORDS:
        return []
    best: dict[str, tuple[str, float, int]] = {}
    for field, rank, alias in _inside():
        sure = min(likeness(words, alias), MOST_INSIDE)
        if sure < LEAST or (field in best and best[field][1] >= sure):
            continue
        if not _else(field) & set(_rest(words, alias)):
            best[field] = (field, sure, rank)
    return list(best.values())


def _rest(words: Sequence[str], alias: Sequence[str]) -> list[str]:
    """The words of a name without those of the alias."""
    left = list(words)
    for word in alias:
        if word in left:
            left.remove(word)
    return left if len(left) < len(words) else []


def _beside(header: Sequence[str], chosen: Mapping[str, Choice], taken: set[int]) -> list[Choice]:
    """A column of whole names by its name, beside one for half of a name, holds the other half."""
    absent = [field for field in ("first_name", "last_name") if field not in chosen]
    if len(absent) != 1:
        return []
    (field,) = absent
    partner = chosen["last_name" if field == "first_name" else "first_name"]
    beside = folded(header[partner.place])
    best: Choice | None = None
    for place, name in enumerate(header):
        if place in taken:
            continue
        for alias, meant, other, sure in BESIDE:
            fits = meant == field and folded(name) == folded(alias) and beside == folded(other)
            if fits and (best is None or sure > best.confidence):
                best = Choice(field, place, sure)
    return [] if best is None else [best]


def _has_addresses(preview: Sequence[Sequence[str]], place: int) -> bool | None:
    """Whether the column's cells are addresses for the most part; None when all are blank."""
    cells = [row[place] for row in preview if row[place].strip()]
    return 2 * sum("@" in cell for cell in cells) > len(cells) if cells else None
