"""`GET …/content/status`: how far content is (contract: knowledge, Endpoints, Processing)."""

from __future__ import annotations

import base64
import binascii
import datetime
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ingestbox.errors import IngestError
from ingestbox.families.knowledge.contents import content_id, record_of, vector_id
from ingestbox.families.knowledge.shapes import PATH, ROLES
from ingestbox.families.knowledge.times import millis
from ingestbox.family import Ask
from ingestbox.model import JobState, RecordState
from ingestbox.route import LIMIT, Answer, Parameter, Reply, Route, limit_of
from ingestbox.store import ReadTx

WHOLE = 10_000
"""Items of a status that is not asked for in parts."""

PIECE = 2_000
"""Read at once: some 20 ms."""

SUMMED = 100_000
"""Items that the sums go through: a second or so, in pieces."""

State = Literal["queued_for_processing", "processing", "completed", "failed"]

Place = tuple[int, int]
"""Where a list is: the time at which content was taken (0 in a batch), and its record's id."""

_BEGINNING: Place = (0, 0)
_END: Place = ((1 << 63) - 1, (1 << 63) - 1)

_SPACED_ZONE = re.compile(r" (\d\d:?\d\d)$")


class StatusItem(msgspec.Struct, frozen=True, kw_only=True):
    """How far one content is."""

    content_id: str
    status: Annotated[
        State, Meta(description="`failed`: it waits for a person, or was given up; `error` says why.")
    ]
    vector_id: Annotated[str | None, Meta(description="Null until there is a result.")]
    processing_time: (
        Annotated[float, Meta(ge=0, description="Seconds from when it was taken in to its result.")] | None
    )
    quality_score: Annotated[float, Meta(ge=0, le=1)] | None
    error: str | UnsetType = UNSET
    held: Annotated[
        bool | UnsetType,
        Meta(description="True if it can be found, and a person has to look at it before it is forwarded."),
    ] = UNSET


class StatusAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """How far content is, item by item and in sum."""

    success: Literal[True] = True
    batch_id: str | UnsetType = UNSET
    overall_status: Literal["queued", "processing", "completed", "completed_with_errors", "failed"]
    total_items: int
    completed: int
    processing: Annotated[int, Meta(description="Those that are neither completed nor failed.")]
    queued: Annotated[int, Meta(description="Those among them that nothing has begun with yet.")]
    failed: int
    items: list[StatusItem]
    next_cursor: Annotated[
        str | UnsetType | None, Meta(description="Where to go on; there with `limit`, or if there are more.")
    ] = UNSET
    total_is: Annotated[
        Literal["lower bound"] | UnsetType,
        Meta(description=f"There if there are over {SUMMED:,}: only so many were looked at for the sums."),
    ] = UNSET


class _Issue(msgspec.Struct, array_like=True):
    message: str | None
    held: int


_issue = msgspec.json.Decoder(_Issue)


def item_of(row: tuple[Any, ...]) -> StatusItem:
    """From a row of a query `status_…`."""
    content, taken, done, record, job, article, quality, given = row
    issue = None if given is None else _issue.decode(given)
    error: str | UnsetType = UNSET
    held: bool | UnsetType = UNSET
    state: State = "completed"
    if record == RecordState.PENDING:
        state = "processing" if job == JobState.RUNNING else "queued_for_processing"
        if job == JobState.CANCELLED:
            state, error = "failed", "It was cancelled."
    elif record == RecordState.DISCARDED:
        state, error = "failed", _said(issue, "It was given up.")
    elif record == RecordState.SUPERSEDED:
        state, error = "failed", _said(issue, "It came again.")
    elif record == RecordState.ISSUE:
        if issue is not None and issue.held and article is not None:
            held = True
        else:
            state = "failed"
        error = _said(issue, UNSET)
    return StatusItem(
        content_id=content_id(content),
        status=state,
        vector_id=None if article is None else vector_id(article),
        processing_time=None if done is None else max(done - taken, 0) / 1000,
        quality_score=quality,
        error=error,
        held=held,
    )


def _said(issue: _Issue | None, otherwise: str | UnsetType) -> str | UnsetType:
    return otherwise if issue is None or issue.message is None else issue.message


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is asked about: a list by the name of its query, with its parameters."""

    query: str
    params: Mapping[str, object]
    up: bool

    def rows(self, tx: ReadTx, after: Place, limit: int) -> list[tuple[Any, ...]]:
        """Those after a place."""
        where = {"after": after[1]} if self.up else {"before_ms": after[0], "before": after[1]}
        return tx.all(self.query, {**self.params, **where, "limit": limit})

    @property
    def start(self) -> Place:
        """Where it begins."""
        return _BEGINNING if self.up else _END

    def piece(self, tx: ReadTx, after: Place, limit: int) -> tuple[list[StatusItem], Place | None]:
        """At most `limit` items after a place, and the last one's place, if there are more."""
        rows = self.rows(tx, after, limit + 1)
        items = [item_of(row) for row in rows[:limit]]
        last = rows[limit - 1] if len(rows) > limit else None
        return items, None if last is None else (0 if self.up else last[1], last[0])


