"""`/console/rules`: what the box decides by itself in later imports, and what was decided about many rows."""

from __future__ import annotations

from typing import Any

import msgspec

from ingestbox.console.forms import form
from ingestbox.console.nav import ADMIN, EDITORS
from ingestbox.console.parts import Parts
from ingestbox.errors import IngestError
from ingestbox.route import Reply
from ingestbox.store.operations import MOST_COUNTED
from ingestbox.web.binding import BoundRoute, Request
from ingestbox.web.v1.operations import OperationPage
from ingestbox.web.v1.rules import RulePage, ToldRule

AT_ONCE = 100
"""As many as one keeps for a family."""

LATEST = 20


class RulesPlace:
    """Kept rules, and decisions that can be taken back."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def routes(self) -> tuple[BoundRoute, ...]:
        """What web binds."""
        page = self._parts.page
        return (
            page("GET", "/rules", self.list, *EDITORS),
            page("POST", "/rules", self.keep, *EDITORS),
            page("GET", "/rules/{id}", self.one, *EDITORS),
            page("POST", "/rules/{id}/drop", self.drop, *EDITORS),
        )

    async def list(self, ask: Request) -> Reply:
        """GET /console/rules."""
        inside, everyone = self._parts.inside, _everyone(ask)
        asked = {"all": everyone, "limit": str(AT_ONCE), "cursor": ask.query.get("rules")}
        kept = await inside.get(ask, "/v1/rules", RulePage, asked)
        asked = {"all": everyone, "limit": str(LATEST), "cursor": ask.query.get("cursor")}
        done = await inside.get(ask, "/v1/operations", OperationPage, asked)
        return self._parts.pages.reply(
            ask,
            "rules/list.html",
            kept=kept.rules,
            kept_cursor=kept.next_cursor,
            done=done.operations,
            cursor=done.next_cursor,
            most=MOST_COUNTED,
            said=ask.query.get("said"),
            admin=ADMIN,
        )

    async def one(self, ask: Request) -> Reply:
        """GET /console/rules/{id}: what it did."""
        inside, everyone = self._parts.inside, _everyone(ask)
        rule = await inside.get(ask, "/v1/rules/{id}", ToldRule, {"all": everyone}, params=ask.path)
        asked = {"all": everyone, "rule": rule.id, "limit": str(LATEST), "cursor": ask.query.get("cursor")}
        done = await inside.get(ask, "/v1/operations", OperationPage, asked)
        return self._parts.pages.reply(
            ask,
            "rules/one.html",
            rule=rule,
            done=done.operations,
            cursor=done.next_cursor,
            most=MOST_COUNTED,
        )

    async def keep(self, ask: Request) -> Reply:
        """POST /console/rules."""
        given = form(ask.body)
        body = {
            "name": given.get("name", "").strip(),
            "family": given.get("family", ""),
            "code": given.get("code", ""),
            "rule": _rule(given.get("rule", "")),
        }
        key = given.get("idempotency-key")
        headers = {"idempotency-key": key} if key else {}
        await self._parts.inside.call(ask, "POST", "/v1/rules", body=body, headers=headers)
        return self._parts.pages.redirect(ask, "/console/rules", said="kept")

    async def drop(self, ask: Request) -> Reply:
        """POST /console/rules/{id}/drop."""
        everyone = "true" if form(ask.body).get("all") == "true" else None
        query = {"all": everyone}
        await self._parts.inside.call(ask, "DELETE", "/v1/rules/{id}", params=ask.path, query=query)
        return self._parts.pages.redirect(ask, "/console/rules", said="dropped", all=everyone)


def _everyone(ask: Request) -> str | None:
    return "true" if ask.query.get("all") == "true" else None


def _rule(text: str) -> dict[str, Any]:
    """The rule as a page has written it. Raises IngestError `bad_parameter`."""
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError):
        raise IngestError("bad_parameter", "The form has no rule.") from None
