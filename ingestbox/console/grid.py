"""`/console/grids`: what came in lists of rows whose columns nobody knows before: on cards, and as tables.

Families say what a list is (`view.Grid`); nothing here knows one of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from ingestbox.console.cards import Cards, label_of
from ingestbox.console.conditions import NOTHING, Group, edited, from_form, narrowed, plain, read
from ingestbox.console.griddeeds import GridDeeds, Notes
from ingestbox.console.gridstate import (
    COLUMNS,
    CURSOR,
    CUT,
    MOST_ADDRESS,
    MOST_SHOWN,
    Heads,
    Members,
    State,
    lines,
    picked,
)
from ingestbox.console.inside import json_of
from ingestbox.console.nav import ADMIN
from ingestbox.console.outlook import opens
from ingestbox.console.pages import is_htmx
from ingestbox.console.parts import Parts
from ingestbox.console.show import segment
from ingestbox.console.table import member, named
from ingestbox.errors import IngestError
from ingestbox.route import Reply
from ingestbox.view import Grid, Rows
from ingestbox.web.binding import BoundRoute, Request
from ingestbox.web.v1.jobs import JobBody

PAGE = 50
"""Rows of a page."""

MOST_COUNTED = 20_000
"""Rows of a list of which the usual filters are counted unasked: each takes a look at every row."""

COLUMN, NAMED, PICK, BUILDS = "column", "named", "pick", "do"
"""Parameters of the forms on a page: a column that is picked, one by its name, a value that was clicked on,
the builder's button."""


