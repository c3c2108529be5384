"""`/console/settings`: what the box is set to, and where each value comes from."""

from __future__ import annotations

import itertools
from operator import attrgetter

import msgspec

from ingestbox.console.parts import Parts
from ingestbox.model import Role
from ingestbox.route import Reply
from ingestbox.web.binding import BoundRoute, Request
from ingestbox.web.v1.configuration import SettingsBody


class Settings:
    """The settings, to be read."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def routes(self) -> tuple[BoundRoute, ...]:
        """What web binds."""
        return (self._parts.page("GET", "/settings", self.all, Role.ADMIN),)

    async def all(self, ask: Request) -> Reply:
        """GET /console/settings. `given=1` leaves out what has its default."""
        found = await self._parts.inside.get(ask, "/v1/settings", SettingsBody)
        given = ask.query.get("given") == "1"
        shown = [each for each in found.settings if not given or each.source != "default"]
        sections = [
            (name, [(each, msgspec.json.encode(each.value).decode()) for each in group])
            for name, group in itertools.groupby(shown, attrgetter("section"))
        ]
        return self._parts.pages.reply(
            ask, "settings/list.html", file=found.file, sections=sections, given=given
        )
