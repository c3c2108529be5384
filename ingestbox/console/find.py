"""`/console/find/{view}`: a search in the objects of a view that leads to where it was said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ingestbox.console.inside import body_of
from ingestbox.console.parts import Parts
from ingestbox.console.sights import view_of
from ingestbox.console.table import member, named
from ingestbox.errors import IngestError
from ingestbox.route import Reply
from ingestbox.view import Filter, Finder, View
from ingestbox.web.binding import BoundRoute, Request

QUERY, MOST = "q", 20
"""The member of an address with the words; how much is asked for."""


class Find:
    """The page of a search, with what was found."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._views = {view.name: view for family in parts.families.values() for view in family.views}

    def routes(self) -> tuple[BoundRoute, ...]:
        """What web binds."""
        return (self._parts.page("GET", "/find/{view}", self.page),)

    async def page(self, ask: Request) -> Reply:
        """GET /console/find/{view}."""
        view = view_of(self._views, ask)
        finder = view.finder
        if finder is None:
            raise IngestError("not_found", "There is no such page.")
        words = ask.query.get(QUERY, "").strip()
        names = [each.parameter for each in finder.filters]
        given = {name: ask.query[name].strip() for name in names if ask.query.get(name, "").strip()}
        hits, error, indexing, body = [], None, False, _body(finder, words or finder.hint, given)
        if words:
            try:
                reply = await self._parts.inside.call(ask, "POST", finder.path, body=body)
                found = msgspec.to_builtins(body_of(reply, finder.type))
                indexing = bool(found.get("indexing"))
                hits = [(hit, _link(view, hit), _marked(finder, hit)) for hit in member(found, finder.items)]
            except IngestError as refused:
                if refused.status not in (400, 422):
                    raise
                error = refused
        return self._parts.pages.reply(
            ask,
            "browse/find.html",
            status=error.status if error else 200,
            view=view,
            finder=finder,
            words=words,
            given=given,
            hits=hits,
            indexing=indexing,
            error=error,
            body=body,
            member=member,
            named=named,
        )


def _body(finder: Finder, words: str, given: Mapping[str, str]) -> dict[str, Any]:
    body: dict[str, Any] = {finder.asks: words, finder.most: MOST}
    if given:
        kinds = {each.parameter: each for each in finder.filters}
        body[finder.narrowed] = {name: _value(kinds[name], value) for name, value in given.items()}
    return body


def _value(kind: Filter, value: str) -> str | float:
    """What a field says as the call takes it; what is no number the call refuses."""
    if kind.kind in ("number", "share"):
        try:
            return float(value)
        except ValueError:
            return value
    return value


def _link(view: View, hit: Mapping[str, Any]) -> tuple[str, dict[str, str], int | None]:
    """The key of the object, what its page is asked with, and the number of the passage."""
    finder = view.finder
    assert finder is not None
    place = member(hit, finder.place)
    asked = {name: str(hit[mine]) for name, mine in view.item.with_.items() if hit.get(mine)}
    return str(hit[view.key]), asked, place + 1 if isinstance(place, int) else None


def _marked(finder: Finder, hit: Mapping[str, Any]) -> list[tuple[str, bool]]:
    """The snippet in pieces, and which of them were looked for."""
    text = str(member(hit, finder.snippet) or "")
    pieces, at = [], 0
    marks = member(hit, finder.marks) if finder.marks else None
    for start, end in sorted((each["start"], each["end"]) for each in marks or ()):
        if at <= start < end <= len(text):
            pieces += [(text[at:start], False), (text[start:end], True)]
            at = end
    return [*pieces, (text[at:], False)]
