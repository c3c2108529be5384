"""`GET /api/tickets` and `GET /api/tickets/{id}`: lists with filters, and one ticket whole."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

import msgspec
from msgspec import UNSET, UnsetType

from ingestbox.errors import IngestError
from ingestbox.families.feedback.analysis import Sentiment
from ingestbox.families.feedback.columns import LABELS, LANGUAGES, entity_key
from ingestbox.families.feedback.read.period import DAY_MS, Period, day_of, ordered
from ingestbox.families.feedback.read.search import matching
from ingestbox.families.feedback.read.ticket import TicketPage, ticket_body, ticket_line
from ingestbox.families.feedback.read.words import word_of
from ingestbox.family import Ask
from ingestbox.route import Reply, limit_of

SENTIMENTS: tuple[str, ...] = get_args(Sentiment)

_ALWAYS = Period(-800_000, 3_000_000)
"""Longer than the years 1 to 9999, which are all that a ticket's time can lie in."""

_MOST = (1 << 63) - 1

REACH = 5_000
"""Tickets that a list with `q` goes through, the newest that it finds: some 20 ms."""

WALKED = 20_000
"""Tickets that one page in the order of arrival goes through: some 20 ms."""

ORDERS = ("updated", "arrival")

Place = tuple[int, int]
"""Where a list goes on: before this time (Unix milliseconds), and at it before this id."""


@dataclass(frozen=True, slots=True)
class Filters:
    """Which tickets are asked for; None, and a period of always, let all pass."""

    sentiment: str | None = None
    language: str | None = None
    entity: str | None = None
    label: str | None = None
    period: Period = _ALWAYS

    @property
    def cells(self) -> str:
        """The pairs of sentiment and language that pass, as the queries take them."""
        sentiments = SENTIMENTS if self.sentiment is None else (self.sentiment,)
        languages = (*LANGUAGES, "") if self.language is None else (self.language,)
        return _json([(sentiment, language) for sentiment in sentiments for language in languages])

    @property
    def facets(self) -> list[str]:
        """The same for full text."""
        return [each for each in (self.sentiment, self.language) if each is not None]

    @property
    def keys(self) -> str:
        """Under which the entity may be counted, as the query takes them."""
        labels = LABELS if self.label is None else (self.label,)
        return _json([entity_key(label, self.entity or "") for label in labels])


async def tickets(ask: Ask) -> Reply:
    """GET /api/tickets: the workspace's tickets that pass the filters, newest first."""
    page = await _page(ask)
    if "q" in ask.query or "entity" in ask.query:
        page = msgspec.structs.replace(page, indexing=await indexing(ask))
    return Reply(page)


async def _page(ask: Ask) -> TicketPage:
    limit = limit_of(ask.query)
    filters = filters_of(ask.query)
    if word_of(ask.query, "order", ORDERS) == "arrival":
        return await _arrived(ask, filters, limit)
    place = place_of(ask.query.get("cursor"), filters.period)
    workspace = ask.caller.workspace
    page = {
        "workspace": workspace,
        "from_ms": filters.period.first * DAY_MS,
        "before_ms": place[0],
        "before_id": place[1],
        "limit": limit + 1,
    }
    q = ask.query.get("q")
    if filters.entity is not None:
        found = await ask.box.read("feedback.entity", {"workspace": workspace, "keys": filters.keys})
        if not found:
            return TicketPage([], 0, None)
        if q is not None:
            return await _found(ask, q, filters, {**page, "entity": found[0][0]})
        naming = {"entity": found[0][0], "cells": filters.cells}
        rows = await ask.box.read("feedback.tickets_naming", {**page, **naming})
        total = found[0][1]
        if filters != Filters(entity=filters.entity, label=filters.label):
            until = (filters.period.last + 1) * DAY_MS
            counted = await ask.box.read("feedback.naming_total", {**page, **naming, "until_ms": until})
            total = counted[0][0]
    elif q is not None:
        return await _found(ask, q, filters, {**page, "entity": None})
    else:
        if filters.sentiment is None and filters.language is None:
            rows = await ask.box.read("feedback.tickets", page)
        else:
            rows = await ask.box.read("feedback.tickets_in", {**page, "cells": filters.cells})
        total = await _total(ask, filters)
    return page_of(rows, limit, total)


async def indexing(ask: Ask) -> bool | UnsetType:
    """True while tickets wait to be found by text and entity (`ops/reindexing.py`)."""
    return bool((await ask.box.read("feedback.not_indexed", {}))[0][0]) or UNSET


async def ticket(ask: Ask) -> Reply:
    """GET /api/tickets/{ticket_id}: one ticket with its analysis."""
    params = {"workspace": ask.caller.workspace, "ticket_id": ask.path["ticket_id"]}
    box = ask.query.get("box")
    if box is None:
        rows = await ask.box.read("feedback.ticket", params)
    else:
        rows = await ask.box.read("feedback.ticket_from", {**params, "box": box})
    if not rows:
        raise IngestError("not_found", "Ticket not found")
    return Reply(ticket_body(rows[0]))


