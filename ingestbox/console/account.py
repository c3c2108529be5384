"""`/console/account`: who I am here, where I am signed in, my password."""

from __future__ import annotations

import re

from ingestbox.console.forms import form
from ingestbox.console.parts import Parts
from ingestbox.console.setup import NEW, password_faults
from ingestbox.errors import IngestError
from ingestbox.identity import passwords
from ingestbox.route import Reply
from ingestbox.store import sessions
from ingestbox.store.once import Denied
from ingestbox.store.sessions import ChangePassword, EndSession, EndSessions, SessionRecord
from ingestbox.web.binding import BoundRoute, Request
from ingestbox.web.replies import error_fields
from ingestbox.web.v1.audit import act

PAGE = "/console/account"
CURRENT = "current_password"

_BROWSERS = (
    ("Edge", re.compile(r"Edg\w*/")),
    ("Opera", re.compile(r"OPR/")),
    ("Firefox", re.compile(r"Firefox/|FxiOS/")),
    ("Chrome", re.compile(r"Chrome/|CriOS/|Chromium/")),
    ("Safari", re.compile(r"Safari/")),
)
_SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("macOS", "Mac OS X"),
    ("ChromeOS", "CrOS"),
    ("Linux", "Linux"),
)


class Account:
    """The page of who is signed in."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._store = parts.store

    def routes(self) -> tuple[BoundRoute, ...]:
        """What web binds."""
        page = self._parts.page
        return (
            page("GET", "/account", self.account),
            page("POST", "/account/password", self.change_password),
            page("POST", "/account/sessions/{id}/end", self.end_session),
            page("POST", "/account/sign-out-everywhere", self.end_sessions),
        )

    async def account(self, ask: Request) -> Reply:
        """GET /console/account."""
        return await self._page(ask, await self._session(ask))

    async def change_password(self, ask: Request) -> Reply:
        """POST /console/account/password: needs the one before; ends the other sessions."""
        session = await self._session(ask)
        given = form(ask.body)
        faults = password_faults(given, session.email)
        error: IngestError | None = None
        if not faults:
            try:
                user = await self._parts.login.confirm(ask.origin, session.email, given.get(CURRENT, ""))
            except IngestError as refused:
                if refused.code not in ("login_failed", "rate_limited", "overloaded"):
                    raise
                error = refused
        if faults or error is not None:
            return await self._page(ask, session, faults, error)
        changed = await self._store.write(
            ChangePassword(
                user_id=user.id,
                generation=user.generation,
                session_id=session.id,
                password=await self._parts.hasher.hashed(given[NEW]),
                act=act(ask, self._store.clock.now_ms()),
            )
        )
        self._parts.guard.forget_user(user.id)
        if isinstance(changed, Denied):
            raise IngestError(changed.code)
        return self._parts.pages.redirect(ask, PAGE, done="password")

    async def end_session(self, ask: Request) -> Reply:
        """POST /console/account/sessions/{id}/end."""
        session = await self._session(ask)
        given = ask.path["id"]
        if given.isascii() and given.isdigit() and len(given) < 19:
            await self._store.write(EndSession(int(given), session.user_id))
        return self._parts.pages.redirect(ask, PAGE, done="session")

    async def end_sessions(self, ask: Request) -> Reply:
        """POST /console/account/sign-out-everywhere: sessions and tokens end, this session too."""
        session = await self._session(ask)
        await self._store.write(EndSessions(session.user_id, act(ask, self._store.clock.now_ms())))
        self._parts.guard.forget_user(session.user_id)
        cookie = await self._parts.gate.close(ask.headers, ask.origin)
        return self._parts.pages.redirect(ask, "/console/login", cookie)

    async def _session(self, ask: Request) -> SessionRecord:
        """The session that asks. Raises IngestError `not_authenticated` when it ended just now."""
        session = await self._parts.gate.session(ask.headers)
        if session is None:
            raise IngestError("not_authenticated")
        return session

    async def _page(
        self,
        ask: Request,
        session: SessionRecord,
        faults: dict[str, str] | None = None,
        error: IngestError | None = None,
    ) -> Reply:
        status = error.status if error is not None else 422 if faults else 200
        if status == 401:
            status = 422  # the person is signed in: it is the field that is wrong
        found = await sessions.of_user(self._store, session.user_id, self._parts.gate.idle_ms)
        return self._parts.pages.reply(
            ask,
            "account.html",
            status=status,
            headers=() if error is None else error_fields(error),
            session=session,
            sessions=[(each, browser(each.agent)) for each in found],
            faults=faults or {},
            error=error,
            least=passwords.MIN_CHARACTERS,
        )


def browser(agent: str) -> str:
    """What a browser calls itself, in a few words; or the beginning of what it says."""
    name = next((name for name, pattern in _BROWSERS if pattern.search(agent)), "")
    system = next((name for name, word in _SYSTEMS if word in agent), "")
    return ", ".join(each for each in (name, system) if each) or agent[:40]
