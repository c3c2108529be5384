"""`POST …/search`, and knowledge's part of `GET /v1/search` (contract: knowledge, Endpoints)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET

from ingestbox import strictjson
from ingestbox.clock import iso
from ingestbox.errors import Fault, IngestError
from ingestbox.families.knowledge import vectors
from ingestbox.families.knowledge.contents import vector_id
from ingestbox.families.knowledge.searching.filters import Params, params_of
from ingestbox.families.knowledge.searching.finding import Asked, Finding, Ranked, Told, find, told
from ingestbox.families.knowledge.searching.query import Question, question
from ingestbox.families.knowledge.searching.shapes import (
    DEFAULT_TOP,
    MOST_TOP,
    FoundArticle,
    Mark,
    Place,
    Scores,
    SearchAnswer,
    SearchRequest,
)
from ingestbox.families.knowledge.searching.snippets import Cutter
from ingestbox.families.knowledge.shapes import PATH, ROLES
from ingestbox.family import Ask, Found, Hit, Search
from ingestbox.route import Answer, Reply, Route

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


def _result(found: Ranked, about: Told) -> FoundArticle:
    return FoundArticle(
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
        vector_id=vector_id(found.article),
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
