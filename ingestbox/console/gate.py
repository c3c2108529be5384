"""Who is at the console: the session that the browser's cookie names (contract: common, Identity)."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from ingestbox.clock import Clock
from ingestbox.errors import IngestError
from ingestbox.identity.users import SUBJECT, UserRecord
from ingestbox.model import Caller
from ingestbox.store import Store, sessions
from ingestbox.store.sessions import CloseSession, OpenSession, SessionRecord
from ingestbox.web.policy.origin import Origin

TOKEN_BYTES = 32
SESSION_HOURS = 12
MAX_AGENT_CHARACTERS = 200

Header = tuple[str, str]


class Gate:
    """Opens, finds and closes sessions. One for a box."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        # Cookies know no ports: two boxes of one machine are told apart by the name.
        self.cookie = f"ingestbox_{store.identity.box[:8]}"

    async def caller(self, method: str, headers: Mapping[str, str], origin: Origin) -> Caller:
        """Who is signed in. Raises IngestError: forbidden for a form of another site, not_authenticated."""
        check_site(method, headers, origin)
        session = await self.session(headers)
        if session is None:
            raise IngestError("not_authenticated")
        return caller_of(session)

    async def session(self, headers: Mapping[str, str]) -> SessionRecord | None:
        """The session of a request, or None."""
        digest = self._digest(headers)
        found = None if digest is None else await sessions.find(self._store, digest)
        if found is None or found.disabled or found.generation != found.user_generation:
            return None
        return found if found.expires_ms > self._clock.now_ms() else None

    async def open(self, user: UserRecord, headers: Mapping[str, str], origin: Origin) -> Header:
        """Begins a session; the header that gives the browser its cookie."""
        token = secrets.token_urlsafe(TOKEN_BYTES)
        now = self._clock.now_ms()
        seconds = SESSION_HOURS * 3600
        await self._store.write(
            OpenSession(
                digest=hashlib.sha256(token.encode()).digest(),
                user_id=user.id,
                generation=user.generation,
                now_ms=now,
                expires_ms=now + seconds * 1000,
                address=origin.address,
                agent=headers.get("user-agent", "")[:MAX_AGENT_CHARACTERS],
            )
        )
        return self._set_cookie(token, origin, seconds)

    async def close(self, headers: Mapping[str, str], origin: Origin) -> Header:
        """Ends the session of a request; the header that takes the cookie away."""
        digest = self._digest(headers)
        if digest is not None:
            await self._store.write(CloseSession(digest))
        return self._set_cookie("", origin, 0)

    def _digest(self, headers: Mapping[str, str]) -> bytes | None:
        try:
            found = SimpleCookie(headers.get("cookie", "")).get(self.cookie)
        except CookieError:
            return None
        return hashlib.sha256(found.value.encode()).digest() if found is not None and found.value else None

    def _set_cookie(self, value: str, origin: Origin, seconds: int) -> Header:
        secure = "; Secure" if origin.scheme == "https" else ""
        path = f"{origin.prefix}/console"
        return (
            "Set-Cookie",
            f"{self.cookie}={value}; Path={path}; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}",
        )


def caller_of(session: SessionRecord) -> Caller:
    """The same caller as one with a token of this user."""
    return Caller(f"{SUBJECT}{session.user_id}", session.workspace, frozenset(session.roles), session.email)


def check_site(method: str, headers: Mapping[str, str], origin: Origin) -> None:
    """Lets forms pass that come from the console's own pages. Raises IngestError `forbidden`.

    A browser says with every form where it comes from; what says nothing is no browser, and has no cookie
    that could be abused.
    """
    if method in ("GET", "HEAD"):
        return
    said = headers.get("origin")
    if said is None:
        if headers.get("sec-fetch-site", "same-origin") in ("same-origin", "none"):
            return
    else:
        parts = urlsplit(said)
        if parts.scheme == origin.scheme and parts.netloc.lower() == origin.host.lower():
            return
    raise IngestError("forbidden", "This form came from another site.")
