"""`GET …/content`: the articles that there are, newest first. An addition to the contract."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ingestbox.clock import iso
from ingestbox.errors import IngestError
from ingestbox.families.knowledge.shapes import PATH, ROLES
from ingestbox.families.knowledge.times import millis
from ingestbox.family import Ask
from ingestbox.route import LIMIT, Answer, Parameter, Reply, Route, limit_of
from ingestbox.store import ReadTx

COUNTED = 10_000
"""Up to here articles are counted exactly: a count beyond it would hold up a page for what nobody reads."""

DAY_MS = 86_400_000

Status = Literal["completed", "held"]


class ListedContent(msgspec.Struct, frozen=True, kw_only=True):
    """An article in a list."""

    content_id: str
    title: str
    source_id: str
    source_url: str
    content_type: str
    language: Annotated[str, Meta(description="What was detected: `vi`, `en` or `other`.")]
    quality_score: Annotated[float, Meta(ge=0, le=1)] | None
    status: Annotated[
        Status,
        Meta(
            description="`held`: it is completed and can be found, and a person has to look at it before it "
            "is forwarded."
        ),
    ]
    published_at: str | None
    taken_at: Annotated[
        str | None, Meta(description="When it came in; null for one that came from another box.")
    ]
    processed_at: str
    box: Annotated[str | UnsetType, Meta(description="The box that it came from, if not this one.")] = UNSET


class ContentList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of articles, newest first."""

    success: Literal[True] = True
    items: list[ListedContent]
    total: Annotated[int, Meta(ge=0, description="How many there are; at least so many with `total_is`.")]
    next_cursor: str | None
    total_is: Annotated[
        Literal["lower bound"] | UnsetType, Meta(description="There if there are more than `total`.")
    ] = UNSET


async def contents(ask: Ask) -> Reply:
    """GET /knowledge-management/content."""
    limit, below = limit_of(ask.query), _below(ask.query)
    asked = {"workspace": ask.caller.workspace, **filters(ask.query)}

    def read(tx: ReadTx) -> ContentList:
        rows = tx.all("knowledge.list_page", {**asked, "below": below, "limit": limit + 1})
        (total,) = tx.one("knowledge.list_total", {**asked, "most": COUNTED + 1}) or (0,)
        return ContentList(
            items=[_line(row) for row in rows[:limit]],
            total=min(total, COUNTED),
            next_cursor=str(rows[limit - 1][0]) if len(rows) > limit else None,
            total_is="lower bound" if total > COUNTED else UNSET,
        )

    return Reply(await ask.box.read_with(read))


def filters(query: Mapping[str, str]) -> dict[str, object]:
    """What the query's parameters leave of the list, as the named queries take it. Raises IngestError
    `bad_parameter`."""
    status = query.get("status")
    if status not in (None, "completed", "held"):
        raise IngestError("bad_parameter", "status must be completed or held.")
    return {
        "source": query.get("source_id"),
        "type": query.get("content_type"),
        "language": query.get("language"),
        "least": _share(query, "min_quality"),
        "most_quality": _share(query, "max_quality"),
        "status": status,
        "published_from": _moment(query, "published_from"),
        "published_before": _moment(query, "published_to", whole_day=True),
    }


def _line(row: tuple[object, ...]) -> ListedContent:
    (_, object_id, origin, title, source, url, kind, language, quality, published, taken, updated, state) = (
        row
    )
    return msgspec.convert(
        {
            "content_id": object_id,
            "title": title,
            "source_id": source,
            "source_url": url,
            "content_type": kind,
            "language": language,
            "quality_score": quality,
            "status": "held" if state == "issue" else "completed",
            "published_at": _iso(published),
            "taken_at": _iso(taken),
            "processed_at": _iso(updated),
            **({"box": origin} if origin else {}),
        },
        ListedContent,
    )


def _iso(ms: object) -> str | None:
    return iso(ms) if isinstance(ms, int) else None


def _below(query: Mapping[str, str]) -> int:
    given = query.get("cursor")
    if given is None:
        return (1 << 63) - 1
    if not (given.isascii() and given.isdigit() and len(given) < 19):
        raise IngestError("bad_parameter", "cursor must be a next_cursor of this list.")
    return int(given)


def _share(query: Mapping[str, str], name: str) -> float | None:
    given = query.get(name)
    if given is None:
        return None
    try:
        found = float(given) if given.isascii() and len(given) < 40 and "_" not in given else -1.0
    except ValueError:
        found = -1.0
    if not 0 <= found <= 1:
        raise IngestError("bad_parameter", f"{name} must be a number from 0 to 1.")
    return found


def _moment(query: Mapping[str, str], name: str, *, whole_day: bool = False) -> int | None:
    """A day or a time in Unix milliseconds; of a `whole_day` its end, of a time itself. Empty is as if it
    were not there."""
    given = query.get(name)
    if not given:  # a form sends what nobody filled in
        return None
    found = millis(given)
    if found is None:
        raise IngestError("bad_parameter", f"{name} must be a day (2026-01-31) or a time (ISO 8601).")
    return found + DAY_MS if whole_day and _is_day(given) else found


def _is_day(text: str) -> bool:
    try:
        datetime.date.fromisoformat(text.strip())
    except ValueError:
        return False
    return True


_SHARE = Annotated[float, Meta(ge=0, le=1)]
_DATE = Annotated[str, Meta(extra_json_schema={"format": "date"})]
"""As it is documented; a time is taken too."""

ROUTES: tuple[Route, ...] = (
    Route(
        "GET",
        f"{PATH}/content",
        contents,
        "The articles that there are, newest first",
        roles=ROLES,
        description="Articles that were processed, those that other boxes sent included.",
        rate="knowledge_read",
        counted_alone=True,
        parameters=(
            Parameter("source_id", "Only of this source."),
            Parameter("content_type", "Only of this type, such as `guideline`."),
            Parameter("language", "Only in this language, as it was detected: `vi`, `en` or `other`."),
            Parameter("status", "Only those that wait for a person, or only the others.", Status),
            Parameter("min_quality", "Only of this quality or better.", _SHARE),
            Parameter("max_quality", "Only of this quality or worse.", _SHARE),
            Parameter("published_from", "Only published from this day or time on (ISO 8601, UTC).", _DATE),
            Parameter(
                "published_to", "Only published up to this day, or before this time (ISO 8601, UTC).", _DATE
            ),
            LIMIT,
            Parameter("cursor", "Where to go on: a `next_cursor` of this list."),
        ),
        answers=(Answer(ContentList, description="The articles."),),
        errors=("bad_parameter",),
    ),
)
