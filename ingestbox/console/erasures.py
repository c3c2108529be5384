"""`/console/erasures`: erasing a person by e-mail address, after a look at what would go.

The address is in forms alone, never in an address of a page: those are kept by browsers and proxies.
"""

from __future__ import annotations

from ingestbox.console.forms import form
from ingestbox.console.nav import ADMIN
from ingestbox.console.parts import Parts
from ingestbox.console.show import segment
from ingestbox.errors import IngestError
from ingestbox.route import Reply
from ingestbox.web.binding import BoundRoute, Request
from ingestbox.web.v1.erasures import ErasureBody, ErasureCounts, ErasurePage

KINDS = ErasureCounts.__struct_fields__
"""What is counted, in the order of the API."""


class ErasuresPlace:
    """Asking, looking, erasing."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def routes(self) -> tuple[BoundRoute, ...]:
        """What web binds."""
        page = self._parts.page
        return (
            page("GET", "/erasures", self.list, *ADMIN),
            page("POST", "/erasures/look", self.look, *ADMIN),
            page("POST", "/erasures", self.erase, *ADMIN),
            page("GET", "/erasures/{id}", self.one, *ADMIN),
            page("GET", "/erasures/{id}/progress", self.progress, *ADMIN),
        )

    async def list(self, ask: Request) -> Reply:
        """GET /console/erasures."""
        return await self._list(ask, {})

    async def look(self, ask: Request) -> Reply:
        """POST /console/erasures/look: what would go."""
        given = form(ask.body)
        try:
            found = await self._asked(ask, given, dry_run=True)
        except IngestError as error:
            if error.code != "validation_failed":
                raise
            return await self._list(ask, given, error)
        return self._look(ask, given, found)

    async def erase(self, ask: Request) -> Reply:
        """POST /console/erasures: for good."""
        given = form(ask.body)
        if "sure" not in given:
            found = await self._asked(ask, {**given, "idempotency-key": ""}, dry_run=True)
            error = IngestError("validation_failed", self._parts.pages.texts["erasures"].not_sure)
            return self._look(ask, given, found, error)
        found = await self._asked(ask, given, dry_run=False)
        everywhere = "true" if given.get("all") == "true" else None
        path = f"/console/erasures/{segment(found.erasure_id)}"
        return self._parts.pages.redirect(ask, path, all=everywhere)

    async def one(self, ask: Request) -> Reply:
        """GET /console/erasures/{id}."""
        return self._parts.pages.reply(
            ask, "erasures/one.html", erasure=await self._one(ask), kinds=KINDS, everywhere=_everywhere(ask)
        )

    async def progress(self, ask: Request) -> Reply:
        """GET /console/erasures/{id}/progress: a piece of a page."""
        return self._parts.pages.reply(
            ask, "erasures/piece.html", erasure=await self._one(ask), kinds=KINDS, everywhere=_everywhere(ask)
        )

    async def _one(self, ask: Request) -> ErasureBody:
        query = {"all": _everywhere(ask) or None}
        return await self._parts.inside.get(ask, "/v1/erasures/{id}", ErasureBody, query, params=ask.path)

    async def _list(self, ask: Request, given: dict[str, str], error: IngestError | None = None) -> Reply:
        everywhere = _everywhere(ask)
        query = {"all": everywhere or None, "cursor": ask.query.get("cursor")}
        found = await self._parts.inside.get(ask, "/v1/erasures", ErasurePage, query)
        return self._parts.pages.reply(
            ask,
            "erasures/list.html",
            status=200 if error is None else error.status,
            erasures=found.erasures,
            cursor=found.next_cursor,
            given=given,
            error=error,
            kinds=KINDS,
            everywhere=everywhere,
        )

    def _look(
        self, ask: Request, given: dict[str, str], found: ErasureBody, error: IngestError | None = None
    ) -> Reply:
        return self._parts.pages.reply(
            ask,
            "erasures/look.html",
            status=200 if error is None else error.status,
            erasure=found,
            given=given,
            error=error,
            kinds=KINDS,
            everywhere="true" if given.get("all") == "true" else "",
        )

    async def _asked(self, ask: Request, given: dict[str, str], *, dry_run: bool) -> ErasureBody:
        """What `/v1/erasures` says, once it is done, or after some seconds."""
        body: dict[str, object] = {"email": given.get("email", "").strip(), "dry_run": dry_run}
        if reason := given.get("reason", "").strip():
            body["reason"] = reason
        key = given.get("idempotency-key")
        reply = await self._parts.inside.call(
            ask,
            "POST",
            "/v1/erasures",
            query={"all": "true" if given.get("all") == "true" else None},
            body=body,
            headers={"idempotency-key": key} if key else {},
        )
        assert isinstance(reply.body, ErasureBody)  # what the route says it gives
        return reply.body


def _everywhere(ask: Request) -> str:
    return "true" if ask.query.get("all") == "true" else ""
