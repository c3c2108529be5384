"""Which web pages of other origins may call the API (the Fetch standard, CORS protocol).

The box says so in header fields; it is the browser that keeps pages of other origins out. No answer allows
credentials: API routes never read cookies, so a page can only send what it was given itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from ingestbox.errors import StartupError
from ingestbox.web.policy.hosts import host_name

Fields = tuple[tuple[bytes, bytes], ...]

MAX_AGE_SECONDS = 7_200
"""How long a browser may remember that it may call: the most that Chromium does."""

EXPOSED = (
    "Content-Disposition",
    "ETag",
    "Idempotency-Replayed",
    "Link",
    "Location",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "WWW-Authenticate",
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
    "X-Request-ID",
)
"""Response fields that a page may read, beside those that it always may."""

ANY = "*"

_ORIGIN = re.compile(r"(https?)://([^/?#@\s]+)")
_PORT = re.compile(r":[0-9]{1,5}")
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}
_NAMES = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z, -]{1,2048}")


class Cors:
    """`[server] cors_origins`, which are not empty."""

    def __init__(self, origins: Sequence[str]) -> None:
        """Raises StartupError for what no browser sends as an Origin."""
        given = [each.strip() for each in origins]
        allowed = frozenset(_origin(each) for each in given if each != ANY)
        exposed = (b"access-control-expose-headers", ", ".join(EXPOSED).encode())
        # An answer that is the same for all pages may be kept for all; another depends on who asked.
        self._others: Fields = ((b"vary", b"Origin"),)
        self._fields: dict[str, Fields] = {
            each: ((b"access-control-allow-origin", each.encode()), exposed, *self._others)
            for each in allowed
        }
        if ANY in given:
            self._fields = {}
            self._others = ((b"access-control-allow-origin", b"*"), exposed)
        self._any = ANY in given

    def admits(self, origin: str | None) -> bool:
        """Whether pages of this origin may call; `origin` is the request's Origin field."""
        return origin is not None and (self._any or origin in self._fields)

    def fields(self, origin: str | None) -> Fields:
        """What every answer to a request with this Origin field carries, errors too."""
        return self._fields.get(origin, self._others) if origin is not None else self._others

    def preflight(self, headers: Mapping[str, str], methods: Iterable[str]) -> tuple[tuple[str, str], ...]:
        """What allows a page the call that it asks about, beside `fields`.

        Every field name is allowed: those that the API does not know it does not look at.
        """
        given = (
            ("Access-Control-Allow-Methods", ", ".join(methods)),
            ("Access-Control-Max-Age", str(MAX_AGE_SECONDS)),
            ("Vary", "Access-Control-Request-Method, Access-Control-Request-Headers"),
        )
        names = headers.get("access-control-request-headers", "")
        return (*given, ("Access-Control-Allow-Headers", names)) if _NAMES.fullmatch(names) else given


def is_preflight(method: str, headers: Mapping[str, str]) -> bool:
    """Whether a browser asks if a page may make a call."""
    return method == "OPTIONS" and "origin" in headers and "access-control-request-method" in headers


def _origin(text: str) -> str:
    """The origin as browsers write it: in lower case, without the scheme's own port."""
    match = _ORIGIN.fullmatch(text)
    authority = match.group(2).lower() if match else ""
    port = _PORT.search(authority, authority.rfind(":")) if ":" in authority else None
    if match is None or not host_name(authority) or authority.endswith(":"):
        raise StartupError(
            f"server.cors_origins: `{text}` is not an origin; write https://app.example or "
            "http://localhost:3000, without a path and without a slash at the end, or `*`."
        )
    if port is not None and port.group() == _DEFAULT_PORTS[match.group(1)]:
        authority = authority.removesuffix(port.group())
    return f"{match.group(1)}://{authority}"
