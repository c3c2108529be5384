"""The state of a table, as the address of its page has it, and what a page shows of it.

`q`, the filters, `columns` (their members, comma-separated) and `cursor` are all there is: whoever gets the
address sees the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from ingestbox.view import Column, Filter, View, Word

COLUMNS, CURSOR = "columns", "cursor"

Row = Mapping[str, Any]


class State:
    """What is asked of a view: its parameters that are given, and the columns that are shown."""

    def __init__(self, view: View, query: Mapping[str, str]) -> None:
        self.view = view
        self.cursor = query.get(CURSOR) or None
        self.everybody = bool(view.everybody) and query.get(view.everybody) == "true"
        names = [view.search, *(each.parameter for each in view.filters)]
        self.given = {name: query[name].strip() for name in names if query.get(name, "").strip()}
        self.chosen = COLUMNS in query
        self.columns = _columns(view, query.get(COLUMNS), self.everybody)

    @property
    def scope(self) -> dict[str, str]:
        """Whose rows are asked for."""
        return {self.view.everybody: "true"} if self.everybody else {}

    @property
    def asked(self) -> dict[str, str]:
        """What the list is asked with, but for its part."""
        return {**self.given, **self.scope}

    @property
    def query(self) -> dict[str, str]:
        """What an address has of it, but for its part."""
        chosen = {COLUMNS: ",".join(each.member for each in self.columns)} if self.chosen else {}
        return {**self.asked, **chosen}

    def with_(self, **changes: str | None) -> dict[str, str]:
        """The query with some members changed (None takes one out), from the beginning of the list."""
        return {name: value for name, value in {**self.query, **changes}.items() if value}

    def passed(self, passes: Mapping[str, str]) -> dict[str, str]:
        """The parameters of another call that follow this list's."""
        return {name: self.given[mine] for name, mine in passes.items() if mine in self.given}


def _columns(view: View, given: str | None, everybody: bool) -> tuple[Column, ...]:
    """Those that are chosen, in that order; of names that are none nothing is said: another version's."""
    if given is not None:
        known = {each.member: each for each in view.columns}
        found = tuple(known[name] for name in dict.fromkeys(given.split(",")) if name in known)
        if found:
            return found
    return usual(view, everybody)


def usual(view: View, everybody: bool) -> tuple[Column, ...]:
    """The columns that are shown unless others are chosen."""
    return tuple(each for each in view.columns if each.shown and (everybody or not each.everybody))


@dataclass(frozen=True, slots=True)
class Chip:
    """A filter that is on: what it says, and the query without it."""

    label: str
    value: str
    without: Mapping[str, str]


def chips(state: State) -> list[Chip]:
    """The filters that are on. What a facet sets together goes together."""
    view, found = state.view, []
    partners = _together(view)
    labels = {each.parameter: each for each in view.filters}
    for name, value in state.given.items():
        first, *others = partners.get(name, (name,))
        if name != first and first in state.given:
            continue
        said = [word_of(labels[other], state.given[other]) for other in others if other in state.given]
        shown = word_of(labels[name], value) if name in labels else value
        label = labels[name].label if name in labels else ""
        without = state.with_(**dict.fromkeys((name, *others), None))
        found.append(Chip(label, f"{shown} ({', '.join(said)})" if said else shown, without))
    return found


def _together(view: View) -> dict[str, tuple[str, ...]]:
    """By parameter: the parameters that are set with it, the first of them first."""
    sets = [each.sets for each in view.facets] + ([view.item.spans.sets] if view.item.spans else [])
    return {name: tuple(each) for each in sets if len(each) > 1 for name in each}


def word_of(kind: Filter, value: str) -> str:
    """A filter's value as people call it."""
    return next((each.label for each in kind.choices if each.value == value), value)


def named(words: Iterable[Word], value: object) -> Word:
    """The word for a value; one that is not known is as it is. What is true or false is called so."""
    value = str(value).lower() if isinstance(value, bool) else value
    return next((each for each in words if each.value == value), Word(str(value), str(value)))


def member(row: Any, path: str) -> Any:
    """What stands under a path of members (`tickets.count`), or None."""
    for name in path.split("."):
        if not isinstance(row, Mapping):
            return None
        row = row.get(name)
    return row


def cell(row: Row, column: Column) -> str | float:
    """A value as a cell of a file."""
    value = member(row, column.member)
    if value is None:
        return ""
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return value
    if isinstance(value, list):
        return ", ".join(str(each) for each in value)
    return msgspec.json.encode(value).decode()


def together(view: View, row: Row) -> dict[str, str]:
    """What the page of a row's object is asked with besides its key."""
    return {name: str(row[mine]) for name, mine in view.item.with_.items() if row.get(mine)}
