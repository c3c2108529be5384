"""Which column of a file is which field of a contact: found by its name, said by a person, or remembered from
when that person said so. Light: children import it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from functools import cache

import msgspec

from ingestbox.families.contacts.aliases import BESIDE, ELSE, EXACT, INSIDE, LIKELY, WHOLE
from ingestbox.families.contacts.fields import FIELDS
from ingestbox.tabular.match import LEAST, likeness, words_of

SURE = 0.8
"""What is found with less is said to be a guess."""
LIKELY_SURE = 0.7
MOST_INSIDE = 0.99
MOST_WORDS = 10
"""A name of more is a sentence, and nothing is looked for in it."""
ALTERNATIVES = 20
"""So many other columns are offered, at most."""
SHOWN_NAMES = 30
SHOWN_CHARACTERS = 60

_BLANK = re.compile(r"\s*")


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


class UnclearError(Exception):
    """What a person says of the columns cannot be followed; its text says why, as a sentence."""


def signature(header: Sequence[str]) -> str:
    """What a header is remembered by: its names in their order, as they are compared (hex, 64 characters).

    >>> signature(["E-Mail", "First Name"]) == signature(["email", "first_name"])
    True
    """
    folded = [_folded(name) for name in header]
    return hashlib.sha256(msgspec.json.encode(folded)).hexdigest()


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
    """What a person says of columns, by their places: a field, or None for a column that is to be none.

    `mapping` is a list of `{column, field}`, as the preview gives it; an object from columns to fields (or
    null); or one from fields to columns. Raises UnclearError: it is none of these, names a column or field
    that there is not, says something twice, or can be read both ways.
    """
    names = _Names(header)
    if isinstance(mapping, list):
        return _placed([_pair(each) for each in mapping], names)
    if not isinstance(mapping, dict):
        raise UnclearError("mapping: it must be an object or a list of objects.")
    by_column = list(mapping.items())
    by_field = [(column, field) for field, column in mapping.items() if column is not None]
    fields_first = all(name in FIELDS for name in mapping) and all(
        column is None or (isinstance(column, str) and names.places(column)) for column in mapping.values()
    )
    columns_first = all(names.places(name) for name in mapping) and all(
        field is None or field in FIELDS for field in mapping.values()
    )
    if not fields_first:
        return _placed(by_column, names)
    if not columns_first:
        return _placed(by_field, names)
    one, other = _placed(by_column, names), _placed(by_field, names)
    if one != other:
        raise UnclearError(
            "mapping: it can be read from columns to fields and from fields to columns; send a list of "
            "objects with `column` and `field`."
        )
    return one


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
    return _folded(name) in _whole()


def _folded(name: str) -> str:
    return "".join(words_of(name)) or _BLANK.sub("", name.casefold())


@cache
def _exact() -> dict[str, dict[str, tuple[float, int]]]:
    """Field → folded name → how sure it is, and its rank."""
    made: dict[str, dict[str, tuple[float, int]]] = {}
    for field in FIELDS:
        names: dict[str, tuple[float, int]] = {}
        for sure, spellings in ((1.0, EXACT[field]), (LIKELY_SURE, LIKELY[field])):
            for spelling in spellings:
                names.setdefault(_folded(spelling), (sure, len(names)))
        made[field] = names
    return made


@cache
def _whole() -> frozenset[str]:
    return frozenset(_folded(name) for name in WHOLE)


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
    folded = _folded(name)
    exact = [(field, *names[folded]) for field, names in _exact().items() if folded in names]
    if exact or folded in _whole():
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
    beside = _folded(header[partner.place])
    best: Choice | None = None
    for place, name in enumerate(header):
        if place in taken:
            continue
        for alias, meant, other, sure in BESIDE:
            fits = meant == field and _folded(name) == _folded(alias) and beside == _folded(other)
            if fits and (best is None or sure > best.confidence):
                best = Choice(field, place, sure)
    return [] if best is None else [best]


def _has_addresses(preview: Sequence[Sequence[str]], place: int) -> bool | None:
    """Whether the column's cells are addresses for the most part; None when all are blank."""
    cells = [row[place] for row in preview if row[place].strip()]
    return 2 * sum("@" in cell for cell in cells) > len(cells) if cells else None


def _pair(each: object) -> tuple[object, object]:
    if not isinstance(each, dict) or "column" not in each or "field" not in each:
        raise UnclearError("mapping: each object of the list needs `column` and `field`.")
    return each["column"], each["field"]


class _Names:
    """A header's columns by their names."""

    def __init__(self, header: Sequence[str]) -> None:
        self.header = header
        self._exact = {name: place for place, name in enumerate(header)}
        self._alike: dict[str, list[int]] = {}
        for place, name in enumerate(header):
            self._alike.setdefault(_folded(name), []).append(place)

    def places(self, column: str) -> list[int]:
        """Where a column is: by its very name, or else by one that is alike."""
        exact = self._exact.get(column.strip())
        return self._alike.get(_folded(column), []) if exact is None else [exact]


def _placed(pairs: Sequence[tuple[object, object]], names: _Names) -> dict[int, str | None]:
    made: dict[int, str | None] = {}
    for column, field in pairs:
        if not isinstance(column, str) or not (places := names.places(column)):
            shown = ", ".join(f"`{name[:SHOWN_CHARACTERS]}`" for name in names.header[:SHOWN_NAMES])
            more = ", …" if len(names.header) > SHOWN_NAMES else ""
            raise UnclearError(f"mapping: there is no column {_shown(column)}; there are {shown}{more}.")
        if field is not None and field not in FIELDS:
            raise UnclearError(
                f"mapping: there is no field {_shown(field)}; there are {', '.join(FIELDS)}, "
                "and null for none."
            )
        place = places[0]
        if len(places) > 1:
            raise UnclearError(f"mapping: {_shown(column)} could be several columns; write it as it stands.")
        if place in made:
            raise UnclearError(f"mapping: the column {_shown(column)} is there twice.")
        if field is not None and field in made.values():
            raise UnclearError(f"mapping: {field} has two columns.")
        made[place] = str(field) if field is not None else None
    return made


def _shown(value: object) -> str:
    return f"`{value[:SHOWN_CHARACTERS]}`" if isinstance(value, str) else "of which the name is no text"