class _Sums:
    """How many items are in which state."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = dict.fromkeys(
            ("queued_for_processing", "processing", "completed", "failed"), 0
        )
        self.total = 0

    def add(self, items: list[StatusItem]) -> None:
        for item in items:
            self.counts[item.status] += 1
        self.total += len(items)

    def answer(self, items: list[StatusItem], **more: Any) -> StatusAnswer:
        """The whole answer."""
        queued, failed = self.counts["queued_for_processing"], self.counts["failed"]
        unfinished = queued + self.counts["processing"]
        return StatusAnswer(
            overall_status=_overall(self.total, queued, unfinished, failed),
            total_items=self.total,
            completed=self.counts["completed"],
            processing=unfinished,
            queued=queued,
            failed=failed,
            items=items,
            **more,
        )


def _overall(
    total: int, queued: int, unfinished: int, failed: int
) -> Literal["queued", "processing", "completed", "completed_with_errors", "failed"]:
    if unfinished:
        return "queued" if queued == total else "processing"
    if failed:
        return "failed" if failed == total else "completed_with_errors"
    return "completed"


async def status(ask: Ask) -> Reply:
    """GET /knowledge-management/content/status."""
    query = ask.query
    if "content_id" in query:
        return Reply(await _one(ask, query["content_id"]))
    since = _since(query.get("since"))
    source, batch = query.get("source_id"), query.get("batch_id")
    params = {"workspace": ask.caller.workspace, "source": source, "since": since}
    if batch is not None:
        if not await ask.box.read("knowledge.has_batch", {**params, "batch": batch}):
            raise IngestError("content_not_found", f"There is no batch {batch[:100]}.")
        asked = _Asked("knowledge.status_of_batch", {**params, "batch": batch}, up=True)
    elif source is not None:
        if not await ask.box.read("knowledge.has_source", {**params, "source_id": source}):
            raise IngestError("source_not_found", f"There is no source {source[:100]}.")
        asked = _Asked("knowledge.status_of_source", params, up=False)
    else:
        asked = _Asked("knowledge.status_since", params, up=False)
    in_parts = "limit" in query or "cursor" in query
    after = _place(query["cursor"], asked) if "cursor" in query else asked.start
    return Reply(await _answer(ask, asked, after, limit_of(query) if in_parts else WHOLE, in_parts, batch))


async def _one(ask: Ask, content: str) -> StatusAnswer:
    params = {"workspace": ask.caller.workspace, "content": record_of(content) or 0}
    rows = await ask.box.read("knowledge.status_of_content", params)
    if not rows:
        raise IngestError("content_not_found", f"There is no content {content[:100]}.")
    items, sums = [item_of(rows[0])], _Sums()
    sums.add(items)
    return sums.answer(items)


async def _answer(
    ask: Ask, asked: _Asked, after: Place, limit: int, in_parts: bool, batch: str | None
) -> StatusAnswer:
    items: list[StatusItem] = []
    sums, going_on = _Sums(), after if limit else None
    while going_on is not None and len(items) < limit:
        most = min(PIECE, limit - len(items))
        found, going_on = await ask.box.read_with(partial(asked.piece, after=going_on, limit=most))
        items += found
    further = going_on
    if after == asked.start:
        sums.add(items)
    else:
        going_on = asked.start
    while going_on is not None and sums.total < SUMMED:
        found, going_on = await ask.box.read_with(partial(asked.piece, after=going_on, limit=PIECE))
        sums.add(found)
    more: dict[str, Any] = {}
    if batch is not None:
        more["batch_id"] = batch
    if in_parts or further is not None:
        more["next_cursor"] = None if further is None else _cursor(further)
    if going_on is not None:
        more["total_is"] = "lower bound"
    return sums.answer(items, **more)


def _since(given: str | None) -> int:
    """Unix milliseconds. Raises IngestError `bad_parameter`."""
    if given is None:
        return 0
    # A plus that was not escaped comes as a blank.
    found = millis(_SPACED_ZONE.sub(r"+\1", given))
    if found is None:
        raise IngestError("bad_parameter", "since must be a time in ISO 8601, such as 2024-01-15T10:30:00Z.")
    return found


def _cursor(place: Place) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode()


def _place(cursor: str, asked: _Asked) -> Place:
    """Raises IngestError `bad_parameter`, also for the place of a list in another order."""
    try:
        text = base64.b64decode(cursor, altchars=b"-_", validate=True)
        ms, content = msgspec.json.decode(text, type=Place)
    except (binascii.Error, ValueError):
        ms = content = -1
    if not (0 <= ms < 1 << 63 and 0 < content < 1 << 63 and (ms == 0) == asked.up):
        raise IngestError("bad_parameter", "cursor must be a next_cursor of this list.")
    return ms, content


ROUTES: tuple[Route, ...] = (
    Route(
        "GET",
        f"{PATH}/content/status",
        status,
        "How far content is",
        roles=ROLES,
        rate="knowledge_read",
        counted_alone=True,
        description="A `batch_id` sums up the batch and all of its chunks "
        "(`<batch_id>_chunk_1` and so on), in the order in which they came; one that never came is "
        "`content_not_found`. What is told by `source_id` or `since`, or without any of them, is newest "
        "first. `source_id` and `since` also narrow a batch. "
        f"Without `limit` it is all, to {WHOLE:,}; the sums are always of all.",
        parameters=(
            Parameter("content_id", "This content alone; nothing else is looked at then."),
            Parameter("batch_id", "Everything that came in the batch, or in its chunks."),
            Parameter("source_id", "Everything of the source."),
            Parameter(
                "since",
                "What was taken in from this time on (ISO 8601; without a zone it is UTC).",
                Annotated[datetime.datetime, Meta(tz=True)],
            ),
            Parameter("limit", f"How many items; without it all, to {WHOLE:,}.", LIMIT.type),
            Parameter("cursor", "Where to go on: a `next_cursor` of this list."),
        ),
        answers=(Answer(StatusAnswer, description="How far it is."),),
        errors=("bad_parameter", "content_not_found", "source_not_found"),
    ),
)
