"""The box's own tokens: JWTs signed with HS256 and the data folder's secret (contract: common, Identity)."""

from __future__ import annotations

import math
import re
import secrets
from collections.abc import Iterable

import jwt
import msgspec

from ingestbox.clock import Clock
from ingestbox.errors import IngestError
from ingestbox.model import Caller, Role

ISSUER = "ingestbox"
AUDIENCE = "ingestbox"
ALGORITHM = "HS256"
DEFAULT_WORKSPACE = "default"
MAX_TOKEN_CHARACTERS = 16_384
MAX_NAME_CHARACTERS = 255
"""Longest `sub` and `ws`: both are stored with every row."""

_ROLES = frozenset(role.value for role in Role)
_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
"""A signed JWT: three parts. An encrypted one has five, an unsigned one an empty third."""


class Verified(msgspec.Struct, frozen=True):
    """Who a token speaks for, and until when (Unix milliseconds, leeway included)."""

    caller: Caller
    until_ms: int


class _Claims(msgspec.Struct):
    """The claims that matter; msgspec refuses wrong types (`exp: "1"`, `exp: true`, `sub: 7`)."""

    sub: str
    exp: int | float
    nbf: int | float | None = None
    iat: int | float | None = None
    iss: str | None = None
    aud: str | list[str] | None = None
    roles: list[str] | str = msgspec.field(default_factory=list)
    ws: str = DEFAULT_WORKSPACE


_claims = msgspec.json.Decoder(_Claims)


def mint(
    secret: bytes,
    *,
    subject: str,
    roles: Iterable[Role],
    workspace: str = DEFAULT_WORKSPACE,
    ttl_seconds: int,
    clock: Clock,
) -> str:
    """A token for `subject` that lasts `ttl_seconds`. Raises ValueError when subject or workspace is not
    1-255 printable characters."""
    if not (_is_name(subject) and _is_name(workspace)):
        raise ValueError(f"A subject and a workspace have 1 to {MAX_NAME_CHARACTERS} printable characters.")
    now = clock.now_ms() // 1000
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": subject,
        "roles": sorted(role.value for role in roles),
        "ws": workspace,
        "iat": now,
        "exp": now + ttl_seconds,
        "jti": secrets.token_urlsafe(16),
    }
    return jwt.encode(claims, secret, algorithm=ALGORITHM)


class LocalIssuer:
    """Verifies the tokens that `mint` makes, and any other that is signed with the same secret.

    `exp` and `sub` are required; `iss` and `aud` have to be ours where they are given. `roles` is a list or
    words separated by spaces; a role that the box does not know is ignored.
    """

    def __init__(self, secret: bytes, clock: Clock, leeway_seconds: int) -> None:
        """`leeway_seconds` is the clock difference forgiven in `exp` and `nbf`."""
        self._secret = secret
        self._clock = clock
        self._leeway_ms = leeway_seconds * 1000
        self._jws = jwt.PyJWS(algorithms=[ALGORITHM])

    def verify(self, token: str) -> Verified:
        """Raises IngestError: token_expired, or token_invalid for everything else that is wrong."""
        claims = self._signed_claims(token)
        now = self._clock.now_ms()
        until_ms = _milliseconds(claims.exp) + self._leeway_ms
        if until_ms <= now:
            raise IngestError("token_expired")
        if claims.nbf is not None and _milliseconds(claims.nbf) - self._leeway_ms > now:
            raise IngestError("token_invalid")
        if claims.iss is not None and claims.iss != ISSUER:
            raise IngestError("token_invalid")
        audience = [claims.aud] if isinstance(claims.aud, str) else claims.aud
        if audience is not None and AUDIENCE not in audience:
            raise IngestError("token_invalid")
        if not (_is_name(claims.sub) and _is_name(claims.ws)):
            raise IngestError("token_invalid")
        given = claims.roles.split() if isinstance(claims.roles, str) else claims.roles
        caller = Caller(f"local:{claims.sub}", claims.ws, _ROLES.intersection(given))
        return Verified(caller, until_ms)

    def _signed_claims(self, token: str) -> _Claims:
        if len(token) > MAX_TOKEN_CHARACTERS or not _COMPACT.fullmatch(token):
            raise IngestError("token_invalid")
        try:
            decoded = self._jws.decode_complete(token, self._secret, algorithms=[ALGORITHM])
            header = decoded["header"]
            # Extensions that would change what the signature covers. PyJWT knows b64; here nothing does.
            if "crit" in header or "b64" in header:
                raise IngestError("token_invalid")
            return _claims.decode(decoded["payload"])
        except (jwt.PyJWTError, ValueError, RecursionError):
            raise IngestError("token_invalid") from None


def _milliseconds(seconds: float) -> int:
    # A claim may be anything JSON calls a number; past 10^12 s it only means "never".
    return math.floor(max(-1e12, min(seconds, 1e12)) * 1000)


def _is_name(text: str) -> bool:
    return 0 < len(text) <= MAX_NAME_CHARACTERS and text.isprintable()
