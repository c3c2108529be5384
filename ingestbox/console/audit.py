"""`/console/audit`: who changed what, in plain words, and taking back what can be."""

from __future__ import annotations

import datetime

from ingestbox.console.nav import ADMIN, EDITORS
from ingestbox.console.parts import Parts
from ingestbox.errors import IngestError
from ingestbox.identity.users import SUBJECT
from ingestbox.model import Role
from ingestbox.route import Reply
from ingestbox.store.trail import ToldLine
from ingestbox.web.binding import BoundRoute, Request
from ingestbox.web.v1.audit import AuditPage
from ingestbox.web.v1.undo import UndoneBody
from ingestbox.web.v1.usershapes import UserPage

AT_ONCE = 50
FILTERS = ("actor", "action", "object", "object_id")
DAYS = ("since", "until")
OBJECTS = (
    *("job", "record", "issue", "contact", "ticket", "rule"),
    *("article", "source", "segment", "user", "key", "lane", "delivery", "erasure", "secret", "audit"),
)
ACTIONS = (
    *(
        "record.edit",
        "staging.edit",
        "issue.edit",
        "issue.discard",
        "issue.retry",
        "issue.accept",
        "issue.bulk",
        "audit.undo",
    ),
    *("rule.keep", "rule.drop", "rule.apply", "job.reprocess", "job.cancel", "job.undo", "job.delete"),
    *("user.create", "user.update", "user.remove", "key.create", "key.revoke"),
    *("lane.pause", "lane.resume", "lane.replay", "lane.remove"),
    *("delivery.retry", "delivery.discard", "segment.create", "segment.change", "segment.remove"),
    *("source.create", "source.change", "source.remove"),
    *("erasure.begin", "erasure.done", "secret.rotate"),
)
"""What a reader may look for, among others: the box writes more."""


class AuditPlace:
    """The trail's page, and the undo of its lines."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def routes(self) -> tuple[BoundRoute, ...]:
        """What web binds."""
        page = self._parts.page
        return (
            page("GET", "/audit", self.list, *ADMIN),
            page("POST", "/audit/{id}/undo", self.undo, *EDITORS),
        )

    async def list(self, ask: Request) -> Reply:
        """GET /console/audit."""
        query: dict[str, str | None] = {name: ask.query.get(name) or None for name in FILTERS}
        if query["object_id"] and not query["object"]:
            query["object_id"] = None  # an id of no kind: the form keeps it until one is chosen
        query["actor"] = await self._actor(ask, query["actor"])
        query["since"] = _day(ask.query.get("since"))
        query["until"] = _day(ask.query.get("until"), after=1)
        everywhere = ask.caller.operates and ask.query.get("all") == "true"
        query["all"] = "true" if everywhere else None
        query |= {"cursor": ask.query.get("cursor"), "limit": str(AT_ONCE)}
        found = await self._parts.inside.get(ask, "/v1/audit", AuditPage, query)
        return self._parts.pages.reply(
            ask,
            "audit/list.html",
            lines=found.audit,
            cursor=found.next_cursor,
            objects=OBJECTS,
            actions=ACTIONS,
            filtered=any(ask.query.get(name) for name in (*FILTERS, *DAYS)),
        )

    async def undo(self, ask: Request) -> Reply:
        """POST /console/audit/{id}/undo: says what it took back, and what it could not."""
        # Who reads the trail takes back what anybody did; everyone else their own.
        everyone = {"all": "true"} if ask.caller.may(ADMIN) else {}
        reply = await self._parts.inside.call(
            ask, "POST", "/v1/audit/{id}/undo", params=ask.path, query=everyone
        )
        assert isinstance(reply.body, UndoneBody)  # what the route says it gives
        return self._parts.pages.reply(ask, "audit/undone.html", undone=reply.body, admin=ADMIN)

    async def _actor(self, ask: Request, given: str | None) -> str | None:
        """Whom a reader means: an address is a user's."""
        if given is None or "@" not in given:
            return given
        try:
            found = await self._parts.inside.get(ask, "/v1/users", UserPage, {"email": given.strip()})
        except IngestError as error:
            if error.code != "bad_parameter":
                raise
            return given  # no address yet: nobody is called so
        return f"{SUBJECT}{found.users[0].id}" if found.users else given


async def history(parts: Parts, ask: Request, noun: str, object_id: str, limit: int = 20) -> list[ToldLine]:
    """The newest lines about one object, for `audit/history.html`; none for who may not read the trail."""
    if not ask.caller.may(frozenset({Role.ADMIN})):
        return []
    query = {"object": noun, "object_id": object_id, "limit": str(limit)}
    return (await parts.inside.get(ask, "/v1/audit", AuditPage, query)).audit


def _day(text: str | None, after: int = 0) -> str | None:
    """The first moment (UTC) of a day that a form gave, or of one so many days after it. Raises IngestError
    `bad_parameter`."""
    if not text:
        return None
    try:
        day = datetime.date.fromisoformat(text) + datetime.timedelta(days=after)
    except (ValueError, OverflowError):
        raise IngestError("bad_parameter", "A day is written as 2026-01-31.") from None
    return f"{day.isoformat()}T00:00:00Z"
