"""`POST …/search`, and knowledge's part of `GET /v1/search` (contract: knowledge, Endpoints)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ingestbox import strictjson
from ingestbox.clock import iso
from ingestbox.errors import Fault, IngestError
from ingestbox.families.knowledge import vectors
from ingestbox.families.knowledge.searching.filters import Params, SearchFilter, params_of
from ingestbox.families.knowledge.searching.finding import Asked, Finding, Ranked, Told, find, told
from ingestbox.families.knowledge.searching.query import Question, question
from ingestbox.families.knowledge.shapes import PATH
from ingestbox.families.knowledge.snippets import Cutter
from ingestbox.family import Ask, Found, Hit, Search
from ingestbox.model import Role
from ingestbox.route import Answer, Reply, Route
from ingestbox.store.terms import MAX_CHARACTERS

ROLES = frozenset({Role.INGEST, Role.UPLOADER})

DEFAULT_TOP, MOST_TOP = 10, 100

PAGED = 200
"""Articles that `GET /v1/search` finds, page by page."""

FIT = 0.8
"""The score there of what fits best: as of a ticket that has every word in its summary."""

NEAR = 0.3
"""What has none of the words is found there if it is at least so near (cosine): something is always
nearest."""

_DIGITS = 6

_Key = tuple[float, int]
"""The place of an article in the order: its score, the highest first, and its id."""


class SearchRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What to look for, and where."""

    query: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=MAX_CHARACTERS,
            description='A question or some words. `"Words in quotes"` have to stand together in the '
            "passage, `-word` must not be there, `vacc*` is any word that begins so. Words are found with "
            "and without their diacritics; as they are written comes first.",
        ),
    ]
    top_k: Annotated[int, Meta(ge=1, le=MOST_TOP, description="How many articles, at most.")] = DEFAULT_TOP
    filter: SearchFilter | None = None


class Place(msgspec.Struct, frozen=True):
    """A passage: the `index`th of its article, from `start` to before `end` of the article's text, in code
    points."""

    index: Annotated[int, Meta(ge=0)]
    start: Annotated[int, Meta(ge=0)]
    end: Annotated[int, Meta(ge=0)]


class Mark(msgspec.Struct, frozen=True):
    """A part of a snippet, from `start` to before `end`, in code points."""

    start: Annotated[int, Meta(ge=0)]
    end: Annotated[int, Meta(ge=0)]


class Scores(msgspec.Struct, frozen=True):
    """How well a passage of the article fits, by each of the two; null where it is not among the best."""

    words: Annotated[
        float | None, Meta(description="BM25: higher is better, and means nothing beside another question's.")
    ]
    vector: Annotated[float, Meta(ge=-1, le=1, description="Cosine of the two vectors.")] | None


class SearchResult(msgspec.Struct, frozen=True, kw_only=True):
    """An article that was found, with its passage that fits best."""

    content_id: str
    title: str
    source_url: str
    source_id: str
    content_type: str
    language: Annotated[str, Meta(description="What was found in the text: `vi`, `en` or `other`.")]
    published_at: str | None
    quality_score: Annotated[float, Meta(ge=0, le=1)] | None
    passage: Place
    snippet: Annotated[
        str,
        Meta(
            description="Plain text of up to 200 characters of the passage; whoever shows it in HTML escapes "
            "it like any text. Empty if the stored text is damaged."
        ),
    ]
    marks: Annotated[list[Mark], Meta(description="Where in `snippet` the words of the query stand.")]
    score: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="Reciprocal rank fusion (k = 60) of the order by words and the order by vectors: 1 "
            "is the first of both. Of equals the one that came first.",
        ),
    ]
    scores: Scores
    vector_id: str
    box: Annotated[str | UnsetType, Meta(description="The box that it came from, if not this one.")] = UNSET


class SearchAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What was found, best first."""

    success: Literal[True] = True
    query: str
    total: Annotated[int, Meta(ge=0, description="How many results there are in this answer.")]
    results: list[SearchResult]
    vector: Annotated[
        bool,
        Meta(description="Whether vectors were asked; if not, there are none, or what makes them is away."),
    ]
    model: Annotated[str | None, Meta(description="What made the vectors, if they were asked.")]
    indexing: Annotated[
        bool | UnsetType,
        Meta(description="True while some of what is there is not found yet by all that it says."),
    ] = UNSET


class _Wanted(NamedTuple):
    """A search as it was asked for."""

    text: str
    question: Question
    top: int
    filtered: Params


async def search(ask: Ask) -> Reply:
    """POST /knowledge-management/search."""
    wanted = _wanted(ask.body)
    finding, known = await _find(ask, wanted.question, wanted.filtered, wanted.top, lambda found: found)
    results = [_result(each, known[each.article]) for each in finding.ranked if each.article in known]
    return Reply(
        SearchAnswer(
            query=wanted.text,
            total=len(results),
            results=results,
            vector=finding.model is not None,
            model=None if finding.model is None else finding.model.name,
            indexing=True if finding.indexing else UNSET,
        )
    )


async def _find(
    ask: Ask,
    asked: Question,
    filtered: Params,
    most: int,
    shown: Callable[[Sequence[Ranked]], Sequence[Ranked]],
) -> tuple[Finding, dict[int, Told]]:
    """What a question finds, and what there is to say of those that are `shown` (by their articles' ids)."""
    whole = await _embedded(ask, asked)
    cutter = Cutter(asked.terms)

    def read(tx: Any) -> tuple[Finding, dict[int, Told]]:
        finding = find(tx, ask.caller.workspace, whole, filtered, most)
        return finding, told(tx, shown(finding.ranked), cutter)

    return await ask.box.read_apart(lambda tx: tx.at_once(read))


async def _embedded(ask: Ask, asked: Question) -> Asked:
    """The question with its vector; without one where there are no vectors to compare it with, or it cannot
    be had."""
    found = await vectors.embed_query(ask.box, asked.text)
    return Asked(asked, None, b"") if found is None else Asked(asked, *found)


def _wanted(body: bytes) -> _Wanted:
    """The search that a body asks for. Raises IngestError: malformed_json, or validation_failed with every
    fault."""
    given = strictjson.decode(body)
    if not isinstance(given, dict):
        raise IngestError("validation_failed", "The body must be a JSON object.")
    faults: list[Fault] = []
    asked = None
    text = given.get("query")
    try:
        asked = question(text)
    except IngestError as error:
        faults += error.faults
    top = DEFAULT_TOP if given.get("top_k") is None else given["top_k"]
    if isinstance(top, float) and top.is_integer():
        top = int(top)
    if not isinstance(top, int) or isinstance(top, bool) or not 1 <= top <= MOST_TOP:
        faults.append(Fault("invalid", f"top_k must be a whole number from 1 to {MOST_TOP}", field="top_k"))
    filtered = params_of(given.get("filter"), faults)
    known = SearchRequest.__struct_fields__
    faults += [
        Fault("unknown", f"There is no {name[:100]}; there are {', '.join(known)}", field=name[:100])
        for name in given
        if name not in known
    ]
    if faults or asked is None:
        raise IngestError("validation_failed", faults[0].message + ".", faults=faults)
    return _Wanted(str(text), asked, top, filtered)


def _result(found: Ranked, about: Told) -> SearchResult:
    return SearchResult(
        content_id=about.content_id,
        title=about.title,
        source_url=about.url,
        source_id=about.source_id,
        content_type=about.type,
        language=about.language,
        published_at=None if about.published_ms is None else iso(about.published_ms),
        quality_score=about.quality,
        passage=Place(found.passage.place, found.passage.first, found.passage.beyond),
        snippet=about.snippet.text,
        marks=[Mark(*each) for each in about.snippet.marks],
        score=found.score,
        scores=Scores(_rounded(found.words), _rounded(found.vector)),
        vector_id=f"vec_{found.article}",
        box=about.origin or UNSET,
    )


def _rounded(score: float | None) -> float | None:
    return None if score is None else round(score, _DIGITS)


async def find_all(ask: Ask, q: str, limit: int, cursor: str | None) -> Found:
    """A page of articles that `q` finds (`family.Search`). Raises IngestError `bad_parameter`."""
    after = _place(cursor)

    def page(ranked: Sequence[Ranked]) -> Sequence[Ranked]:
        return _rest(ranked, after)[:limit]

    try:
        finding, known = await _find(ask, question(q, "q"), params_of(None, []), PAGED, page)
    except IngestError as error:
        if error.code != "validation_failed":
            raise
        raise IngestError("bad_parameter", error.detail) from None
    rest = _rest(finding.ranked, after)
    return Found(
        [
            Hit(
                "article",
                known[each.article].content_id,
                known[each.article].snippet.text,
                known[each.article].origin,
                round(FIT * each.score, _DIGITS),
                _cursor((-each.score, each.article)),
            )
            for each in rest[:limit]
        ],
        len(_rest(finding.ranked, _FIRST)),
        len(finding.ranked) < PAGED,
        cursor or _cursor(_FIRST),
        _cursor((-rest[limit - 1].score, rest[limit - 1].article)) if len(rest) > limit else None,
        finding.indexing,
    )


def _rest(ranked: Sequence[Ranked], after: _Key) -> list[Ranked]:
    """Those of them that fit, after a place."""
    return [
        each
        for each in ranked
        if (-each.score, each.article) > after and (each.words is not None or (each.vector or 0.0) >= NEAR)
    ]


_FIRST: _Key = (-2.0, 0)
_key = msgspec.json.Decoder(_Key)


def _cursor(key: _Key) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(key)).decode()


def _place(cursor: str | None) -> _Key:
    """After which hit a page begins. Raises IngestError `bad_parameter`."""
    if cursor is None:
        return _FIRST
    try:
        key: _Key = _key.decode(base64.b64decode(cursor, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError):
        raise IngestError("bad_parameter", "cursor must be a next_cursor of this search.") from None
    return key


SEARCH = Search(ROLES, find_all)

ROUTES: Sequence[Route] = (
    Route(
        "POST",
        f"{PATH}/search",
        search,
        "Find articles by words and by vectors",
        roles=ROLES,
        body_limit="control_kb",
        rate="knowledge_read",
        counted_alone=True,
        description="Passages are ranked by their words (BM25) and by their vectors (cosine), and both "
        "orders made one. Each article comes once, with its passage that fits best; where the same page was "
        "crawled again and says nearly the same, the newest version alone.",
        body=SearchRequest,
        example={
            "query": "triệu chứng của bệnh tiểu đường",
            "top_k": 5,
            "filter": {"language": "vi", "content_type": ["article", "guideline"], "quality_min": 0.5},
        },
        answers=(Answer(SearchAnswer, description="What was found; nothing is an answer too."),),
        errors=("validation_failed",),
    ),
)
