"""Searching tickets: `GET /api/search`, and feedback's part of `GET /v1/search`."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ingestbox.errors import IngestError
from ingestbox.families.feedback.read.snippet import Cutter
from ingestbox.family import Ask
from ingestbox.family import Found as FamilyFound
from ingestbox.family import Hit as FamilyHit
from ingestbox.family import Search as FamilySearch
from ingestbox.model import Role, checksum
from ingestbox.route import LIMIT, Answer, Parameter, Reply, Route, limit_of
from ingestbox.store import search as fulltext
from ingestbox.store.terms import MAX_CHARACTERS, Index, Term, parse

READERS = frozenset({Role.ANALYST})

EXACT_ID = 1.0
"""The score of a ticket whose id was asked for."""

SNIPPET_BYTES = 262_144
"""Of a ticket that takes more, the snippet is the beginning of its summary: a page may have 500 of them."""

SLICE = 50
"""Tickets read at a time for their snippets."""

_decode = msgspec.json.Decoder().decode

Snippet = Annotated[
    str,
    Meta(
        description="Plain text of up to 200 characters around the first match, without marks: whoever shows "
        "it in HTML escapes it like any text. Empty if the stored text is damaged."
    ),
]
Score = Annotated[
    float,
    Meta(
        ge=0,
        le=1,
        description="1: the ticket's id is `q`. 0.8: every word stands as written in id or summary, 0.6: "
        "anywhere in the ticket. 0.4 and 0.2: the same, with the diacritics left out. Of equals the newer "
        "comes first.",
    ),
]
Total = Annotated[
    int,
    Meta(
        ge=0,
        description=f"How many there are. Counted are up to {fulltext.COUNTED:,}, and for some milliseconds; "
        "see `total_is`.",
    ),
]


class SearchHit(msgspec.Struct, frozen=True):
    """A ticket that was found."""

    ticket_id: str
    snippet: Snippet
    score: Score
    box: Annotated[str | UnsetType, Meta(description="The box that it came from, if not this one.")] = UNSET


class SearchPage(msgspec.Struct, frozen=True):
    """Tickets that were found, best first."""

    results: list[SearchHit]
    total: Total
    next_cursor: str | None
    total_is: Annotated[
        Literal["lower bound"] | UnsetType, Meta(description="There if more may be found than `total`.")
    ] = UNSET
    indexing: Annotated[
        bool | UnsetType,
        Meta(description="True while tickets from before an update wait to be found again; `total` grows."),
    ] = UNSET


async def index_of(ask: Ask) -> Index | None:
    """Where the caller's tickets are searched; None for a workspace without any."""
    rows = await ask.box.read("feedback.ids", {"workspace": ask.caller.workspace})
    if not rows:
        return None
    low, high = rows[0]
    return Index("feedback.match", "feedback.match_count", "feedback.terms", low, max(low + 1, high))


async def matching(
    ask: Ask, q: str, limit: int, below: int | None = None, facets: Sequence[str] = ()
) -> tuple[list[int], int | None, int, bool]:
    """The ids (the store's) of up to `limit` tickets that `q` finds, newest first; where the next page begins
    (`below`), how many there are, and whether that is exact.

    `facets` are sentiments or languages that they must have. Raises IngestError `bad_parameter`.
    """
    terms = parse(q)
    index = await index_of(ask)
    if index is None:
        return [], None, 0, True
    return await fulltext.newest(ask.box.read, index, terms, limit, below, facets)


