"""What belongs to an object: things in tables of their own, and the passages of a text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ingestbox.console.table import member
from ingestbox.view import Column, Item, Listed, Passages

MOST_ROWS = 200
"""Of one such table that a page shows: the call of the API has the others."""

PASSAGES = 20
"""That a page shows at once."""

WORDS = 90
"""Characters with which a passage is announced."""


@dataclass(frozen=True, slots=True)
class ShownTable:
    """A table with those columns that are always shown or have something in them, and its rows: each with the
    key of the object that it opens ('': none), and what that is asked with. `more` rows are not shown."""

    about: Listed
    columns: list[Column]
    rows: Sequence[tuple[Mapping[str, Any], str, Mapping[str, str]]]
    more: int


@dataclass(frozen=True, slots=True)
class Passage:
    """A passage; `number` counts from 1, `overlap` are the characters that the one before it has, too."""

    number: int
    start: int
    end: int
    text: str
    overlap: int

    @property
    def begins(self) -> str:
        """Its first words."""
        return " ".join(self.text[: WORDS * 2].split())[:WORDS]

    @property
    def shared(self) -> str:
        """What the one before it has, too."""
        return self.text[: self.overlap]

    @property
    def own(self) -> str:
        """What that one has not."""
        return self.text[self.overlap :]


@dataclass(frozen=True, slots=True)
class ShownPassages:
    """Some of the passages of a text: all of them are `count`; `before` and `next` are the first ones of
    the parts before and after (None: there is none); `chosen` is the one that is asked for."""

    about: Passages
    passages: list[Passage]
    count: int
    before: int | None
    next: int | None
    chosen: int | None


def tables(item: Item, body: Mapping[str, Any]) -> list[ShownTable]:
    """The tables of an object that have rows, or something to say where there are none."""
    found = []
    for each in item.listed:
        lines = [
            (row, str(row[each.opens]) if each.opens and row.get(each.opens) else "", _asked(item, row))
            for row in rows(each.named, each.value, member(body, each.items))
        ]
        if lines or each.none:
            columns = [
                column
                for column in each.columns
                if column.shown or any(member(row, column.member) is not None for row, *_ in lines)
            ]
            found.append(ShownTable(each, columns, lines[:MOST_ROWS], max(0, len(lines) - MOST_ROWS)))
    return found


def passages(item: Item, body: Mapping[str, Any], given: str | None) -> ShownPassages | None:
    """The passages around the one that is `given` (a number from 1), or the first ones."""
    about = item.passages
    if about is None:
        return None
    text, all_of_them = member(body, about.text), member(body, about.items)
    if not isinstance(text, str) or not isinstance(all_of_them, list) or not all_of_them:
        return None
    chosen = int(given) if given and given.isascii() and given.isdigit() and len(given) < 9 else None
    if chosen is not None and not 1 <= chosen <= len(all_of_them):
        chosen = None
    first = ((chosen or 1) - 1) // PASSAGES * PASSAGES
    shown = []
    for number, each in enumerate(all_of_them[first : first + PASSAGES], first + 1):
        start, end = each[about.start], each[about.end]
        before = all_of_them[number - 2][about.end] if number > 1 else 0
        shown.append(Passage(number, start, end, text[start:end], max(0, min(before, end) - start)))
    beyond = first + PASSAGES + 1
    return ShownPassages(
        about,
        shown,
        len(all_of_them),
        first - PASSAGES + 1 if first else None,
        beyond if beyond <= len(all_of_them) else None,
        chosen,
    )


def _asked(item: Item, row: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(row[mine]) for name, mine in item.with_.items() if row.get(mine)}


def rows(named: str, value: str, found: object) -> list[Mapping[str, Any]]:
    """What is found, as rows: of a list its objects; of an object its members, with their names under
    `named`, and what is no object under `value`."""
    if isinstance(found, list):
        return [each for each in found if isinstance(each, Mapping)]
    if isinstance(found, Mapping):
        return [
            {named: name, **(each if isinstance(each, Mapping) else {value: each})}
            for name, each in found.items()
        ]
    return []
