"""Lists of a grid on cards: what each is, how far it is, what waits, and its parts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from ingestbox.console.conditions import Group, read
from ingestbox.console.gridstate import State
from ingestbox.console.inside import json_of
from ingestbox.console.nav import ADMIN
from ingestbox.console.parts import Parts
from ingestbox.console.table import member, named
from ingestbox.errors import IngestError
from ingestbox.route import MAX_LIMIT, Reply
from ingestbox.view import Grid
from ingestbox.web.binding import Request
from ingestbox.web.v1.jobs import JobBody

PAGE = 24
"""Cards of a page."""

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Card:
    """A list, the job that it came as (None: out of sight), its parts, and what its page is asked with."""

    row: Row
    job: JobBody | None
    parts: list[Row]
    asked: Mapping[str, str]
    filter: Group | None


class Cards:
    """Makes the pages of cards."""

    def __init__(self, parts: Parts, grids: Mapping[str, Grid]) -> None:
        self._parts = parts
        self._grids = grids
        self._within = {grid.part.of: grid for grid in grids.values() if grid.part}

    async def reply(self, ask: Request, grid: Grid) -> Reply:
        """The page. Raises IngestError."""
        state = State(grid, ask.query)
        query = {**state.scope, "limit": str(PAGE), "cursor": state.cursor}
        reply = await self._parts.inside.call(ask, "GET", grid.path, query=query)
        page = msgspec.json.decode(await json_of(reply))
        rows: list[Row] = page[grid.items]
        parts = await self._listed(ask, self._within.get(grid.name), state, "") if rows else []
        jobs = await asyncio.gather(*(self._job(ask, grid, row, state) for row in rows))
        cards = [
            Card(
                row,
                job,
                [each for each in parts if self._key_of(grid, each) == row[grid.key]],
                state.scope | {name: str(row[mine]) for name, mine in grid.with_.items() if row.get(mine)},
                read(row.get(grid.filter)) if grid.filter and row.get(grid.filter) else None,
            )
            for row, job in zip(rows, jobs, strict=True)
        ]
        return self._parts.pages.reply(
            ask,
            "grid/cards.html",
            grid=grid,
            state=state,
            cards=cards,
            total=page.get("total"),
            cursor=page.get("next_cursor"),
            within=self._within.get(grid.name),
            of=self._grids.get(grid.part.of) if grid.part else None,
            names=await self._names(ask, grid, rows, state),
            said=ask.query.get("said", ""),
            may_see_all=bool(grid.everybody) and ask.caller.may(ADMIN),
            member=member,
            named=named,
            label_of=label_of(grid),
        )

    async def _names(self, ask: Request, grid: Grid, rows: list[Row], state: State) -> dict[str, str]:
        """What the lists are called that these are parts of, as far as they can be told, by their keys."""
        if grid.part is None:
            return {}
        keys = sorted({str(row[grid.part.member]) for row in rows if row.get(grid.part.member)})
        found = await asyncio.gather(*(self.name_of(ask, grid, key, state) for key in keys))
        return {key: name for key, name in zip(keys, found, strict=True) if name}

    async def name_of(self, ask: Request, grid: Grid, key: str, state: State) -> str:
        """What the list is called that another is a part of; empty where it cannot be told."""
        of = self._grids.get(grid.part.of) if grid.part else None
        if of is None or not ask.caller.may(of.roles):
            return ""
        route, query = of.rows.path, {**state.scope, "limit": "1"}
        params = {route.partition("{")[2].partition("}")[0]: key}
        try:
            reply = await self._parts.inside.call(ask, "GET", route, params=params, query=query)
        except IngestError:
            return ""
        answer = msgspec.json.decode(await json_of(reply), type=dict[str, msgspec.Raw])
        return str(msgspec.json.decode(answer[of.label])) if of.label in answer else ""

    async def parts_of(self, ask: Request, grid: Grid, key: str, state: State) -> list[Row]:
        """The parts of one list, as far as a page tells of them."""
        found = await self._listed(ask, self._within.get(grid.name), state, key)
        return [each for each in found if self._key_of(grid, each) == key]

    def _key_of(self, grid: Grid, part: Row) -> Any:
        """The key of the list that a part is of."""
        inner = self._within[grid.name].part
        return member(part, inner.member) if inner else None

    async def _listed(self, ask: Request, inner: Grid | None, state: State, key: str) -> list[Row]:
        """The parts of all lists in sight, or of one; none where they cannot be told."""
        if inner is None or inner.part is None or not ask.caller.may(inner.roles):
            return []
        one = {inner.part.asks: key} if inner.part.asks and key else {}
        scope = {inner.everybody: "true"} if inner.everybody and state.everybody else {}
        query = {**scope, **one, "limit": str(MAX_LIMIT)}
        try:
            reply = await self._parts.inside.call(ask, "GET", inner.path, query=query)
        except IngestError:
            return []
        rows: list[Row] = msgspec.json.decode(await json_of(reply))[inner.items]
        return rows

    async def _job(self, ask: Request, grid: Grid, row: Row, state: State) -> JobBody | None:
        job = row[grid.key] if grid.job == grid.key else None
        if not isinstance(job, str) or any(row.get(mine) for mine in grid.with_.values()):
            return None  # of another box there is no job here
        query = {"all": "true"} if state.everybody else {}
        try:
            return await self._parts.inside.get(ask, "/v1/jobs/{id}", JobBody, query, params={"id": job})
        except IngestError:
            return None


def label_of(grid: Grid) -> Callable[[str], str]:
    """What people call a field of a grid's rows: those that the box found out have a label."""
    labels = {each.member: each.label for each in grid.rows.columns}
    return lambda name: labels.get(name, name)
