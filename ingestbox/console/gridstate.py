"""The state of a table whose columns are its rows' own, as the address of its page has it.

`filter`, `columns` (a JSON list of names) and `cursor` are all there is, with whose lists are looked at. A
name is that of a member of the rows, or of what was found out about them: the latter if there is one. However
many columns rows have, and whatever they are called, a page shows and offers a bounded number of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import msgspec

from ingestbox.console.conditions import Condition, Group, can_be_asked, of_value, parse, written
from ingestbox.view import Column, Grid, Rows

FILTER, COLUMNS, CURSOR = "filter", "columns", "cursor"

USUAL = 6
"""Columns of the rows' own that are shown unless others are chosen."""

MOST_SHOWN = 60
"""Columns of a table."""

MOST_OFFERED = 300
"""Columns of the rows' own that can be picked from a list; another has to be named."""

CUT = 160
"""Characters of a value that a cell shows."""

MOST_ADDRESS = 8_000
"""Bytes of a filter in an address; servers before the box take hardly more."""


class State:
    """What an address asks of a list's rows."""

    def __init__(self, grid: Grid, query: Mapping[str, str]) -> None:
        self.grid = grid
        self.cursor = query.get(CURSOR) or None
        self.everybody = bool(grid.everybody) and query.get(grid.everybody) == "true"
        self.text = query.get(FILTER, "").strip() if grid.rows.narrowed else ""
        self.filter = parse(self.text)
        self.chosen = _names(query.get(COLUMNS))
        self.with_ = {name: query[name] for name in grid.with_ if query.get(name)}

    @property
    def scope(self) -> dict[str, str]:
        """Whose lists are asked for, and where from."""
        return {**({self.grid.everybody: "true"} if self.everybody else {}), **self.with_}

    @property
    def given(self) -> dict[str, str]:
        """What the rows are asked with, but for their part."""
        return {**({FILTER: self.text} if self.text else {}), **self.scope}

    @property
    def query(self) -> dict[str, str]:
        """What an address has of it, but for the part."""
        columns = {} if self.chosen is None else {COLUMNS: msgspec.json.encode(self.chosen).decode()}
        return {**self.given, **columns}

    def filtered(self, wanted: Group | None) -> dict[str, str]:
        """The query with another filter, from the beginning."""
        return {**{name: value for name, value in self.query.items() if name != FILTER}, **_if(wanted)}

    def only(self, wanted: Any) -> dict[str, str]:
        """The same with a filter as it is in JSON."""
        text = msgspec.json.encode(wanted).decode()
        return {**{name: value for name, value in self.query.items() if name != FILTER}, FILTER: text}


def _if(wanted: Group | None) -> dict[str, str]:
    text = written(wanted)
    return {FILTER: text} if text else {}


def _names(given: str | None) -> list[str] | None:
    """The columns that an address names; None if it names none, or nothing that can be read."""
    if not given:
        return None
    try:
        names = msgspec.json.decode(given.encode("utf-8", "replace"), type=list[str])
    except msgspec.DecodeError:
        return None
    return list(dict.fromkeys(names))[:MOST_SHOWN] or None


def column_of(rows: Rows, member: str) -> str:
    """What the column of a row's own member is called."""
    return rows.own + member if _is_taken(rows, member) else member


def member_of(rows: Rows, column: str) -> str:
    """The member of a row's own column: the inverse of `column_of`."""
    return column.removeprefix(rows.own) if _is_taken(rows, column) else column


