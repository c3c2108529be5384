"""`/v1/audit`: who changed what."""

from __future__ import annotations

import msgspec

from ingestbox.errors import IngestError
from ingestbox.model import EVERYWHERE, Role
from ingestbox.route import Answer, Parameter, Reply, Route, limit_of
from ingestbox.store import audit
from ingestbox.store.audit import Wanted
from ingestbox.store.trail import ToldLine, told
from ingestbox.web.binding import Request
from ingestbox.web.v1 import lists
from ingestbox.web.v1.parts import Parts

FILTERS = (
    Parameter("actor", "Only what this one did, as the lines have it."),
    Parameter("action", "Only this action, such as `key.revoke`."),
    Parameter("object", "Only what was done to things of this kind, such as `key`."),
    Parameter("object_id", "Only what was done to this one; needs `object`."),
    *lists.SPAN,
)


class AuditPage(msgspec.Struct, frozen=True):
    """A page of the trail, newest first. With a filter a page may be short and still have a `next_cursor`:
    only its absence says that there are no more lines."""

    audit: list[ToldLine]
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
            since_ms=lists.moment(query, "since"),
            until_ms=lists.moment(query, "until"),
        )
        found = await audit.page(self._store, wanted, lists.below(query), limit_of(query))
        lines = await told(self._store, found.lines)
        return Reply(AuditPage(lines, None if found.below is None else lists.cursor(found.below)))


def act(ask: Request, now_ms: int) -> audit.Act:
    """The caller of a request, as the trail has them."""
    return audit.Act(ask.caller.subject, ask.caller.workspace, ask.request_id, now_ms)