class Grids:
    """Lists of rows, and the tables of their rows."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._grids = {grid.name: grid for family in parts.families.values() for grid in family.grids}
        self._cards = Cards(parts, self._grids)
        self._deeds = GridDeeds(parts, self.grid, self._page)

    def routes(self) -> tuple[BoundRoute, ...]:
        """What web binds."""
        page = self._parts.page
        return (
            page("GET", "/grids/{grid}", self.all),
            page("GET", "/grids/{grid}/{key}", self.one),
            page("GET", "/grids/{grid}/{key}/filter", self.build),
            page("GET", "/grids/{grid}/{key}/counts", self.counts),
            *self._deeds.routes(),
        )

    def grid(self, ask: Request) -> Grid:
        """The grid of an address, which the caller may see. Raises IngestError: not_found, forbidden."""
        grid = self._grids.get(ask.path["grid"])
        if grid is None:
            raise IngestError("not_found", "There is no such page.")
        if not ask.caller.may(grid.roles):
            raise IngestError("forbidden", f"This page needs the role {' or '.join(sorted(grid.roles))}.")
        return grid

    async def all(self, ask: Request) -> Reply:
        """GET /console/grids/{grid}: cards."""
        return await self._cards.reply(ask, self.grid(ask))

    async def one(self, ask: Request) -> Reply:
        """GET /console/grids/{grid}/{key}, also with the ending of a file behind it."""
        grid, key = self.grid(ask), ask.path["key"]
        stem, _, ending = key.rpartition(".")
        if ending in grid.rows.files and stem:
            return await self._file(ask, grid, stem, grid.rows.files[ending])
        state = State(grid, ask.query)
        columns = [value for name, value in _pairs(ask) if name == COLUMN or (name == NAMED and value)]
        path = f"/console/grids/{grid.name}/{segment(key)}"
        if columns:
            text = msgspec.json.encode(columns).decode()
            return self._parts.pages.redirect(ask, path, **{**state.query, COLUMNS: text})
        if PICK in ask.query:
            condition = picked(ask.query[PICK])
            wanted = narrowed(state.filter, condition) if condition else None
            return self._parts.pages.redirect(ask, path, **state.filtered(wanted or state.filter))
        return await self._page(ask, grid, key)

    async def build(self, ask: Request) -> Reply:
        """GET /console/grids/{grid}/{key}/filter: the form with another line, or what it finds."""
        grid, key = self.grid(ask), ask.path["key"]
        state, given = State(grid, ask.query), _pairs(ask)
        draft, deed = from_form(given), ask.query.get(BUILDS, "")
        if deed == "show":
            path = f"/console/grids/{grid.name}/{segment(key)}"
            return self._parts.pages.redirect(ask, path, **state.filtered(draft))
        changed = edited(draft, deed)
        if not is_htmx(ask.headers):
            return await self._page(ask, grid, key, draft=changed)
        head = await self._answer(ask, grid, key, {**state.scope, "limit": "1"})
        heads = Heads(state, _fields(grid, head))
        values: dict[str, Any] = {"grid": grid, "key": key, "state": state, "heads": heads, "draft": changed}
        return self._parts.pages.reply(ask, "grid/builder.html", deed=deed, **values)

    async def counts(self, ask: Request) -> Reply:
        """GET /console/grids/{grid}/{key}/counts: how many rows the usual filters find; a piece of a page."""
        grid, key = self.grid(ask), ask.path["key"]
        state, found = State(grid, ask.query), []
        for each in grid.rows.quick:
            query = {**state.scope, **state.only(each.filter), "limit": "1"}
            query.pop(COLUMNS, None)
            answer = await self._answer(ask, grid, key, query)
            total = msgspec.json.decode(answer["total"]) if "total" in answer else None
            found.append((each, total, "total_is" in answer))
        values: dict[str, Any] = {"grid": grid, "key": key, "state": state, "quick": found}
        return self._parts.pages.reply(ask, "grid/quick.html", counts=False, **values)

    async def _file(self, ask: Request, grid: Grid, key: str, route: str) -> Reply:
        """The rows as a file, as the API makes it."""
        state = State(grid, ask.query)
        return await self._parts.inside.call(ask, "GET", route, params=_params(route, key), query=state.query)

    async def _answer(self, ask: Request, grid: Grid, key: str, query: Mapping[str, str | None]) -> Members:
        route = grid.rows.path
        reply = await self._parts.inside.call(ask, "GET", route, params=_params(route, key), query=query)
        return msgspec.json.decode(await json_of(reply), type=Members)

    async def _page(
        self, ask: Request, grid: Grid, key: str, *, draft: Group | None = None, notes: Notes | None = None
    ) -> Reply:
        """The table of a list's rows; `notes` are what a form that was sent came to."""
        query = ask.query if ask.method == "GET" else {**ask.query, **(notes.kept if notes else {})}
        state, error = State(grid, query), None
        asked = {**state.given, "limit": str(PAGE), CURSOR: state.cursor}
        try:
            if len(state.text) > MOST_ADDRESS:
                raise IngestError("bad_parameter", "The filter is too long.")
            answer = await self._answer(ask, grid, key, asked)
        except IngestError as found:
            if found.status != 400 or not (state.text or state.cursor):
                raise
            error = found
            answer = await self._answer(ask, grid, key, {**state.scope, "limit": "1"})
            rows = grid.rows
            answer |= dict.fromkeys((rows.records, rows.results, rows.places), msgspec.Raw(b"[]"))
        heads = Heads(state, _fields(grid, answer))
        about = _about(grid, answer)
        asks = grid.rows.narrowed and state.filter is not None and len(state.text) < MOST_ADDRESS // 2
        shown = lines(grid, answer, heads, asks=asks)
        waits = any(not line.known for line in shown)
        job = await self._job(ask, about.get(grid.job) if grid.job else None, state)
        own = about.get(grid.filter) if grid.filter else None
        status = notes.status if notes else 400 if error else 200
        return self._parts.pages.reply(
            ask,
            "grid/table.html",
            status=status,
            grid=grid,
            key=key,
            about=about,
            title=str(about.get(grid.label) or key),
            state=state,
            error=error,
            strange=[] if state.filter is None else heads.strange(state.filter),
            heads=heads,
            lines=shown,
            cut=CUT,
            cursor=_value(answer, "next_cursor") if error is None else None,
            total=_value(answer, "total") if error is None else None,
            at_least="total_is" in answer,
            draft=draft if draft is not None else state.filter or NOTHING,
            building=draft is not None or (error is not None and bool(state.text)),
            quick=[(each, None, False) for each in grid.rows.quick],
            counts=not (state.text or state.cursor or waits) and (_held(grid, about) or 0) <= MOST_COUNTED,
            job=job,
            own=own,
            of=self._grids.get(grid.part.of) if grid.part else None,
            parent=await self._cards.name_of(ask, grid, str(about.get(grid.part.member)), state)
            if grid.part
            else "",
            into=self._grids.get(grid.save.into) if grid.save else None,
            parts=await self._cards.parts_of(ask, grid, key, state),
            notes=notes or Notes(said=ask.query.get("said", "")),
            waits=waits,
            may_see_all=bool(grid.everybody) and ask.caller.may(ADMIN),
            member=member,
            named=named,
            label_of=label_of(grid),
            most_shown=MOST_SHOWN,
            held=_held(grid, about),
            may_open=opens(job, ask.caller) if job else False,
            taken={**state.given, COLUMNS: msgspec.json.encode([head.name for head in heads.shown]).decode()},
            rows_path=_path(grid.rows.path, key),
            save_path=_path(grid.save.path, key) if grid.save else "",
            saved=_saved(state),
            own_text=msgspec.json.encode(own).decode() if own else "",
            said_filter=read(own) if own else NOTHING,
        )

    async def _job(self, ask: Request, job: object, state: State) -> JobBody | None:
        """The job that a list came as; None where there is none, or not for the caller."""
        if not isinstance(job, str) or state.with_:
            return None
        query = {"all": "true"} if state.everybody else {}
        try:
            return await self._parts.inside.get(ask, "/v1/jobs/{id}", JobBody, query, params={"id": job})
        except IngestError:
            return None


def _pairs(ask: Request) -> list[tuple[str, str]]:
    return parse_qsl(ask.query_string, keep_blank_values=True, errors="replace")


def _params(route: str, key: str) -> dict[str, str]:
    return {route.partition("{")[2].partition("}")[0]: key}


def _fields(grid: Grid, answer: Members) -> list[str]:
    return _value(answer, grid.rows.fields) or []


def _about(grid: Grid, answer: Members) -> dict[str, Any]:
    """What the answer says of the list itself."""
    rows: Rows = grid.rows
    own = {rows.records, rows.results, rows.places}
    about = {name: msgspec.json.decode(value) for name, value in answer.items() if name not in own}
    return {**about, **about[grid.head]} if grid.head else about


def _value(answer: Members, name: str) -> Any:
    return msgspec.json.decode(answer[name]) if name in answer else None


def _held(grid: Grid, about: Mapping[str, Any]) -> int | None:
    """How many rows a list has, if it says so."""
    found = about.get(grid.share[1]) if grid.share else None
    return found if isinstance(found, int) else None


def _path(route: str, key: str) -> str:
    """A route's path with the key of a list in it."""
    begin, _, rest = route.partition("{")
    return f"{begin}{segment(key)}{rest.partition('}')[2]}"


def _saved(state: State) -> dict[str, Any]:
    """What a program sends to keep what the filter finds."""
    return {"name": "…", **({"filter": plain(state.filter)} if state.text and state.filter else {})}
