"""`/v1/audit`: who changed what."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import Meta

from ingestbox.errors import IngestError
from ingestbox.model import EVERYWHERE, Role
from ingestbox.route import Answer, Parameter, Reply, Route, limit_of
from ingestbox.store import audit
from ingestbox.store.audit import Wanted
from ingestbox.web.binding import Request
from ingestbox.web.v1 import lists
from ingestbox.web.v1.parts import Parts

_Time = Annotated[datetime.datetime, Meta(tz=True)]

FILTERS = (
    Parameter("actor", "Only what this one did, as the lines have it."),
    Parameter("action", "Only this action, such as `key.revoke`."),
    Parameter("object", "Only what was done to things of this kind, such as `key`."),
    Parameter("object_id", "Only what was done to this one; needs `object`."),
    Parameter("since", "Only from this time on (ISO 8601 with its offset).", _Time),
    Parameter("until", "Only before this time (ISO 8601 with its offset).", _Time),
)


class AuditPage(msgspec.Struct, frozen=True):
    """A page of the trail, newest first. With a filter a page may be short and still have a `next_cursor`:
    only its absence says that there are no more lines."""

    audit: list[audit.AuditLine]
    next_cursor: str | None


class Audit:
    """The trail of the caller's workspace: whole, with what was done to what is private, since those who read
    it may see that too."""

    def __init__(self, parts: Parts) -> None:
        self._store = parts.store

    def routes(self) -> tuple[Route, ...]:
        """What web binds."""
        return (
            Route(
                "GET",
                "/v1/audit",
                self.page,
                "Who changed what",
                frozenset({Role.ADMIN}),
                description="Append-only: a line is written in the transaction of the change itself, and is "
                "never altered, but that an erasure puts `[erased]` in the place of an address in what was "
                "before and after. Filters narrow each other.",
                parameters=(*lists.PAGE, lists.ALL, *FILTERS),
                answers=(Answer(AuditPage),),
                errors=("bad_parameter",),
            ),
        )

    async def page(self, ask: Request) -> Reply:
        """GET /v1/audit."""
        query = ask.query
        everywhere = lists.everywhere(ask.caller, query) or ask.caller.workspace == EVERYWHERE
        if "object_id" in query and "object" not in query:
            raise IngestError(
                "bad_parameter", "object_id needs object: ids of one kind are those of another."
            )
        wanted = Wanted(
            workspace=None if everywhere else ask.caller.workspace,
            actor=query.get("actor"),
            action=query.get("action"),
            object=query.get("object"),
            object_id=query.get("object_id"),
            since_ms=_moment(query, "since"),
            until_ms=_moment(query, "until"),
        )
        found = await audit.page(self._store, wanted, lists.below(query), limit_of(query))
        return Reply(AuditPage(found.lines, None if found.below is None else lists.cursor(found.below)))


def act(ask: Request, now_ms: int) -> audit.Act:
    """The caller of a request, as the trail has them."""
    return audit.Act(ask.caller.subject, ask.caller.workspace, ask.request_id, now_ms)


def _moment(query: Mapping[str, str], name: str) -> int | None:
    """A time in Unix milliseconds. Raises IngestError `bad_parameter`."""
    text = query.get(name)
    if text is None:
        return None
    try:
        moment = msgspec.convert(text, _Time)
    except msgspec.ValidationError:
        raise IngestError(
            "bad_parameter", f"{name} must be a time with its offset, such as 2026-01-31T08:00:00Z."
        ) from None
    return (moment - _EPOCH) // datetime.timedelta(milliseconds=1)


_EPOCH = datetime.datetime.fromtimestamp(0, datetime.UTC)
