"""`/console/setup/{link}`: whoever has the link chooses a password, and is signed in."""

from __future__ import annotations

import logging

from ingestbox.console.forms import form
from ingestbox.console.parts import Parts
from ingestbox.errors import IngestError
from ingestbox.identity import first, links, passwords
from ingestbox.identity.users import MAX_CHARACTERS, SUBJECT, address, address_key
from ingestbox.route import Reply
from ingestbox.store import invitations
from ingestbox.store.audit import Act
from ingestbox.store.invitations import AcceptInvitation, Invited, SetUp
from ingestbox.store.once import Denied
from ingestbox.web.binding import BoundRoute, Request

log = logging.getLogger(__name__)

NEW, AGAIN = "new_password", "again_password"
"""The fields of a new password, which is typed twice."""


class SetUpPlace:
    """What links lead to: the first administrator's, and those of users who are invited."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._store = parts.store

    def routes(self) -> tuple[BoundRoute, ...]:
        """What web binds."""
        page = self._parts.page
        return (
            page("GET", "/setup/{link}", self.ask, public=True),
            page("POST", "/setup/{link}", self.accept, public=True),
        )

    async def ask(self, ask: Request) -> Reply:
        """GET /console/setup/{link}: uses nothing up, since programs look at links, too."""
        invited = await self._invited(links.link_digest(ask.path["link"]))
        return self._page(ask, invited, {})

    async def accept(self, ask: Request) -> Reply:
        """POST /console/setup/{link}."""
        digest = links.link_digest(ask.path["link"])
        invited = await self._invited(digest)
        given = form(ask.body)
        email = given.get("email", "").strip() if invited is None else invited.email
        faults = {} if invited is not None else address_fault(email)
        faults |= password_faults(given, email)
        if faults:
            return self._page(ask, invited, {"email": email}, faults)
        hashed = await self._parts.hasher.hashed(given[NEW])
        now = self._store.clock.now_ms()
        if invited is None:
            act = Act(first.BY_LINK, "", ask.request_id, now)
            email = address(email)
            user = await self._store.write(SetUp(email, address_key(email) or email, hashed, act, digest))
        else:
            act = Act(f"{SUBJECT}{invited.id}", "", ask.request_id, now)
            user = await self._store.write(AcceptInvitation(digest, invited.id, hashed, act))
        if isinstance(user, Denied):
            raise IngestError(user.code)
        self._parts.guard.forget_user(user.id)
        log.info("A user set a password with a link.", extra={"user": user.id, "client": ask.origin.address})
        cookie = await self._parts.gate.open(user.id, user.generation, ask.headers, ask.origin)
        return self._parts.pages.redirect(ask, "/console", cookie)

    async def _invited(self, digest: bytes) -> Invited | None:
        """Whose link it is; None of the one for the first administrator. Raises IngestError: link_ended,
        already_set_up."""
        invited = await invitations.invited(self._store, digest)
        if invited is not None:
            return invited
        if not await invitations.is_offered(self._store, digest):
            raise IngestError("link_ended")
        if await invitations.is_set_up(self._store):
            raise IngestError("already_set_up")
        return None

    def _page(
        self,
        ask: Request,
        invited: Invited | None,
        given: dict[str, str],
        faults: dict[str, str] | None = None,
    ) -> Reply:
        return self._parts.pages.reply(
            ask,
            "setup.html",
            status=422 if faults else 200,
            invited=invited,
            given=given,
            faults=faults or {},
            least=passwords.MIN_CHARACTERS,
        )


def address_fault(email: str) -> dict[str, str]:
    """What is wrong with a new address, by its field."""
    try:
        address(email)
    except ValueError as error:
        return {"email": str(error)[:MAX_CHARACTERS]}
    return {}


def password_faults(given: dict[str, str], email: str) -> dict[str, str]:
    """What is wrong with a new password that was typed twice, by its field: the end of a sentence."""
    new = given.get(NEW, "")
    weakness = passwords.weakness(new, email)
    if weakness is not None:
        return {NEW: weakness}
    return {} if given.get(AGAIN, "") == new else {AGAIN: ""}
