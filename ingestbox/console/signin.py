"""`/console/login` and `/console/logout`."""

from __future__ import annotations

from ingestbox.console import kept
from ingestbox.console.forms import pairs
from ingestbox.console.gate import is_link_from_elsewhere
from ingestbox.console.kept import HOME, Kept
from ingestbox.console.parts import Parts
from ingestbox.errors import IngestError
from ingestbox.identity.users import SUBJECT
from ingestbox.route import Reply
from ingestbox.store import invitations
from ingestbox.web.binding import BoundRoute, Request
from ingestbox.web.replies import error_fields

IN_PLACE = "in_place"
"""A field that says that a script asks, from a page whose session has ended, which is to stay as it is."""

SUBJECT_HEADER = "X-Signed-In"
"""Tells that script who is signed in now: the same person, or somebody else."""


class SignIn:
    """Signing in and out."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def routes(self) -> tuple[BoundRoute, ...]:
        """What web binds."""
        page = self._parts.page
        return (
            page("GET", "/login", self.ask, public=True),
            page("POST", "/login", self.sign_in, public=True),
            page("POST", "/logout", self.sign_out, public=True),
        )

    async def ask(self, ask: Request) -> Reply:
        """GET /console/login."""
        if await self._parts.gate.session(ask.headers) is not None:
            return self._parts.pages.redirect(ask, _next(ask.query.get("next")))
        if is_link_from_elsewhere(ask.headers) and "again" not in ask.query:
            target = {"next": _next(ask.query.get("next")), "again": "1"}
            return self._parts.pages.reply(ask, "arrived.html", target=target)
        return await self._page(ask, {"next": ask.query.get("next", "")})

    async def sign_in(self, ask: Request) -> Reply:
        """POST /console/login: every sign-in begins a session of its own, and ends the browser's last one."""
        fields = pairs(ask.body)
        given = dict(fields)
        form = kept.read(fields)
        try:
            user = await self._parts.login.verify(
                ask.origin, given.get("email", ""), given.get("password", "")
            )
        except IngestError as error:
            if error.code not in ("login_failed", "rate_limited", "overloaded"):
                raise
            return await self._page(ask, given, error, form)
        before = self._parts.gate.whose(ask.headers)
        cookie = await self._parts.gate.open(user.id, user.generation, ask.headers, ask.origin)
        if IN_PLACE in given:
            return Reply(b"", 204, (cookie, (SUBJECT_HEADER, f"{SUBJECT}{user.id}")))
        if form is not None:
            return self._parts.pages.reply(
                ask,
                "again.html",
                headers=(cookie,),
                form=form if before <= {str(user.id)} else None,  # what somebody else typed is theirs
                email=user.email,
                back=_next(given.get("next")),
            )
        return self._parts.pages.redirect(ask, _next(given.get("next")), cookie)

    async def sign_out(self, ask: Request) -> Reply:
        """POST /console/logout, also of a session that has ended by itself."""
        cookie = await self._parts.gate.close(ask.headers, ask.origin)
        return self._parts.pages.redirect(ask, "/console/login", cookie)

    async def _page(
        self,
        ask: Request,
        given: dict[str, str],
        error: IngestError | None = None,
        form: Kept | None = None,
    ) -> Reply:
        """The form; or, while there is nobody who could sign in, where the first administrator is made."""
        status = 200 if error is None else error.status
        headers = () if error is None else error_fields(error)
        if IN_PLACE in given:
            template = "login_error.html"
        elif await invitations.is_set_up(self._parts.store):
            template = "login.html"
        else:
            template = "not_set_up.html"
        return self._parts.pages.reply(
            ask,
            template,
            status=status,
            headers=headers,
            given=given,
            error=error,
            form=form,
            ended=False,
        )


def _next(path: str | None) -> str:
    """Where to go after signing in: a page of the console, and nothing else that somebody put into a link."""
    return path if path is not None and kept.is_own(path) else HOME
