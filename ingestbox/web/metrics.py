"""`GET /metrics`, for Prometheus: open on this machine, elsewhere with a token (contract: common)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ingestbox.errors import IngestError
from ingestbox.identity.guard import Guard
from ingestbox.model import Role
from ingestbox.route import Answer, Reply, Route
from ingestbox.web.binding import BoundRoute, Request

ROLES = frozenset({Role.ADMIN, Role.ANALYST})
"""Who may read them from elsewhere. They are numbers of the whole box: no ids, no names but those of lanes,
issuers, families and routes."""

TEXT = "text/plain; version=0.0.4"

Render = Callable[[str], Awaitable[tuple[bytes, str]]]
"""The text and its media type, from the request's `Accept`."""


def metrics_route(render: Render, guard: Guard) -> BoundRoute:
    """The route. It is public to the door, and asks the guard itself when the caller is not local."""

    async def metrics(ask: Request) -> Reply:
        """GET /metrics."""
        if not ask.origin.is_loopback:
            caller = await guard.caller(ask.headers)
            if not caller.may(ROLES):
                raise IngestError("forbidden", "Metrics need the role admin or analyst.")
        text, media_type = await render(ask.headers.get("accept", ""))
        return Reply(text, headers=(("Content-Type", media_type),))

    return BoundRoute(
        Route(
            "GET",
            "/metrics",
            metrics,
            "Numbers for Prometheus",
            description="The text format 0.0.4, or OpenMetrics when `Accept` asks for it. From this machine "
            "it needs no token; from elsewhere, and through a proxy, one with the role `admin` or `analyst`.",
            answers=(Answer(None, description="One number a line.", media_type=TEXT),),
            errors=("not_authenticated", "token_expired", "token_invalid", "forbidden", "store_unavailable"),
        ),
        public=True,
    )
