"""`/console/keys`: API keys; a new one is shown once."""

from __future__ import annotations

from ingestbox.console.forms import form, pairs
from ingestbox.console.parts import Parts
from ingestbox.errors import IngestError
from ingestbox.model import Role
from ingestbox.route import Reply
from ingestbox.web.binding import BoundRoute, Request
from ingestbox.web.v1.keys import KeyPage, MadeKey, OldKey, RotatedKey

DAY_SECONDS = 86_400
LIFETIMES = (30, 90, 365)
"""Days that a form offers; another number can be asked of the API."""


class Keys:
    """The workspace's keys, and a form for another."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def routes(self) -> tuple[BoundRoute, ...]:
        """What web binds."""
        page = self._parts.page
        return (
            page("GET", "/keys", self.all, Role.ADMIN),
            page("POST", "/keys", self.make, Role.ADMIN),
            page("POST", "/keys/{id}/revoke", self.revoke, Role.ADMIN),
            page("POST", "/keys/{id}/rotate", self.rotate, Role.ADMIN),
        )

    async def all(self, ask: Request) -> Reply:
        """GET /console/keys."""
        return await self._page(ask)

    async def make(self, ask: Request) -> Reply:
        """POST /console/keys: the page with the key, which it shows this once."""
        given = form(ask.body)
        roles = [value for name, value in pairs(ask.body) if name == "role"]
        days = given.get("days", "")
        wanted: dict[str, object] = {"name": given.get("name", "").strip(), "roles": roles}
        if days.isascii() and days.isdigit():
            wanted["ttl_seconds"] = int(days) * DAY_SECONDS
        again = given.get("once", "")
        try:
            made = await self._parts.inside.call(
                ask, "POST", "/v1/keys", body=wanted, headers={"idempotency-key": again} if again else None
            )
        except IngestError as error:
            if error.code != "validation_failed":
                raise
            return await self._page(ask, error=error, given=given, roles=roles)
        assert isinstance(made.body, MadeKey)
        return await self._page(ask, made=made.body)

    async def revoke(self, ask: Request) -> Reply:
        """POST /console/keys/{id}/revoke."""
        await self._parts.inside.call(ask, "DELETE", "/v1/keys/{id}", params=ask.path)
        return self._parts.pages.redirect(ask, "/console/keys", done="revoked")

    async def rotate(self, ask: Request) -> Reply:
        """POST /console/keys/{id}/rotate: the page with the new key, which it shows this once."""
        again = form(ask.body).get("once", "")
        made = await self._parts.inside.call(
            ask,
            "POST",
            "/v1/keys/{id}/rotate",
            params=ask.path,
            body={},
            headers={"idempotency-key": again} if again else None,
        )
        assert isinstance(made.body, RotatedKey)
        return await self._page(ask, made=made.body, old=made.body.old)

    async def _page(
        self,
        ask: Request,
        *,
        made: MadeKey | None = None,
        old: OldKey | None = None,
        error: IngestError | None = None,
        given: dict[str, str] | None = None,
        roles: tuple[str, ...] | list[str] = (Role.INGEST,),
    ) -> Reply:
        cursor = ask.query.get("cursor") if ask.method == "GET" else None
        found = await self._parts.inside.get(ask, "/v1/keys", KeyPage, {"cursor": cursor})
        return self._parts.pages.reply(
            ask,
            "keys/list.html",
            status=200 if error is None else error.status,
            keys=found.keys,
            cursor=found.next_cursor,
            made=made,
            old=old,
            error=error,
            faults={fault.field: fault.message for fault in error.faults} if error else {},
            given=given or {},
            chosen=roles,
            roles=[role.value for role in Role],
            lifetimes=LIFETIMES,
            done=ask.query.get("done") == "revoked",
        )
