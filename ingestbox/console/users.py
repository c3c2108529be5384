"""`/console/users`: who may sign in, and what they may do (role admin)."""

from __future__ import annotations

from collections.abc import Mapping

from ingestbox.console.forms import pairs
from ingestbox.console.inside import body_of
from ingestbox.console.parts import Parts
from ingestbox.console.show import segment
from ingestbox.errors import IngestError
from ingestbox.model import Role
from ingestbox.route import Reply
from ingestbox.store.users import UserLine
from ingestbox.web.binding import BoundRoute, Request
from ingestbox.web.v1.usershapes import InvitedUser, MadeUser, UserPage

PAGE = "/console/users"
API = "/v1/users"
ONE = f"{API}/{{id}}"
ROLES = tuple(Role)

_SAID = ("validation_failed", "user_exists", "last_administrator", "user_disabled", "bad_parameter")
"""Errors that the page itself says, beside what was typed."""


class Users:
    """The workspace's users."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def routes(self) -> tuple[BoundRoute, ...]:
        """What web binds."""
        page, admin = self._parts.page, Role.ADMIN
        return (
            page("GET", "/users", self.users, admin),
            page("POST", "/users", self.add, admin),
            page("GET", "/users/{id}", self.user, admin),
            page("POST", "/users/{id}/roles", self.set_roles, admin),
            page("POST", "/users/{id}/disable", self.disable, admin),
            page("POST", "/users/{id}/enable", self.enable, admin),
            page("POST", "/users/{id}/invitation", self.invite, admin),
            page("POST", "/users/{id}/remove", self.remove, admin),
        )

    async def users(self, ask: Request) -> Reply:
        """GET /console/users."""
        return await self._list(ask)

    async def add(self, ask: Request) -> Reply:
        """POST /console/users: the answer shows the link, this once."""
        given, roles = _given(ask)
        body = {"email": given.get("email", "").strip(), "roles": roles, "invite": True}
        try:
            reply = await self._parts.inside.call(ask, "POST", API, body=body, headers=_once(given))
        except IngestError as error:
            return await self._list(ask, given={**given, "roles": roles}, error=_said(error))
        made = body_of(reply, MadeUser)
        at = f"{ask.origin.prefix}{PAGE}/{made.id}"
        return self._user_page(
            ask, made, invitation=str(made.invitation), done="added", status=201, pushed=at
        )

    async def user(self, ask: Request) -> Reply:
        """GET /console/users/{id}."""
        return self._user_page(ask, await self._one(ask), done=ask.query.get("done", ""))

    async def set_roles(self, ask: Request) -> Reply:
        """POST /console/users/{id}/roles."""
        return await self._change(ask, {"roles": _given(ask)[1]}, "roles")

    async def disable(self, ask: Request) -> Reply:
        """POST /console/users/{id}/disable."""
        return await self._change(ask, {"disabled": True}, "disabled")

    async def enable(self, ask: Request) -> Reply:
        """POST /console/users/{id}/enable."""
        return await self._change(ask, {"disabled": False}, "enabled")

    async def invite(self, ask: Request) -> Reply:
        """POST /console/users/{id}/invitation: the answer shows the link, this once."""
        given, _ = _given(ask)
        try:
            reply = await self._parts.inside.call(
                ask, "POST", f"{ONE}/invitation", params=ask.path, headers=_once(given)
            )
        except IngestError as error:
            return await self._refused(ask, error)
        invited = body_of(reply, InvitedUser)
        return self._user_page(ask, invited, invitation=invited.invitation, done="invited", status=201)

    async def remove(self, ask: Request) -> Reply:
        """POST /console/users/{id}/remove."""
        try:
            await self._parts.inside.call(ask, "DELETE", ONE, params=ask.path)
        except IngestError as error:
            return await self._refused(ask, error)
        return self._parts.pages.redirect(ask, PAGE, done="removed")

    async def _change(self, ask: Request, change: Mapping[str, object], done: str) -> Reply:
        try:
            await self._parts.inside.call(ask, "PATCH", ONE, params=ask.path, body=change)
        except IngestError as error:
            return await self._refused(ask, error)
        return self._parts.pages.redirect(ask, f"{PAGE}/{segment(ask.path['id'])}", done=done)

    async def _refused(self, ask: Request, error: IngestError) -> Reply:
        return self._user_page(ask, await self._one(ask), error=_said(error), status=error.status)

    async def _one(self, ask: Request) -> UserLine:
        return await self._parts.inside.get(ask, ONE, UserLine, params=ask.path)

    def _user_page(
        self,
        ask: Request,
        user: UserLine,
        *,
        invitation: str = "",
        done: str = "",
        error: IngestError | None = None,
        status: int = 200,
        pushed: str = "",
    ) -> Reply:
        """`pushed` is the address that the page has when htmx puts it in another's place."""
        return self._parts.pages.reply(
            ask,
            "user.html",
            status=status,
            headers=(("HX-Push-Url", pushed),) if pushed else (),
            user=user,
            own=ask.caller.subject == f"user:{user.id}",
            roles=ROLES,
            invitation=invitation,
            done=done,
            error=error,
        )

    async def _list(
        self, ask: Request, given: Mapping[str, object] | None = None, error: IngestError | None = None
    ) -> Reply:
        query = {"email": ask.query.get("email") or None, "cursor": ask.query.get("cursor")}
        found = UserPage([], None)
        try:
            found = await self._parts.inside.get(ask, API, UserPage, query)
        except IngestError as wrong:
            error = error or _said(wrong)
        return self._parts.pages.reply(
            ask,
            "users.html",
            status=200 if error is None else error.status,
            found=found,
            given=given or {"roles": []},
            roles=ROLES,
            error=error,
            done=ask.query.get("done", ""),
        )


def _given(ask: Request) -> tuple[dict[str, str], list[str]]:
    """The form's fields, and the roles that are chosen in it."""
    fields = pairs(ask.body)
    return dict(fields), [value for name, value in fields if name == "role"]


def _once(given: Mapping[str, str]) -> dict[str, str]:
    """A form that is sent twice by accident makes one."""
    return {"idempotency-key": given["once"]} if given.get("once") else {}


def _said(error: IngestError) -> IngestError:
    """The error, if the page says it. Raises any other."""
    if error.code not in _SAID:
        raise error
    return error
