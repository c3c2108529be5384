"""`/console/browse`: what the families have, as tables, and as files with the same rows and columns.

Families say what a table is of (`view.View`); nothing here knows one of them.
"""

from __future__ import annotations

from urllib.parse import parse_qsl

import msgspec

from ingestbox.console import twins
from ingestbox.console.inside import body_of
from ingestbox.console.nav import ADMIN
from ingestbox.console.object import ObjectPage
from ingestbox.console.overview import Overview
from ingestbox.console.parts import Parts
from ingestbox.console.sights import view_of
from ingestbox.console.table import COLUMNS, CURSOR, State, chips, member, named, together, usual
from ingestbox.errors import IngestError
from ingestbox.route import Reply
from ingestbox.web.binding import BoundRoute, Request

PAGE = 50

COLUMN = "column"
"""A box of the form that picks columns."""


class Browse:
    """Tables of objects, and their pages."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        views = [(name, view) for name, family in parts.families.items() for view in family.views]
        self._views = {view.name: view for _, view in views}
        self._objects = ObjectPage(parts)

    def routes(self) -> tuple[BoundRoute, ...]:
        """What web binds."""
        page = self._parts.page
        return (
            page("GET", "/browse/{view}", self.table),
            page("GET", "/browse/{view}/{key:path}", self.one),
        )

    async def table(self, ask: Request) -> Reply:
        """GET /console/browse/{view}, also with `.json` or `.csv` behind it."""
        name, dot, kind = ask.path["view"].partition(".")
        view = view_of(self._views, ask, name)
        state = State(view, ask.query)
        if dot:
            make = {"json": twins.as_json, "csv": twins.as_csv}.get(kind)
            if make is None:
                raise IngestError("not_found", "There is no such page.")
            return await make(self._parts.inside, ask, state)
        picked = [value for name, value in parse_qsl(ask.query_string) if name == COLUMN]
        if picked:
            path = f"/console/browse/{view.name}"
            return self._parts.pages.redirect(ask, path, **state.with_(**{COLUMNS: ",".join(picked)}))
        return await self._table(ask, state)

    async def one(self, ask: Request) -> Reply:
        """GET /console/browse/{view}/{key}."""
        return await self._objects.reply(ask, view_of(self._views, ask), ask.path["key"])

    async def _table(self, ask: Request, state: State) -> Reply:
        view, error = state.view, None
        query = {**state.asked, "limit": str(PAGE), CURSOR: state.cursor}
        try:
            reply = await self._parts.inside.call(ask, "GET", view.path, query=query)
            page = msgspec.to_builtins(body_of(reply, view.type))
        except IngestError as found:
            if found.code != "bad_parameter":
                raise
            page, error = {view.items: [], view.total: 0}, found
        overview = Overview(self._parts.inside, ask, state)
        first = state.cursor is None and error is None
        rows = page[view.items]
        nothing = first and not rows and not state.given
        return self._parts.pages.reply(
            ask,
            "browse/table.html",
            status=400 if error else 200,
            view=view,
            state=state,
            error=error,
            rows=[(row, {**together(view, row), **state.scope}) for row in rows],
            total=page[view.total] if view.total in page else None if page.get("next_cursor") else len(rows),
            at_least="total_is" in page,
            indexing="indexing" in page,
            cursor=page.get("next_cursor"),
            chips=chips(state),
            shown={column.member for column in state.columns},
            member=member,
            named=named,
            usual=",".join(each.member for each in usual(view, state.everybody)),
            nothing=nothing,
            facets=[] if nothing or error else await overview.facets(),
            figures=await overview.figures() if first and not nothing else [],
            charts=await overview.charts() if first and not nothing else [],
            days=overview.usual,
            edits=view.editor if view.editor and ask.caller.may(view.editor.roles or ADMIN) else None,
            may_see_all=bool(view.everybody) and ask.caller.may(ADMIN),
            curl_query={**state.asked, **({"limit": str(PAGE)} if state.asked else {})},
        )
