"""`/console/lanes/{name}/refused`: what an upstream refused; sent again, or given up."""

from __future__ import annotations

import msgspec

from ingestbox.console.forms import form
from ingestbox.console.parts import Parts
from ingestbox.console.show import segment
from ingestbox.errors import IngestError
from ingestbox.model import Role
from ingestbox.route import Reply
from ingestbox.web.binding import BoundRoute, Request
from ingestbox.web.v1.deliveries import DeliveryWhole
from ingestbox.web.v1.parked import ParkedBody, ParkedPage, SentAgainBody

ALL = {"all": "true"}
"""The lanes are the whole box's: an administrator sees whatever they may of them."""

SHOWN = "100"
"""Lines on one page."""

DONE = ("retry", "discard", "all")


class RefusedPlace:
    """The list of a lane's refused lines, and the page of each."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._inside = parts.inside

    def routes(self) -> tuple[BoundRoute, ...]:
        """What web binds."""
        page = self._parts.page
        return (
            page("GET", "/lanes/{name}/refused", self.list, Role.ADMIN),
            page("POST", "/lanes/{name}/refused/retry", self.retry_all, Role.ADMIN),
            page("GET", "/lanes/{name}/refused/{seq}", self.one, Role.ADMIN),
            page("POST", "/lanes/{name}/refused/{seq}/retry", self.retry, Role.ADMIN),
            page("POST", "/lanes/{name}/refused/{seq}/discard", self.discard, Role.ADMIN),
        )

    async def list(self, ask: Request) -> Reply:
        """GET /console/lanes/{name}/refused."""
        state = "discarded" if ask.query.get("state") == "discarded" else None
        query = {**ALL, "state": state, "limit": SHOWN, "cursor": ask.query.get("cursor")}
        route = "/v1/lanes/{name}/parked"
        found = await self._inside.get(ask, route, ParkedPage, query, params=ask.path)
        groups: dict[str, list[ParkedBody]] = {}
        for line in found.parked:
            groups.setdefault(line.code, []).append(line)
        done, count = ask.query.get("done"), ask.query.get("n", "")
        return self._parts.pages.reply(
            ask,
            "lanes/refused.html",
            lane=ask.path["name"],
            discarded=state is not None,
            groups=groups,
            retriable=any(line.state == "parked" for line in found.parked),
            cursor=found.next_cursor,
            done=done if done in DONE and count.isascii() and count.isdigit() and len(count) < 19 else None,
            count=count,
        )

    async def one(self, ask: Request) -> Reply:
        """GET /console/lanes/{name}/refused/{seq}."""
        return await self._page(ask)

    async def retry(self, ask: Request) -> Reply:
        """POST /console/lanes/{name}/refused/{seq}/retry."""
        route = "/v1/lanes/{name}/parked/{seq}/retry"
        await self._inside.call(ask, "POST", route, params=ask.path, query=ALL)
        return self._back(ask, "retry", ask.path["seq"])

    async def discard(self, ask: Request) -> Reply:
        """POST /console/lanes/{name}/refused/{seq}/discard."""
        reason = form(ask.body).get("reason", "").strip()
        route = "/v1/lanes/{name}/parked/{seq}/discard"
        try:
            await self._inside.call(ask, "POST", route, params=ask.path, query=ALL, body={"reason": reason})
        except IngestError as error:
            if error.code != "validation_failed":
                raise
            return await self._page(ask, reason, error)
        return self._back(ask, "discard", ask.path["seq"])

    async def retry_all(self, ask: Request) -> Reply:
        """POST /console/lanes/{name}/refused/retry."""
        route = "/v1/lanes/{name}/parked/retry"
        reply = await self._inside.call(ask, "POST", route, params=ask.path, query=ALL)
        assert isinstance(reply.body, SentAgainBody)
        return self._back(ask, "all", str(reply.body.lines))

    def _back(self, ask: Request, done: str, count: str) -> Reply:
        path = f"/console/lanes/{segment(ask.path['name'])}/refused"
        return self._parts.pages.redirect(ask, path, done=done, n=count)

    async def _page(self, ask: Request, reason: str = "", error: IngestError | None = None) -> Reply:
        route = "/v1/lanes/{name}/parked/{seq}"
        line = await self._inside.get(ask, route, ParkedBody, ALL, params=ask.path)
        return self._parts.pages.reply(
            ask,
            "lanes/refused_line.html",
            status=200 if error is None else error.status,
            lane=ask.path["name"],
            line=line,
            sent=await self._sent(ask, line.seq),
            reason=reason,
            error=error,
        )

    async def _sent(self, ask: Request, seq: str) -> dict[str, object] | None:
        """The line as it was sent; None for one that is damaged."""
        try:
            found = await self._inside.get(
                ask, "/v1/deliveries/{seq}", DeliveryWhole, ALL, params={"seq": seq}
            )
        except IngestError as error:
            if error.code != "damaged":
                raise
            return None
        sent: dict[str, object] = msgspec.json.decode(msgspec.json.encode(found.line))
        return sent
