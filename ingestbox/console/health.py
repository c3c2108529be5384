"""`/console/health`: whether the box is well, what is wrong and what to do about it."""

from __future__ import annotations

from typing import Any

from ingestbox.console.nav import ADMIN
from ingestbox.console.parts import Parts
from ingestbox.errors import IngestError
from ingestbox.route import Reply
from ingestbox.web.binding import BoundRoute, Request
from ingestbox.web.service import HealthBody, ReadyBody
from ingestbox.web.v1.overview import AlarmOverview, BoxOverview
from ingestbox.web.v1.reports import Report, Status


class Health:
    """What everybody may know of the box, what administrators see besides, and the doctor for operators."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def routes(self) -> tuple[BoundRoute, ...]:
        """What web binds."""
        page = self._parts.page
        return (
            page("GET", "/health", self.look),
            page("GET", "/health/now", self.now),
            page("POST", "/health/doctor", self.doctor, *ADMIN),
        )

    async def look(self, ask: Request) -> Reply:
        """GET /console/health."""
        return self._parts.pages.reply(ask, "health.html", report=None, **await self._seen(ask))

    async def now(self, ask: Request) -> Reply:
        """GET /console/health/now: a piece of the page."""
        return self._parts.pages.reply(ask, "health_now.html", **await self._seen(ask))

    async def doctor(self, ask: Request) -> Reply:
        """POST /console/health/doctor: what it found; the whole page for who has no scripts."""
        report = await self._parts.inside.get(ask, "/v1/doctor", Report)
        if ask.headers.get("hx-request") == "true":
            return self._parts.pages.reply(ask, "health_doctor.html", report=report)
        return self._parts.pages.reply(ask, "health.html", report=report, **await self._seen(ask))

    async def _seen(self, ask: Request) -> dict[str, Any]:
        inside = self._parts.inside
        admin = ask.caller.may(ADMIN)
        return {
            "health": await inside.get(ask, "/health", HealthBody),
            "ready": await inside.get(ask, "/readyz", ReadyBody),
            "alarms": await self._alarms(ask),
            "stats": await inside.get(ask, "/v1/stats", Status) if admin else None,
        }

    async def _alarms(self, ask: Request) -> list[AlarmOverview]:
        try:
            return (await self._parts.inside.get(ask, "/v1/overview", BoxOverview)).alarms
        except IngestError as error:
            if error.code != "forbidden":
                raise
            return []  # no role that works with records: the checks above say enough
