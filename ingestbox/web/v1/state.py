"""`/v1/stats` and `/v1/doctor`: how the box is, in numbers and in findings."""

from __future__ import annotations

from ingestbox.family import Reply, Route
from ingestbox.model import Role
from ingestbox.web.binding import Request
from ingestbox.web.v1.parts import Parts

ADMIN = frozenset({Role.ADMIN})


class State:
    """The two reports."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def routes(self) -> tuple[Route, ...]:
        """What web binds."""
        return (
            Route("GET", "/v1/stats", self.stats, "What the box holds and does", ADMIN),
            Route("GET", "/v1/doctor", self.doctor, "Checks of the box, each with its remedy", ADMIN),
        )

    async def stats(self, _: Request) -> Reply:
        """GET /v1/stats."""
        return Reply(await self._parts.snapshot())

    async def doctor(self, _: Request) -> Reply:
        """GET /v1/doctor."""
        return Reply(await self._parts.examine())
