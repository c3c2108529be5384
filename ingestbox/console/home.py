"""`/console`: how the box is, at a glance; while nothing ever came in, how to begin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ingestbox.clock import iso
from ingestbox.console import nav
from ingestbox.console.charts import Points, flow_points
from ingestbox.console.nav import ADMIN
from ingestbox.console.parts import Parts
from ingestbox.errors import IngestError
from ingestbox.route import Reply
from ingestbox.web.binding import BoundRoute, Request
from ingestbox.web.v1.overview import BoxOverview
from ingestbox.web.v1.series import Series

RANGES: Mapping[str, tuple[int, str]] = {
    "1h": (3_600, "minute"),
    "24h": (86_400, "hour"),
    "7d": (7 * 86_400, "hour"),
    "90d": (90 * 86_400, "day"),
}
"""What charts reach over: seconds, and how long a bar is."""

DEFAULT_RANGE = "24h"

UNFINISHED = ("queued", "running")


class Home:
    """The first page."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def routes(self) -> tuple[BoundRoute, ...]:
        """What web binds."""
        page = self._parts.page
        return (
            page("GET", "", self.home),
            page("GET", "/home/numbers", self.numbers),
            page("GET", "/home/charts", self.charts),
            page("GET", "/home/begun", self.begun),
        )

    async def home(self, ask: Request) -> Reply:
        """GET /console."""
        try:
            seen = await self._overview(ask)
        except IngestError as error:
            if error.code != "forbidden":
                raise
            return self._parts.pages.reply(ask, "home_none.html")  # no role that works with records
        if is_empty(seen):
            return self._parts.pages.reply(
                ask, "home_empty.html", example=self._example(), **self._shown(ask, seen)
            )
        return self._parts.pages.reply(ask, "home.html", **self._shown(ask, seen), **await self._drawn(ask))

    async def numbers(self, ask: Request) -> Reply:
        """GET /console/home/numbers: a piece of the page."""
        seen = await self._overview(ask)
        return self._parts.pages.reply(ask, "home_numbers.html", **self._shown(ask, seen))

    async def charts(self, ask: Request) -> Reply:
        """GET /console/home/charts: a piece of the page."""
        return self._parts.pages.reply(ask, "home_charts.html", **await self._drawn(ask))

    async def begun(self, ask: Request) -> Reply:
        """GET /console/home/begun: loads the page anew once something came in."""
        if is_empty(await self._overview(ask)):
            return Reply(b"", 204)
        return Reply(b"", 200, (("HX-Refresh", "true"),))

    def _example(self) -> dict[str, object]:
        """A body that a newcomer can send."""
        words = self._parts.pages.texts["home"]
        record = {"id": "T-1", "summary": str(words.example_summary), "description": str(words.example_text)}
        return {"records": [record]}

    async def _overview(self, ask: Request) -> BoxOverview:
        return await self._parts.inside.get(ask, "/v1/overview", BoxOverview, {"all": _all(ask)})

    def _shown(self, ask: Request, seen: BoxOverview) -> dict[str, Any]:
        """What the numbers' template takes."""
        working = sum(family.jobs.get(state, 0) for family in seen.families.values() for state in UNFINISHED)
        return {
            "seen": seen,
            "everyone": _all(ask),
            "working": working,
            "views": nav.by_kind(self._parts.families.values(), ask.caller),
        }

    async def _drawn(self, ask: Request) -> dict[str, Any]:
        """What the charts of the chosen range show."""
        given = ask.query.get("range", DEFAULT_RANGE)
        chosen = given if given in RANGES else DEFAULT_RANGE
        seconds, step = RANGES[chosen]
        now = self._parts.clock.now_ms()
        query = {"from": iso(now - seconds * 1000), "to": iso(now), "step": step, "all": _all(ask)}
        found = await self._parts.inside.get(ask, "/v1/series", Series, query)
        families = sorted(found.families)
        return {
            "chosen": chosen,
            "ranges": list(RANGES),
            "families": families,
            "received": _received(found, families),
            "settled": flow_points(found, [found.total.finished, found.total.issues]),
            "delivered": flow_points(found, [found.total.delivered]),
            "any_delivered": any(found.total.delivered),
        }


class Nowhere:
    """What answers for every address that is nothing else's: bind it last."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def routes(self) -> tuple[BoundRoute, ...]:
        """What web binds."""
        return (self._parts.page("GET", "/{rest:path}", self.nothing),)

    async def nothing(self, ask: Request) -> Reply:
        """GET of an address that names nothing: an error with the menu around it."""
        raise IngestError("not_found", "There is no such page.")


def is_empty(seen: BoxOverview) -> bool:
    """Whether nothing ever came in, of what the reader sees."""
    return not seen.objects and not any(family.jobs for family in seen.families.values())


def _all(ask: Request) -> str | None:
    """Administrators see what everyone made: the box's sum is theirs."""
    return "true" if ask.caller.may(ADMIN) else None


def _received(found: Series, families: list[str]) -> Points:
    columns = [found.families[name].received for name in families]
    return flow_points(found, columns or [found.total.received])
