"""`/console`: how the box is, at a glance."""

from __future__ import annotations

from ingestbox.console.parts import Parts
from ingestbox.errors import IngestError
from ingestbox.route import Reply
from ingestbox.web.binding import BoundRoute, Request


class Home:
    """The first page."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def routes(self) -> tuple[BoundRoute, ...]:
        """What web binds."""
        return (self._parts.page("GET", "", self.home),)

    async def home(self, ask: Request) -> Reply:
        """GET /console."""
        return self._parts.pages.reply(ask, "home.html")


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
