"""`/console/lanes`: the ways upstream; put on hold, let go on, tested."""

from __future__ import annotations

from ingestbox.console.forms import form
from ingestbox.console.parts import Parts
from ingestbox.errors import IngestError
from ingestbox.model import LaneTest, Role
from ingestbox.route import Reply
from ingestbox.web.binding import BoundRoute, Request
from ingestbox.web.v1.laneshapes import LaneList

DONE = ("paused", "resumed", "replayed")
GONE = "removed"
"""What was done to a lane that is not there any more."""


class Lanes:
    """The list with what can be done to each."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def routes(self) -> tuple[BoundRoute, ...]:
        """What web binds."""
        page = self._parts.page
        return (
            page("GET", "/lanes", self.all, Role.ADMIN),
            page("POST", "/lanes/{name}/pause", self.pause, Role.ADMIN),
            page("POST", "/lanes/{name}/resume", self.resume, Role.ADMIN),
            page("POST", "/lanes/{name}/test", self.test, Role.ADMIN),
        )

    async def all(self, ask: Request) -> Reply:
        """GET /console/lanes."""
        return await self._page(ask)

    async def pause(self, ask: Request) -> Reply:
        """POST /console/lanes/{name}/pause."""
        reason = form(ask.body).get("reason", "").strip() or None
        return await self._done(ask, "pause", "paused", {"reason": reason})

    async def resume(self, ask: Request) -> Reply:
        """POST /console/lanes/{name}/resume."""
        return await self._done(ask, "resume", "resumed")

    async def test(self, ask: Request) -> Reply:
        """POST /console/lanes/{name}/test: the list with what came of it."""
        found = await self._parts.inside.call(ask, "POST", "/v1/lanes/{name}/test", params=ask.path)
        assert isinstance(found.body, LaneTest)
        return await self._page(ask, ask.path["name"], found.body)

    async def _done(self, ask: Request, action: str, done: str, body: object = None) -> Reply:
        try:
            await self._parts.inside.call(
                ask, "POST", f"/v1/lanes/{{name}}/{action}", params=ask.path, body=body
            )
        except IngestError as error:
            if error.code != "validation_failed":
                raise
            return await self._page(ask, error=error)
        return self._parts.pages.redirect(ask, "/console/lanes", done=done, lane=ask.path["name"])

    async def _page(
        self, ask: Request, tested: str = "", test: LaneTest | None = None, error: IngestError | None = None
    ) -> Reply:
        found = await self._parts.inside.get(ask, "/v1/lanes", LaneList)
        done, lane, count = ask.query.get("done"), ask.query.get("lane", ""), ask.query.get("n", "0")
        known = lane in {each.name for each in found.lanes}
        said = (done in DONE and known) or (done == GONE and not known and lane.isidentifier())
        if not (count.isascii() and count.isdigit() and len(count) < 19):
            said, count = False, "0"
        return self._parts.pages.reply(
            ask,
            "lanes/list.html",
            status=200 if error is None else error.status,
            error=error,
            lanes=found.lanes,
            tested=tested,
            test=test,
            done=done if said else None,
            lane=lane[:40],
            count=int(count),
        )
