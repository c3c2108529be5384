"""`/v1/audit`: who changed what."""

from __future__ import annotations

import msgspec

from ingestbox.family import Answer, Reply, Route, limit_of
from ingestbox.model import Role
from ingestbox.store import audit
from ingestbox.web.binding import Request
from ingestbox.web.v1 import lists
from ingestbox.web.v1.parts import Parts


class AuditPage(msgspec.Struct, frozen=True):
    """A page of the trail, newest first."""

    audit: list[audit.AuditLine]
    next_cursor: str | None


class Audit:
    """The trail of the caller's workspace."""

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
                description="Append-only: a line is written in the transaction of the change itself.",
                parameters=lists.PAGE,
                answers=(Answer(AuditPage),),
                errors=("bad_parameter",),
            ),
        )

    async def page(self, ask: Request) -> Reply:
        """GET /v1/audit."""
        limit = limit_of(ask.query)
        lines = await audit.page(self._store, ask.caller.workspace, lists.below(ask.query), limit)
        more = len(lines) == limit
        return Reply(AuditPage(lines, lists.cursor(lines[-1].id) if more else None))


def act(ask: Request, now_ms: int) -> audit.Act:
    """The caller of a request, as the trail has them."""
    return audit.Act(ask.caller.subject, ask.caller.workspace, ask.request_id, now_ms)