async def _found(ask: Ask, q: str, filters: Filters, page: Mapping[str, Any]) -> TicketPage:
    """A page of those that full text finds and that pass the other filters."""
    ids, beyond, total, exact = await matching(ask, q, REACH, facets=filters.facets)
    some = {**page, "ids": _json(ids)}
    rows = await ask.box.read("feedback.tickets_found", some)
    if page["entity"] is not None or filters.period != _ALWAYS:
        until = (filters.period.last + 1) * DAY_MS
        total = (await ask.box.read("feedback.found_total", {**some, "until_ms": until}))[0][0]
        exact = beyond is None
    return page_of(rows, page["limit"] - 1, total, exact)


async def _arrived(ask: Ask, filters: Filters, limit: int) -> TicketPage:
    """A page in the order in which tickets first came in, the newest first."""
    workspace, q = ask.caller.workspace, ask.query.get("q")
    below, entity, total, exact = _below(ask.query.get("cursor")), None, 0, True
    bounds = await ask.box.read("feedback.ids", {"workspace": workspace})
    if filters.entity is not None:
        named = await ask.box.read("feedback.entity", {"workspace": workspace, "keys": filters.keys})
        entity, total = named[0] if named else (None, 0)
        exact = filters == Filters(entity=filters.entity, label=filters.label)
    if not bounds or (filters.entity is not None and entity is None):
        return TicketPage([], 0, None)
    low, high = bounds[0]
    some = {
        "entity": entity,
        "from_ms": filters.period.first * DAY_MS,
        "until_ms": (filters.period.last + 1) * DAY_MS,
        "limit": limit,
    }
    if q is not None:
        ids, beyond, total, exact = await matching(ask, q, limit, below, filters.facets)
        params = {**some, "ids": _json(ids), "before_ms": some["until_ms"], "before_id": 0}
        rows = sorted(await ask.box.read("feedback.tickets_found", params), key=lambda row: -row[8])
        narrowed = entity is not None or filters.period != _ALWAYS
        exact, total = exact and not narrowed, len(rows) if narrowed else total
    else:
        end = min(below, high)
        least = max(low, end - WALKED)
        wanted = {"sentiment": filters.sentiment, "language": filters.language}
        rows = await ask.box.read("feedback.tickets_arrived", {**some, **wanted, "low": least, "below": end})
        beyond = rows[-1][8] if len(rows) == limit else least + 1 if least > low else None
        if entity is None:
            total = await _total(ask, filters)
        elif not exact:
            total = len(rows)
    cursor = None if beyond is None else base64.urlsafe_b64encode(msgspec.json.encode([beyond])).decode()
    lines = [ticket_line(row) for row in rows]
    return TicketPage(lines, total, cursor, UNSET if exact else "lower bound")


def _below(cursor: str | None) -> int:
    """Below which id a page in the order of arrival begins. Raises IngestError `bad_parameter`."""
    if cursor is None:
        return _MOST
    try:
        text = base64.b64decode(cursor, altchars=b"-_", validate=True)
        (number,) = msgspec.json.decode(text, type=tuple[int])
    except (binascii.Error, ValueError):
        number = 0
    if not 0 < number < _MOST:
        raise IngestError("bad_parameter", "cursor must be a next_cursor of this list, in the same order.")
    return number


async def _total(ask: Ask, filters: Filters) -> int:
    params = {
        "workspace": ask.caller.workspace,
        "sentiment": filters.sentiment,
        "language": filters.language,
        "first_day": filters.period.first,
        "last_day": filters.period.last,
    }
    query = "ticket_total" if filters.period == _ALWAYS else "ticket_total_between"
    total: int = (await ask.box.read(f"feedback.{query}", params))[0][0]
    return total


def page_of(rows: list[tuple[Any, ...]], limit: int, total: int, exact: bool = True) -> TicketPage:
    """A page from up to `limit` + 1 rows of a list's query, whose 7th and 9th columns are its order."""
    page = rows[:limit]
    cursor = _cursor((page[-1][6], page[-1][8])) if len(rows) > limit else None
    return TicketPage([ticket_line(row) for row in page], total, cursor, UNSET if exact else "lower bound")


def filters_of(query: Mapping[str, str]) -> Filters:
    """What is asked for. Raises IngestError `bad_parameter`."""
    first, last = day_of(query, "start_date"), day_of(query, "end_date")
    return Filters(
        sentiment=word_of(query, "sentiment", SENTIMENTS),
        language=word_of(query, "language", LANGUAGES),
        entity=query.get("entity"),
        label=word_of(query, "label", LABELS, fold=True),
        period=ordered(
            _ALWAYS.first if first is None else first,
            _ALWAYS.last if last is None else last,
        ),
    )


def place_of(cursor: str | None, period: Period) -> Place:
    """Where the page begins: at the end of the period, or at the cursor if that lies before it.

    A cursor is a place in the order that all lists have, so one of other filters is as good. Raises
    IngestError `bad_parameter`.
    """
    start = ((period.last + 1) * DAY_MS, 0)
    if cursor is None:
        return start
    try:
        text = base64.b64decode(cursor, altchars=b"-_", validate=True)
        updated_ms, number = msgspec.json.decode(text, type=tuple[int, int])
    except (binascii.Error, ValueError):
        updated_ms, number = _MOST, -1
    if not (abs(updated_ms) < _MOST and 0 < number < _MOST):
        raise IngestError("bad_parameter", "cursor must be a next_cursor of this list.")
    return min(start, (updated_ms, number))


def _cursor(place: Place) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode()


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
