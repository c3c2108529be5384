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
from ingestbox.store.sessions import CloseSession, OpenSession, SessionRecord
from ingestbox.web.policy.origin import Origin

TOKEN_BYTES = 32
MAX_AGENT_CHARACTERS = 200

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
        """The session of a request, which is used by that; or None."""
        digest = self._digest(headers)
        found = None if digest is None else await sessions.find(self._store, digest)
        if found is None or found.disabled or found.generation != found.user_generation:
            return None
        now = self._clock.now_ms()
        seen = max(found.seen_ms, self.noted(found.id) or 0)
        if found.expires_ms <= now or seen <= now - self.idle_ms:
            return None
        if now - seen >= NOTED_MS and POLL not in headers:
            self.note(found.id)
        return found

    async def open(self, user_id: int, generation: int, headers: Mapping[str, str], origin: Origin) -> Header:
        """Begins a session, in the place of the browser's last one; the header that gives it its cookie."""
        token = secrets.token_urlsafe(TOKEN_BYTES)
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
                replaced=self._digest(headers),
            )
        )
        return self._set_cookie(token, origin, self._most_seconds)

    async def close(self, headers: Mapping[str, str], origin: Origin) -> Header:
        """Ends the session of a request; the header that takes the cookie away."""
        digest = self._digest(headers)
        if digest is not None:
            await self._store.write(CloseSession(digest))
        return self._set_cookie("", origin, 0)

    def _digest(self, headers: Mapping[str, str]) -> bytes | None:
        """Of the first cookie of this name: others on the machine may have set what no parser takes."""
        for each in headers.get("cookie", "").replace(",", ";").split(";"):
            name, _, value = each.strip().partition("=")
            if name == self.cookie and value:
                return _hashed(value)
        return None

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

    Browsers say with every form where it comes from, in Origin, or at least whether it is from here, in
    Sec-Fetch-Site. What says neither is too old a browser to be protected, or a program, for which the API
    is there. `Origin: null` is nobody.
    """
    if method in SAFE:
        return
    said = headers.get("origin")
    if said is None:
        if headers.get("sec-fetch-site") in ("same-origin", "none"):
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
