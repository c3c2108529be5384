"""`/v1/search`: everything that the families of the box can find by its text."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ingestbox.errors import IngestError
from ingestbox.family import Found, Hit, Search
from ingestbox.route import Answer, Parameter, Reply, Route, limit_of
from ingestbox.store.terms import MAX_CHARACTERS
from ingestbox.web.binding import Request
from ingestbox.web.v1 import lists
from ingestbox.web.v1.parts import Parts


class SearchResult(msgspec.Struct, frozen=True):
    """Something that was found."""

    family: str
    kind: Annotated[str, Meta(description="What it is, such as `ticket`.")]
    id: str
    snippet: Annotated[
        str,
        Meta(
            description="Plain text around the first match, without marks; escape it for HTML. Empty if the "
            "stored text is damaged."
        ),
    ]
    score: Annotated[float, Meta(ge=0, le=1, description="How well it fits; the list is in this order.")]
    box: Annotated[str | UnsetType, Meta(description="The box that it came from, if not this one.")] = UNSET


class SearchResults(msgspec.Struct, frozen=True):
    """A page of what was found, best first."""

    results: list[SearchResult]
    total: Annotated[
        int, Meta(ge=0, description="How many there are; at least so many, if `total_is` is there.")
    ]
    next_cursor: str | None
    total_is: Annotated[
        Literal["lower bound"] | UnsetType, Meta(description="There if more may be found than `total`.")
    ] = UNSET
    indexing: Annotated[
        bool | UnsetType, Meta(description="True while older objects wait to be found; `total` grows.")
    ] = UNSET


_cursors = msgspec.json.Decoder(dict[str, str | None])


class Searches:
    """One search over the families that can be searched."""

    def __init__(self, parts: Parts) -> None:
        self._known: dict[str, Search] = {
            name: family.search for name, family in parts.families.items() if family.search is not None
        }

    def routes(self) -> tuple[Route, ...]:
        """What web binds."""
        if not self._known:
            return ()
        return (
            Route(
                "GET",
                "/v1/search",
                self.search,
                "Everything by its text",
                frozenset().union(*(search.roles for search in self._known.values())),
                description="Of the families that the caller may read. Words that all have to be there, in "
                'any order; `"words in quotes"` stand together, `deliv*` is any word that begins so, `-word` '
                "must not be there. What is as written comes before what is so without diacritics; of "
                "very many the newest come first. A family that ranks by what texts are about also finds "
                "what has some of the words. A page may be short, even empty, with a `next_cursor`.",
                parameters=(
                    Parameter(
                        "q",
                        "What to look for.",
                        Annotated[str, Meta(min_length=1, max_length=MAX_CHARACTERS)],
                        required=True,
                    ),
                    Parameter("family", "Only of this family.", lists.one_of(self._known)),
                    *lists.PAGE,
                ),
                answers=(Answer(SearchResults, description="What was found."),),
                errors=("bad_parameter",),
            ),
        )

    async def search(self, ask: Request) -> Reply:
        """GET /v1/search."""
        one = lists.choice(ask.query, "family", sorted(self._known))
        limit = limit_of(ask.query)
        cursors = _from(ask.query.get("cursor"))
        asked = {
            name: search
            for name, search in self._known.items()
            if one in (None, name) and ask.caller.may(search.roles)
        }
        q = ask.query.get("q", "")
        found: dict[str, Found] = {}
        for name, search in asked.items():
            if cursors is None or cursors.get(name) is not None:
                found[name] = await search.find(ask, q, limit, None if cursors is None else cursors[name])
        return Reply(_page(found, limit))


def _page(found: dict[str, Found], limit: int) -> SearchResults:
    """The best of all families. Each goes on after its last hit that is shown."""
    hits = [(name, hit) for name, each in found.items() for hit in each.hits]
    hits.sort(key=lambda each: -each[1].score)  # stable: a family's order stays
    shown = hits[:limit]
    on = {name: _after(name, each, shown) for name, each in found.items()}
    return SearchResults(
        [_result(name, hit) for name, hit in shown],
        sum(each.total for each in found.values()),
        None if all(cursor is None for cursor in on.values()) else _cursor(on),
        UNSET if all(each.exact for each in found.values()) else "lower bound",
        True if any(each.indexing for each in found.values()) else UNSET,
    )


def _after(name: str, found: Found, shown: list[tuple[str, Hit]]) -> str | None:
    own = [hit for family, hit in shown if family == name]
    if len(own) == len(found.hits):
        return found.cursor
    return own[-1].cursor if own else found.start


def _result(name: str, hit: Hit) -> SearchResult:
    return SearchResult(name, hit.kind, hit.id, hit.snippet, hit.score, hit.box or UNSET)


def _cursor(on: dict[str, str | None]) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(on)).decode()


def _from(cursor: str | None) -> dict[str, str | None] | None:
    if cursor is None:
        return None
    try:
        return _cursors.decode(base64.b64decode(cursor, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError):
        raise IngestError("bad_parameter", "cursor must be a next_cursor of this search.") from None
