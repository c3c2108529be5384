"""What stands above a table: figures, charts, and facets by which it can be narrowed."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from ingestbox.console.charts import DAY_SECONDS, Points
from ingestbox.console.inside import Inside
from ingestbox.console.table import State, member, named
from ingestbox.errors import IngestError
from ingestbox.view import Chart, Facet, Figure, Series
from ingestbox.web.binding import Request

MOST_DAYS = 400
"""Of a chart: beyond that it says less than its last ones."""


@dataclass(frozen=True, slots=True)
class Value:
    """A value of a facet, with the query that it leads to; `more` says that there are more than `count`."""

    label: str
    note: str
    count: int
    more: bool
    on: bool
    query: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ShownFacet:
    """A facet with its values. `follows` says whether they are counted with all filters that are on."""

    label: str
    values: list[Value]
    follows: bool


@dataclass(frozen=True, slots=True)
class ShownFigure:
    """A figure; `change` is that from the period before, `query` where it leads (None: nowhere)."""

    label: str
    kind: str
    value: float | None
    change: float | None
    query: Mapping[str, str] | None


@dataclass(frozen=True, slots=True)
class ShownChart:
    """A chart, ready for its macro; `usual` says which days it is of."""

    label: str
    kind: str
    points: Points
    series: list[dict[str, str]]
    usual: str


class Overview:
    """Asks for what one page shows; an answer that serves several parts is asked for once."""

    def __init__(self, inside: Inside, ask: Request, state: State) -> None:
        self._inside = inside
        self._ask = ask
        self._state = state
        self._answers: dict[tuple[str, tuple[tuple[str, str], ...]], Any] = {}

    async def facets(self) -> list[ShownFacet]:
        """Those that the caller may see, and that have values."""
        found = []
        for facet in self._state.view.facets:
            if facet.own and self._state.everybody:
                continue
            values = await (self._listed(facet) if facet.path else self._counted(facet))
            if values:
                follows = not facet.path or not self._others(facet)
                found.append(ShownFacet(facet.label, values, follows))
        return found

    async def figures(self) -> list[ShownFigure]:
        """Those that have a value."""
        found = []
        for each in self._state.view.figures:
            answer = await self._answer(each.path, each.passes)
            value = member(answer, each.member)
            if value is not None:
                change = member(answer, each.change) if each.change else None
                leads = self._state.with_(**each.sets) if each.sets else None
                found.append(ShownFigure(each.label, each.kind, value, change, leads))
        return found

    async def charts(self) -> list[ShownChart]:
        """Those that have points."""
        found = []
        for each in self._state.view.charts:
            rows = member(await self._answer(each.path, each.passes), each.items)
            if isinstance(rows, list) and rows:
                found.append(_chart(each, rows[-MOST_DAYS:], self._usual(each)))
        return found

    @property
    def usual(self) -> str:
        """Which days the figures are of, unless some are chosen."""
        return next((self._usual(each) for each in self._state.view.figures), "")

    def _usual(self, each: Chart | Figure) -> str:
        days = {name for name in each.passes.values() if name in self._state.given and name.endswith("date")}
        return "" if days else each.usual

    def _others(self, facet: Facet) -> bool:
        """Whether filters are on that its numbers do not follow."""
        return bool(self._state.given.keys() - facet.sets.keys() - set(facet.passes.values()))

    async def _answer(self, path: str, passes: Mapping[str, str], **more: str) -> Any:
        """What a call answers, or None to who may not ask it, or where it cannot be told."""
        query = {**self._state.passed(passes), **more}
        key = (path, tuple(sorted(query.items())))
        if key not in self._answers:
            try:
                self._answers[key] = msgspec.to_builtins(
                    await self._inside.get(self._ask, path, object, query)
                )
            except IngestError:
                self._answers[key] = None
        return self._answers[key]

    async def _counted(self, facet: Facet) -> list[Value]:
        """Words, counted by the list itself."""
        state, (name,) = self._state, facet.sets
        found = []
        for word in facet.words:
            on = state.given.get(name) == word.value
            query = {**state.asked, name: word.value, "limit": "1"}
            try:
                page = msgspec.to_builtins(await self._inside.get(self._ask, state.view.path, object, query))
            except IngestError:
                return []
            count, more = page[state.view.total], "total_is" in page
            leads = state.with_(**{name: None if on else word.value})
            if count or on:
                found.append(Value(word.label, "", count, more, on, leads))
        return found

    async def _listed(self, facet: Facet) -> list[Value]:
        """What another call counts."""
        state, found = self._state, []
        limit = {"limit": str(facet.limit)} if facet.limit else {}
        rows = member(await self._answer(facet.path, facet.passes, **limit), facet.items)
        for row in rows if isinstance(rows, list) else ():
            sets = {name: str(row[mine]) for name, mine in facet.sets.items()}
            on = all(state.given.get(name) == value for name, value in sets.items())
            note = named(facet.words, row[facet.note]).label if facet.note else ""
            leads = state.with_(**(dict.fromkeys(sets) if on else sets))
            found.append(Value(str(row[facet.value]), note, row[facet.count], False, on, leads))
        return found


def _chart(chart: Chart, rows: list[Any], usual: str) -> ShownChart:
    days = [datetime.datetime.fromisoformat(f"{row[chart.at]}T00:00:00+00:00") for row in rows]
    points = Points(
        columns=[[row.get(each.member) for row in rows] for each in chart.series],
        times=[int(day.timestamp()) for day in days],
        step=DAY_SECONDS,
    )
    return ShownChart(chart.label, chart.kind, points, [_series(each) for each in chart.series], usual)


def _series(each: Series) -> dict[str, str]:
    return {"label": each.label, "color": each.color}
