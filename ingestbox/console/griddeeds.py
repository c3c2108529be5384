"""What is done with a list of a grid: it is taken away, renamed, switched; what a filter finds is kept."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

import msgspec

from ingestbox.console.forms import form
from ingestbox.console.gridstate import FILTER, State
from ingestbox.console.inside import json_of
from ingestbox.console.parts import Parts
from ingestbox.console.show import segment
from ingestbox.errors import IngestError
from ingestbox.route import Reply
from ingestbox.view import Grid
from ingestbox.web.binding import BoundRoute, Request


class Notes(msgspec.Struct, frozen=True):
    """What a form came to: `said` was done (a name of `t.grid.said`), or it was refused with an `error`, and
    its fields are `given`; `kept` is what the page's address had besides."""

    said: str = ""
    error: IngestError | None = None
    deed: str = ""
    given: Mapping[str, str] = {}
    kept: Mapping[str, str] = {}

    @property
    def status(self) -> int:
        """The status of the page."""
        return self.error.status if self.error else 200


class Page(Protocol):
    """Makes the page of a list, with what a form came to."""

    def __call__(self, ask: Request, grid: Grid, key: str, *, notes: Notes) -> Awaitable[Reply]:
        """The page."""


class GridDeeds:
    """The forms on the page of a list."""

    def __init__(self, parts: Parts, grid_of: Callable[[Request], Grid], page: Page) -> None:
        self._parts = parts
        self._grid_of = grid_of
        self._page = page

    def routes(self) -> tuple[BoundRoute, ...]:
        """What web binds."""
        page = self._parts.page
        return (
            page("GET", "/grids/{grid}/{key}/remove", self.ask_to_remove),
            page("POST", "/grids/{grid}/{key}/remove", self.remove),
            page("POST", "/grids/{grid}/{key}/save", self.save),
            page("POST", "/grids/{grid}/{key}/change", self.change),
        )

    async def ask_to_remove(self, ask: Request) -> Reply:
        """GET /console/grids/{grid}/{key}/remove: what will go, and a button."""
        grid = self._grid_of(ask)
        if not grid.remove:
            raise IngestError("not_found", "There is no such page.")
        return await self._page(ask, grid, ask.path["key"], notes=Notes(deed="remove"))

    async def remove(self, ask: Request) -> Reply:
        """POST /console/grids/{grid}/{key}/remove."""
        grid, key = self._grid_of(ask), ask.path["key"]
        state = State(grid, ask.query)
        try:
            await self._call(ask, "DELETE", grid.remove, key, state)
        except IngestError as error:
            return await self._refused(ask, grid, key, error, "remove", {})
        path = f"/console/grids/{grid.name}"
        return self._parts.pages.redirect(ask, path, said="removed", **state.scope)

    async def save(self, ask: Request) -> Reply:
        """POST /console/grids/{grid}/{key}/save: keeps what the filter finds, and goes there."""
        grid, key = self._grid_of(ask), ask.path["key"]
        if grid.save is None:
            raise IngestError("not_found", "There is no such page.")
        state, given = State(grid, ask.query), form(ask.body)
        wanted: dict[str, Any] = {"name": given.get("name", "").strip()}
        wanted |= {each.member: given.get(each.member) == "true" for each in grid.save.switches}
        try:
            if given.get(FILTER):
                wanted["filter"] = _json(given[FILTER])
            answer = await self._call(ask, "POST", grid.save.path, key, state, wanted, given.get("once", ""))
        except IngestError as error:
            return await self._refused(ask, grid, key, error, "save", given)
        made: Any = answer
        for name in grid.save.key.split("."):
            made = made[name]
        path = f"/console/grids/{grid.save.into}/{segment(made)}"
        return self._parts.pages.redirect(ask, path, said="saved", **state.scope)

    async def change(self, ask: Request) -> Reply:
        """POST /console/grids/{grid}/{key}/change: another name, or a switch."""
        grid, key = self._grid_of(ask), ask.path["key"]
        if not grid.change:
            raise IngestError("not_found", "There is no such page.")
        state, given = State(grid, ask.query), form(ask.body)
        wanted: dict[str, Any] = {grid.label: given["name"].strip()} if "name" in given else {}
        wanted |= {
            each.member: given[each.member] == "true" for each in grid.switches if each.member in given
        }
        try:
            await self._call(ask, "PATCH", grid.change, key, state, wanted)
        except IngestError as error:
            return await self._refused(ask, grid, key, error, "change", given)
        path = f"/console/grids/{grid.name}/{segment(key)}"
        return self._parts.pages.redirect(ask, path, said="changed", **state.scope)

    async def _call(
        self,
        ask: Request,
        method: str,
        route: str,
        key: str,
        state: State,
        body: object = None,
        once: str = "",
    ) -> Any:
        if not route:
            raise IngestError("not_found", "There is no such page.")
        params = {route.partition("{")[2].partition("}")[0]: key}
        headers = {"idempotency-key": once} if once else {}
        reply = await self._parts.inside.call(
            ask, method, route, params=params, query=state.scope, body=body, headers=headers
        )
        return msgspec.json.decode(await json_of(reply))

    async def _refused(
        self, ask: Request, grid: Grid, key: str, error: IngestError, deed: str, given: Mapping[str, str]
    ) -> Reply:
        """The page with why not; who may not, or found nothing there, is told on a page of its own."""
        if error.status not in (400, 409, 422):
            raise error
        kept = {FILTER: given[FILTER]} if given.get(FILTER) else {}
        return await self._page(ask, grid, key, notes=Notes("", error, deed, given, kept))


def _json(text: str) -> Any:
    """The filter as the page wrote it. Raises IngestError `bad_parameter`."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        raise IngestError("bad_parameter", "The form has no filter.") from None
