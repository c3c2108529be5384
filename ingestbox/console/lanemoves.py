"""`/console/lanes/{name}/replay` and `remove`: sent again from a place on; forgotten, when it is off."""

from __future__ import annotations

from collections.abc import Mapping

from ingestbox.console.forms import form
from ingestbox.console.parts import Parts
from ingestbox.errors import IngestError
from ingestbox.model import Role
from ingestbox.route import Reply
from ingestbox.web.binding import BoundRoute, Request
from ingestbox.web.v1.lanemoves import RemovedBody, ReplayBody
from ingestbox.web.v1.laneshapes import LaneBody

FROM = ("from_date", "from_seq")


class LaneMoves:
    """Two pages that say first what they would do."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._inside = parts.inside

    def routes(self) -> tuple[BoundRoute, ...]:
        """What web binds."""
        page = self._parts.page
        return (
            page("GET", "/lanes/{name}/replay", self.look, Role.ADMIN),
            page("POST", "/lanes/{name}/replay", self.replay, Role.ADMIN),
            page("GET", "/lanes/{name}/remove", self.ask_first, Role.ADMIN),
            page("POST", "/lanes/{name}/remove", self.remove, Role.ADMIN),
        )

    async def look(self, ask: Request) -> Reply:
        """GET /console/lanes/{name}/replay: how much that is, once it was said from where."""
        given = _given(ask.query)
        if not given:
            return await self._replay_page(ask, given)
        try:
            plan = await self._replay(ask, given, dry_run=True)
        except IngestError as error:
            return await self._replay_page(ask, given, error=_of_form(error))
        return await self._replay_page(ask, given, plan)

    async def replay(self, ask: Request) -> Reply:
        """POST /console/lanes/{name}/replay."""
        given = _given(form(ask.body))
        try:
            done = await self._replay(ask, given, dry_run=False)
        except IngestError as error:
            return await self._replay_page(ask, given, error=_of_form(error))
        return self._back(ask, "replayed", done.lines)

    async def ask_first(self, ask: Request) -> Reply:
        """GET /console/lanes/{name}/remove."""
        return await self._remove_page(ask)

    async def remove(self, ask: Request) -> Reply:
        """POST /console/lanes/{name}/remove."""
        reason = form(ask.body).get("reason", "").strip()
        body = {"reason": reason} if reason else {}
        try:
            reply = await self._inside.call(
                ask, "POST", "/v1/lanes/{name}/remove", params=ask.path, body=body
            )
        except IngestError as error:
            return await self._remove_page(ask, reason, _of_form(error))
        assert isinstance(reply.body, RemovedBody)
        return self._back(ask, "removed", reply.body.pending + reply.body.parked)

    async def _replay(self, ask: Request, given: Mapping[str, str], *, dry_run: bool) -> ReplayBody:
        body = {**_wanted(given), "dry_run": dry_run}
        reply = await self._inside.call(ask, "POST", "/v1/lanes/{name}/replay", params=ask.path, body=body)
        assert isinstance(reply.body, ReplayBody)
        return reply.body

    async def _replay_page(
        self,
        ask: Request,
        given: Mapping[str, str],
        plan: ReplayBody | None = None,
        error: IngestError | None = None,
    ) -> Reply:
        return self._parts.pages.reply(
            ask,
            "lanes/replay.html",
            status=200 if error is None else error.status,
            lane=await self._lane(ask),
            given=given,
            wanted=_wanted(given),
            plan=plan,
            error=error,
        )

    async def _remove_page(self, ask: Request, reason: str = "", error: IngestError | None = None) -> Reply:
        return self._parts.pages.reply(
            ask,
            "lanes/remove.html",
            status=200 if error is None else error.status,
            lane=await self._lane(ask),
            reason=reason,
            error=error,
        )

    async def _lane(self, ask: Request) -> LaneBody:
        """Raises IngestError `forbidden` for who could not go on from here."""
        if not ask.caller.operates:
            raise IngestError("forbidden", "Only those who operate the box move lanes.")
        return await self._inside.get(ask, "/v1/lanes/{name}", LaneBody, params=ask.path)

    def _back(self, ask: Request, done: str, lines: int) -> Reply:
        return self._parts.pages.redirect(
            ask, "/console/lanes", done=done, lane=ask.path["name"], n=str(lines)
        )


def _given(fields: Mapping[str, str]) -> dict[str, str]:
    """From where, as it was typed."""
    return {name: fields[name].strip() for name in FROM if fields.get(name, "").strip()}


def _wanted(given: Mapping[str, str]) -> dict[str, object]:
    """The same for the API: a day begins at midnight, UTC; what is no number it refuses itself."""
    wanted: dict[str, object] = {}
    if "from_date" in given:
        day = given["from_date"]
        wanted["from_date"] = f"{day}T00:00:00Z" if len(day) == 10 else day
    if "from_seq" in given:
        seq = given["from_seq"]
        wanted["from_seq"] = int(seq) if seq.isascii() and seq.isdigit() and len(seq) < 19 else seq
    return wanted


def _of_form(error: IngestError) -> IngestError:
    """What a person can put right on the page; anything else goes on up."""
    if error.code not in ("validation_failed", "lane_configured"):
        raise error
    return error
