"""Who is at the console: the session that the browser's cookie names (contract: common, Identity)."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from urllib.parse import urlsplit

from ingestbox.clock import Clock
from ingestbox.config import Console
from ingestbox.errors import IngestError
from ingestbox.identity.users import SUBJECT
from ingestbox.model import Caller
from ingestbox.store import Store, sessions
from ingestbox.store.noted import Noted
from ingestbox.store.sessions import CloseSessions, OpenSession, SessionRecord
from ingestbox.web.policy.origin import Origin

TOKEN_BYTES = 32
MAX_AGENT_CHARACTERS = 200

MAX_COOKIES = 10
"""Of our name that are looked at; a browser sends one, and what others on the machine may have put there."""

NOTED_MS = 60_000
"""That a session is used is noted this often at most."""

POLL = "x-poll"
"""The header of what a page asks by itself: a page that is left open is no use of a session."""

SAFE = ("GET", "HEAD")
_PORTS = {"http": ":80", "https": ":443"}

Header = tuple[str, str]


class Gate(Noted):
    """Opens, finds and closes sessions, and notes their use. One for a box."""

    def __init__(self, store: Store, clock: Clock, settings: Console) -> None:
        super().__init__(store, "sessions.seen")
        self._clock = clock
        self._most_seconds = settings.session_hours * 3600
        self.idle_ms = settings.idle_minutes * 60_000
        # Cookies know no ports: two boxes of one machine are told apart by the name.
        self.cookie = f"ingestbox_{store.identity.box[:8]}"

    async def caller(self, method: str, headers: Mapping[str, str], origin: Origin) -> Caller:
        """Who is signed in. Raises IngestError: other_site, not_authenticated."""
        check_site(method, headers, origin)
        session = await self.session(headers)
        if session is None:
            raise IngestError("not_authenticated")
        return caller_of(session)

    async def session(self, headers: Mapping[str, str]) -> SessionRecord | None:
        """The session of a request, which is used by that; or None.

        Cookies know no ports: whatever else runs on the machine can put one of our name there, which the
        browser may send before ours. So one that names no session is passed over, and where they name two
        people it is neither: nobody is made to act as somebody else.
        """
        asked = [await sessions.find(self._store, _hashed(each)) for each in self._cookies(headers)]
        good = [each for each in asked if each is not None and self._is_good(each)]
        if not good or any(each.user_id != good[0].user_id for each in good):
            return None
        found, now = good[0], self._clock.now_ms()
        if now - self._seen(found) >= NOTED_MS and POLL not in headers:
            self.note(found.id)
        return found

    def whose(self, headers: Mapping[str, str]) -> set[str]:
        """The ids of the users whose sessions a request names, also of those that have ended. It is what the
        browser says: to compare with, and no proof."""
        return {user for user, dot, _ in (each.partition(".") for each in self._cookies(headers)) if dot}

    async def open(self, user_id: int, generation: int, headers: Mapping[str, str], origin: Origin) -> Header:
        """Begins a session, in the place of the browser's last one; the header that gives it its cookie."""
        token = f"{user_id}.{secrets.token_urlsafe(TOKEN_BYTES)}"
        now = self._clock.now_ms()
        await self._store.write(
            OpenSession(
                digest=_hashed(token),
                user_id=user_id,
                generation=generation,
                now_ms=now,
                expires_ms=now + self._most_seconds * 1000,
                address=origin.address,
                agent=headers.get("user-agent", "")[:MAX_AGENT_CHARACTERS],
                replaced=self._digests(headers),
            )
        )
        return self._set_cookie(token, origin, self._most_seconds)

    async def close(self, headers: Mapping[str, str], origin: Origin) -> Header:
        """Ends the session of a request; the header that takes the cookie away."""
        digests = self._digests(headers)
        if digests:
            await self._store.write(CloseSessions(digests))
        return self._set_cookie("", origin, 0)

    def _is_good(self, session: SessionRecord) -> bool:
        """Whether it lasts still, and its user is the one that it began with."""
        now = self._clock.now_ms()
        return (
            not session.disabled
            and session.generation == session.user_generation
            and session.expires_ms > now
            and self._seen(session) > now - self.idle_ms
        )

    def _seen(self, session: SessionRecord) -> int:
        return max(session.seen_ms, self.noted(session.id) or 0)

    def _digests(self, headers: Mapping[str, str]) -> tuple[bytes, ...]:
        return tuple(map(_hashed, self._cookies(headers)))

    def _cookies(self, headers: Mapping[str, str]) -> list[str]:
        """The values of the cookies of this name, each once: among others, which no parser may take."""
        sent = headers.get("cookie", "").replace(",", ";").split(";")
        pairs = (each.strip().partition("=") for each in sent)
        found = dict.fromkeys(value for name, _, value in pairs if name == self.cookie and value)
        return list(found)[:MAX_COOKIES]

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
    """Lets forms pass that come from the console's own pages. Raises IngestError `other_site`.

    Browsers say with every form where it comes from, in Origin; and where there is TLS, whether that is where
    it goes, in Sec-Fetch-Site. No page can set these. Sec-Fetch-Site is the browser's own comparison, so it
    holds also behind a proxy that the box was not told of, which asks it under another scheme or name. What
    says neither is too old a browser to be protected, or a program, for which the API is there.
    `Origin: null` is nobody.
    """
    if method in SAFE:
        return
    said = headers.get("origin")
    if said != "null" and headers.get("sec-fetch-site") == "same-origin":
        return
    if said is None:
        if headers.get("sec-fetch-site") == "none":
            return
        raise IngestError(
            "other_site", "Your browser does not say where this form comes from. Use a newer one."
        )
    here = f"{origin.scheme}://{origin.host}"
    site = _site(said)
    if site is None or site != _site(here):
        raise IngestError(
            "other_site",
            f"This form came from another site ({said[:100]}): the box is asked as {here}. If that is the "
            "same, its proxy has to be in server.trusted_proxies, and to send X-Forwarded-Host and "
            "X-Forwarded-Proto.",
        )


def is_link_from_elsewhere(headers: Mapping[str, str]) -> bool:
    """Whether a person follows a link from another site, for which a browser sends no SameSite=Strict cookie
    although they may be signed in."""
    return headers.get("sec-fetch-site") == "cross-site" and headers.get("sec-fetch-mode") == "navigate"


def _site(address: str) -> tuple[str, str] | None:
    """Scheme and host, with the port if it is not the scheme's own; None of what is no address."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    scheme = parts.scheme.lower()
    if scheme not in _PORTS or not parts.netloc or parts.path or parts.query:
        return None
    return scheme, parts.netloc.lower().removesuffix(_PORTS[scheme])


def _hashed(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
