"""The box's own tokens: JWTs signed with HS256 and the data folder's secret (contract: common, Identity)."""

from __future__ import annotations

import hashlib
import re
import secrets as random
from collections.abc import Iterable
from typing import Annotated

import jwt
import msgspec
from msgspec import Meta

from ingestbox.clock import Clock
from ingestbox.errors import IngestError
from ingestbox.identity import claims
from ingestbox.identity.algorithms import HMAC, Key, verifies
from ingestbox.identity.jws import Token
from ingestbox.identity.secretfile import Secrets
from ingestbox.model import DEFAULT_WORKSPACE, Caller, Role

ISSUER = "ingestbox"
AUDIENCE = "ingestbox"

_ROLES = frozenset(role.value for role in Role)
_USER = re.compile(r"user-([1-9][0-9]{0,17})", re.ASCII)


class Login(msgspec.Struct, frozen=True):
    """That a token is a local user's: good while the user is, and has this generation."""

    user_id: int
    generation: int


class Verified(msgspec.Struct, frozen=True):
    """Who a token speaks for, and until when (Unix milliseconds, leeway included).

    `key` is the identity of the key that proved it. With a `login` roles and workspace are the user's, not
    the caller's here.
    """

    caller: Caller
    until_ms: int
    key: bytes
    login: Login | None = None


class _Claims(msgspec.Struct):
    """The claims that are ours; msgspec refuses wrong types (`sub: 7`, `gen: true`)."""

    sub: str
    roles: list[str] | str = msgspec.field(default_factory=list)
    ws: str = DEFAULT_WORKSPACE
    gen: Annotated[int, Meta(ge=0)] | None = None
    email: str = ""


def mint(
    secret: bytes,
    *,
    subject: str,
    roles: Iterable[Role],
    workspace: str = DEFAULT_WORKSPACE,
    ttl_seconds: int,
    clock: Clock,
    generation: int | None = None,
    email: str = "",
) -> str:
    """A token for `subject` that lasts `ttl_seconds`. Raises ValueError when subject, workspace or e-mail
    is not 1-255 printable characters (no e-mail is fine).

    With a `generation` it is the login of a local user, `subject` being `user-<id>`: it ends when the user
    does, or gets another generation.
    """
    if not (claims.is_name(subject) and claims.is_name(workspace) and (not email or claims.is_name(email))):
        raise ValueError(
            f"A subject and a workspace have 1 to {claims.MAX_NAME_CHARACTERS} printable characters."
        )
    now = clock.now_ms() // 1000
    said: dict[str, object] = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": subject,
        "roles": sorted(role.value for role in roles),
        "ws": workspace,
        "iat": now,
        "exp": now + ttl_seconds,
        "jti": random.token_urlsafe(16),
    }
    if generation is not None:
        said["gen"] = generation
    if email:
        said["email"] = email
    return jwt.encode(said, secret, algorithm=HMAC)


class _Signer(msgspec.Struct, frozen=True):
    """A secret of ours; one that was replaced verifies what it signed before, and for a time only."""

    key: Key
    retired_ms: int | None = None
    until_ms: int | None = None


class LocalIssuer:
    """Verifies the tokens that `mint` makes, and any other that is signed with the same secret.

    `exp` and `sub` are required; `iss` and `aud` have to be ours where they are given. `roles` is a list or
    words separated by spaces; a role that the box does not know is ignored.
    """

    def __init__(self, secrets: Secrets, clock: Clock, leeway_seconds: int) -> None:
        """`leeway_seconds` is the clock difference forgiven in `exp` and `nbf`."""
        self._clock = clock
        self._leeway_ms = leeway_seconds * 1000
        self.use(secrets)

    def use(self, secrets: Secrets) -> None:
        """From now on these secrets count."""
        self._signers = (
            _Signer(secret_key(secrets.current)),
            *(_Signer(secret_key(e.secret), e.retired_ms, e.until_ms) for e in secrets.retired),
        )
        self._held = frozenset(signer.key.identity for signer in self._signers)

    def holds(self, identity: bytes) -> bool:
        """Whether the secret that verified a token still counts."""
        return identity in self._held

    def verify(self, token: Token) -> Verified:
        """Raises IngestError: token_expired, or token_invalid for everything else that is wrong."""
        signer = self._signer(token)
        try:
            said = msgspec.convert(token.claims, _Claims)
        except msgspec.ValidationError:
            raise IngestError("token_invalid") from None
        now_ms = self._clock.now_ms()
        found = claims.times(token.claims)
        claims.check_times(found, now_ms, self._leeway_ms)
        iss, audience = claims.issuer(token.claims), claims.audience(token.claims)
        if iss not in (None, ISSUER) or (audience is not None and AUDIENCE not in audience):
            raise IngestError("token_invalid")
        if not (claims.is_name(said.sub) and claims.is_name(said.ws)):
            raise IngestError("token_invalid")
        if said.email and not claims.is_name(said.email):
            raise IngestError("token_invalid")
        until_ms = claims.check_expiry(found, now_ms, self._leeway_ms)
        if signer.until_ms is not None:
            until_ms = min(until_ms, signer.until_ms)
        if until_ms <= now_ms or self._is_late(signer, found):
            raise IngestError("token_invalid")
        given = said.roles.split() if isinstance(said.roles, str) else said.roles
        caller = Caller(f"local:{said.sub}", said.ws, _ROLES.intersection(given), said.email)
        return Verified(caller, until_ms, signer.key.identity, _login(said))

    def _signer(self, token: Token) -> _Signer:
        for signer in self._signers:
            if verifies(signer.key, token.algorithm, token.signed, token.signature):
                return signer
        raise IngestError("token_invalid")

    def _is_late(self, signer: _Signer, found: claims.Times) -> bool:
        """Whether a token says that it was made with a secret after that had been replaced.

        This keeps honest programs from going on with an old secret; against whoever stole one only ending
        it helps, since a thief writes any `iat`.
        """
        if signer.retired_ms is None or found.issued_ms is None:
            return False
        return found.issued_ms > signer.retired_ms + self._leeway_ms


def secret_key(raw: bytes) -> Key:
    """A secret as a key for HS256."""
    return Key(raw, frozenset({HMAC}), hashlib.sha256(b"secret:" + raw).digest())


def _login(said: _Claims) -> Login | None:
    if said.gen is None:
        return None
    user = _USER.fullmatch(said.sub)
    if user is None:
        raise IngestError("token_invalid")
    return Login(int(user[1]), said.gen)