async def find(ask: Ask, q: str, limit: int, cursor: str | None) -> FamilyFound:
    """A page of tickets that `q` finds (`family.Search`). Raises IngestError `bad_parameter`."""
    after = fulltext.place_of(cursor)
    start = cursor or fulltext.cursor_of(fulltext.START)
    named = await _named(ask, q)
    terms = _terms(q, named)
    index = await index_of(ask)
    if index is None:
        return FamilyFound([], 0, True, start, None)
    first: list[fulltext.Hit] = []
    if named is not None and after in (None, fulltext.START):
        first = [fulltext.Hit(named, EXACT_ID, fulltext.Place())]
    if terms:
        found = await fulltext.search(ask.box.read, index, terms, limit - len(first), after, without=named)
    else:
        found = fulltext.Found([], 1, exact=True, place=None)
    cutter = Cutter(terms)
    hits = [*first, *found.hits]
    shown = await _shown(ask, [hit.id for hit in hits], cutter)
    pending = bool((await ask.box.read("feedback.not_indexed", {}))[0][0])
    return FamilyFound(
        [
            FamilyHit("ticket", *shown[hit.id], score=hit.score, cursor=fulltext.cursor_of(hit.place))
            for hit in hits
            if hit.id in shown  # it may have gone since
        ],
        max(found.total, len(hits)),
        found.exact,
        start,
        None if found.place is None else fulltext.cursor_of(found.place),
        pending,
    )


async def search(ask: Ask) -> Reply:
    """GET /api/search?q&limit&cursor."""
    found = await find(ask, ask.query.get("q", ""), limit_of(ask.query), ask.query.get("cursor"))
    return Reply(
        SearchPage(
            [SearchHit(hit.id, hit.snippet, hit.score, hit.box or UNSET) for hit in found.hits],
            found.total,
            found.cursor,
            UNSET if found.exact else "lower bound",
            True if found.indexing else UNSET,
        )
    )


async def _named(ask: Ask, q: str) -> int | None:
    """The ticket whose id was asked for, if there is one."""
    for ticket_id in dict.fromkeys((q, q.strip().strip('"'))):
        params = {"workspace": ask.caller.workspace, "ticket_id": ticket_id}
        if rows := await ask.box.read("feedback.named", params):
            number: int = rows[0][0]
            return number
    return None


def _terms(q: str, named: int | None) -> Sequence[Term]:
    """What to look for; nothing if `q` is no query, but a ticket's id. Raises IngestError `bad_parameter`."""
    try:
        return parse(q)
    except IngestError:
        if named is None:
            raise
        return ()


async def _shown(ask: Ask, ids: Sequence[int], cutter: Cutter) -> dict[int, tuple[str, str, str]]:
    """Of each ticket its id, snippet and box."""
    shown: dict[int, tuple[str, str, str]] = {}
    for start in range(0, len(ids), SLICE):
        some = msgspec.json.encode(ids[start : start + SLICE]).decode()
        for row in await ask.box.read("feedback.hits", {"ids": some, "bytes": SNIPPET_BYTES}):
            number, ticket_id, origin = row[:3]
            shown[number] = (ticket_id, _snippet(row, cutter), origin)
    return shown


def _snippet(row: tuple[Any, ...], cutter: Cutter) -> str:
    _, ticket_id, _, summary, crc, result, record, payload, payload_crc = row
    if result is None:
        return cutter.cut([summary or ""])
    if zlib.crc32(result + (record or b"")) != crc:
        return ""
    if record is None:
        if payload is None or checksum(ticket_id.encode(), payload) != payload_crc:
            return ""
        record = payload
    sent: dict[str, Any] = _decode(record)
    return cutter.cut([sent.get("summary"), sent.get("description"), *(sent.get("comments") or ())])


SEARCH = FamilySearch(READERS, find)

Q = Parameter(
    "q",
    'What to look for: words, all of which have to be there; `"words in quotes"` stand together, `deliv*` is '
    "any word that begins so, `-word` must not be there. Case, and the place of a Vietnamese tone, do not "
    "matter; what is written with diacritics is also found without them, after what is as written.",
    Annotated[str, Meta(min_length=1, max_length=MAX_CHARACTERS)],
    required=True,
)

ROUTE = Route(
    "GET",
    "/api/search",
    search,
    "Tickets by their text",
    READERS,
    description="Searched are id, summary, description and comments, the first 10,000 characters of a "
    "ticket. Best first (see `score`); of very many, the newest first, and of these the best. A page may be "
    "short, even empty, and still have a `next_cursor`.",
    parameters=(
        Q,
        LIMIT,
        Parameter("cursor", "Where to go on: a `next_cursor` of this search."),
    ),
    answers=(Answer(SearchPage, description="What was found."),),
    errors=("bad_parameter",),
)
