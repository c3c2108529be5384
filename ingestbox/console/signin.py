"""`/console/login` and `/console/logout`."""

from __future__ import annotations

from ingestbox.console.forms import form
from ingestbox.console.gate import check_site
from ingestbox.console.parts import Parts
from ingestbox.errors import IngestError
from ingestbox.route import Reply
from ingestbox.web.binding import BoundRoute, Request

HOME = "/console"


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
            page("POST", "/logout", self.sign_out),
        )

    async def ask(self, ask: Request) -> Reply:
        """GET /console/login."""
        if await self._parts.gate.session(ask.headers) is not None:
            return self._parts.pages.redirect(ask, _next(ask.query.get("next")))
        return self._page(ask, {"next": ask.query.get("next", "")})

    async def sign_in(self, ask: Request) -> Reply:
        """POST /console/login."""
        check_site(ask.method, ask.headers, ask.origin)
        given = form(ask.body)
        try:
            user = await self._parts.login.verify(
                ask.origin, given.get("email", ""), given.get("password", "")
            )
        except IngestError as error:
            if error.code not in ("login_failed", "rate_limited"):
                raise
            return self._page(ask, given, error)
        cookie = await self._parts.gate.open(user, ask.headers, ask.origin)
        return self._parts.pages.redirect(ask, _next(given.get("next")), cookie)

    async def sign_out(self, ask: Request) -> Reply:
        """POST /console/logout."""
        cookie = await self._parts.gate.close(ask.headers, ask.origin)
        return self._parts.pages.redirect(ask, "/console/login", cookie)

    def _page(self, ask: Request, given: dict[str, str], error: IngestError | None = None) -> Reply:
        status = 200 if error is None else error.status
        return self._parts.pages.reply(ask, "login.html", status=status, given=given, error=error)


def _next(path: str | None) -> str:
    """Where to go after signing in: a page of the console, and nothing else that somebody put into a link."""
    return path if path and path.startswith("/console") and "\\" not in path else HOME