def _is_taken(rows: Rows, name: str) -> bool:
    """Whether it is the name of another column, after `own` any number of times."""
    if not rows.own:
        return False
    before, own, bare = name.rpartition(rows.own)
    if bare not in rows.reserved and all(bare != each.member for each in rows.columns):
        return False
    # Compared at one go: a name can have megabytes of them.
    return before + own == rows.own * ((len(name) - len(bare)) // len(rows.own))


@dataclass(frozen=True, slots=True)
class Head:
    """A column of the table: the rows' own, or (`found`) one that the box found out."""

    name: str
    label: str
    column: Column
    found: bool
    member: str

    @property
    def numeric(self) -> bool:
        """Whether its values stand at the right."""
        return self.column.kind in ("number", "share", "rate")


class Heads:
    """The columns of a list: those that there are, and those that are shown."""

    def __init__(self, state: State, fields: Sequence[str]) -> None:
        self._rows = state.grid.rows
        self._found = {each.member: each for each in self._rows.columns}
        names = dict.fromkeys(fields)
        self._fields = names
        own = [column_of(self._rows, name) for name in islice(names, MOST_OFFERED)]
        self.offered = [self.of(name) for name in own]
        self.found = [self.of(name) for name in self._found]
        self.more = max(0, len(names) - MOST_OFFERED)
        usual = [*own[:USUAL], *(name for name, each in self._found.items() if each.shown)]
        self.shown = [self.of(name) for name in (state.chosen or usual)]
        self.count = len(names) + len(self._found)

    def of(self, name: str) -> Head:
        """The column of this name."""
        known = self._found.get(name)
        if known is not None:
            return Head(name, known.label, known, found=True, member=name)
        label = name if name.strip() else f"“{name}”"
        return Head(name, label, Column(name, label), found=False, member=member_of(self._rows, name))

    @property
    def names(self) -> set[str]:
        """Those that are shown."""
        return {head.name for head in self.shown}

    @property
    def others(self) -> list[Head]:
        """Those that are shown, and in neither list of what is offered."""
        known = {head.name for head in (*self.offered, *self.found)}
        return [head for head in self.shown if head.name not in known]

    def strange(self, group: Group) -> list[str]:
        """The fields that a filter asks for and that no column has, each once."""
        found: dict[str, None] = {}
        for part in group.parts:
            asked = [part.field] if isinstance(part, Condition) else self.strange(part)
            found |= dict.fromkeys(name for name in asked if name not in self._fields)
        return [name for name in found if name not in self._found]

    def label(self, name: str) -> str:
        """What people call it."""
        return self.of(name).label


@dataclass(frozen=True, slots=True)
class Cell:
    """A value as a table shows it. `pick` finds the rows that have the same, as a form sends it ('': it
    cannot be asked)."""

    head: Head
    value: Any
    pick: str


@dataclass(frozen=True, slots=True)
class Line:
    """A row; `place` is its place in the list's job, if it is told."""

    place: int | None
    cells: list[Cell]
    known: bool


Members = dict[str, msgspec.Raw]

_members = msgspec.json.Decoder(Members)
_list = msgspec.json.Decoder(list[msgspec.Raw])
_results = msgspec.json.Decoder(list[Members | None])
_places = msgspec.json.Decoder(list[int])


def lines(grid: Grid, answer: Members, heads: Heads, *, asks: bool) -> list[Line]:
    """The rows of an answer, as far as the table shows them. Values stay as they were sent: `1.50` is not
    1.5."""
    rows = grid.rows
    records = _list.decode(answer[rows.records])
    results = _results.decode(answer[rows.results]) if rows.results in answer else [None] * len(records)
    given = answer.get(rows.places) if rows.places else None
    places: Iterable[int | None] = _places.decode(given) if given is not None else [None] * len(records)
    found = []
    for place, record, result in zip(places, records, results, strict=True):
        members = _members.decode(record) if bytes(record)[:1] == b"{" else {}
        cells = [_cell(head, (result or {}) if head.found else members, asks) for head in heads.shown]
        found.append(Line(place, cells, result is not None))
    return found


def _cell(head: Head, members: Mapping[str, msgspec.Raw], asks: bool) -> Cell:
    raw = members.get(head.member)
    value, asked = (None, None) if raw is None else value_of(raw)
    able = asks and can_be_asked(head.name, asked)
    return Cell(head, value, msgspec.json.encode([head.name, asked]).decode() if able else "")


def value_of(raw: msgspec.Raw) -> tuple[Any, Any]:
    """A value as it is shown (text, or a number as it was written), and as a filter takes it; of lists and
    objects their JSON, and nothing to ask with."""
    data = bytes(raw)
    if data[:1] in (b"{", b"["):
        return data[: CUT * 4].decode("utf-8", "ignore"), None
    value = msgspec.json.decode(data)
    if isinstance(value, bool):
        return data.decode(), value
    return (value if value is None or isinstance(value, str) else data.decode()), value


def picked(text: str) -> Condition | None:
    """The condition of a value that was clicked on; None for what is none."""
    try:
        name, value = msgspec.json.decode(text.encode("utf-8", "replace"), type=tuple[str, Any])
    except msgspec.DecodeError:
        return None
    return of_value(name, value) if can_be_asked(name, value) else None
