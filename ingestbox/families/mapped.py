"""What a person says of a file's columns: which of them is which field. Light: children import it."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

import msgspec

from ingestbox.tabular.match import words_of

SHOWN_NAMES = 30
SHOWN_CHARACTERS = 60

_BLANK = re.compile(r"\s*")


class Other(msgspec.Struct, frozen=True):
    """A column that may hold a field too."""

    column: str
    field: str
    confidence: float


class UnclearError(Exception):
    """What a person says of the columns cannot be followed; its text says why, as a sentence."""


def folded(name: str) -> str:
    """A column's name as names are compared.

    >>> folded("E-Mail") == folded("e_mail")
    True
    """
    return "".join(words_of(name)) or _BLANK.sub("", name.casefold())


def said(
    mapping: object, header: Sequence[str], fields: Sequence[str], several: Collection[str] = ()
) -> dict[int, str | None]:
    """What a person says of columns, by their places: one of `fields`, or None for a column that is to be
    none. A field has one column, but for those of `several`.

    `mapping` is a list of `{column, field}`, as a preview gives it; a list with a field or null for each
    column, in their order; an object from columns to fields (or null); or one from fields to columns. Raises
    UnclearError: it is none of these, names a column or field that there is not, says something twice, or can
    be read both ways.
    """
    names = _Names(header, fields, several)
    if isinstance(mapping, list):
        if mapping and all(each is None or isinstance(each, str) for each in mapping):
            return names.in_order(mapping)
        return names.placed([_pair(each) for each in mapping])
    if not isinstance(mapping, dict):
        raise UnclearError("mapping: it must be an object or a list of objects.")
    by_column = list(mapping.items())
    by_field = [(column, field) for field, column in mapping.items() if column is not None]
    fields_first = all(name in fields for name in mapping) and all(
        column is None or (isinstance(column, str) and names.places(column)) for column in mapping.values()
    )
    columns_first = all(names.places(name) for name in mapping) and all(
        field is None or field in fields for field in mapping.values()
    )
    if not fields_first:
        return names.placed(by_column)
    if not columns_first:
        return names.placed(by_field)
    one, other = names.placed(by_column), names.placed(by_field)
    if one != other:
        raise UnclearError(
            "mapping: it can be read from columns to fields and from fields to columns; send a list of "
            "objects with `column` and `field`."
        )
    return one


def _pair(each: object) -> tuple[object, object]:
    if not isinstance(each, dict) or "column" not in each or "field" not in each:
        raise UnclearError("mapping: each object of the list needs `column` and `field`.")
    return each["column"], each["field"]


class _Names:
    """A header's columns by their names, and the fields that they may be."""

    def __init__(self, header: Sequence[str], fields: Sequence[str], several: Collection[str]) -> None:
        self._header = header
        self._fields = fields
        self._several = several
        self._exact = {name: place for place, name in enumerate(header)}
        self._alike: dict[str, list[int]] = {}
        for place, name in enumerate(header):
            self._alike.setdefault(folded(name), []).append(place)

    def places(self, column: str) -> list[int]:
        """Where a column is: by its very name, or else by one that is alike."""
        exact = self._exact.get(column.strip())
        return self._alike.get(folded(column), []) if exact is None else [exact]

    def placed(self, pairs: Sequence[tuple[object, object]]) -> dict[int, str | None]:
        """What is said of columns by their names."""
        made: dict[int, str | None] = {}
        for column, field in pairs:
            if not isinstance(column, str) or not (places := self.places(column)):
                names = ", ".join(f"`{name[:SHOWN_CHARACTERS]}`" for name in self._header[:SHOWN_NAMES])
                more = ", …" if len(self._header) > SHOWN_NAMES else ""
                raise UnclearError(f"mapping: there is no column {_shown(column)}; there are {names}{more}.")
            field = self._field(field, made)
            place = places[0]
            if len(places) > 1:
                raise UnclearError(
                    f"mapping: {_shown(column)} could be several columns; write it as it stands."
                )
            if place in made:
                raise UnclearError(f"mapping: the column {_shown(column)} is there twice.")
            made[place] = field
        return made

    def in_order(self, given: Sequence[object]) -> dict[int, str | None]:
        """What is said of all columns by their places."""
        if len(given) != len(self._header):
            raise UnclearError(
                f"mapping: the list has {len(given):,} fields, and the file {len(self._header):,} columns."
            )
        made: dict[int, str | None] = {}
        for place, field in enumerate(given):
            made[place] = self._field(field, made)
        return made

    def _field(self, field: object, made: dict[int, str | None]) -> str | None:
        if field is None:
            return None
        if not isinstance(field, str) or field not in self._fields:
            raise UnclearError(
                f"mapping: there is no field {_shown(field)}; there are {', '.join(self._fields)}, "
                "and null for none."
            )
        if field not in self._several and field in made.values():
            raise UnclearError(f"mapping: {field} has two columns.")
        return field


def _shown(value: object) -> str:
    return f"`{value[:SHOWN_CHARACTERS]}`" if isinstance(value, str) else "of which the name is no text"
