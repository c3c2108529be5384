"""Who is asking: from a token or an API key to a `Caller`, remembered so that a repeat costs microseconds."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import msgspec

from ingestbox.clock import Clock
from ingestbox.config import Issuer
from ingestbox.errors import IngestError
from ingestbox.identity import claims, jws
from ingestbox.identity.apikeys import (
    PREFIX,
    KeyFinder,
    KeyRecord,
    is_key,
    key_digest,
    match_static,
    static_keys,
)
from ingestbox.identity.issuers import Issuers, IssuerState
from ingestbox.identity.recent import Recent
from ingestbox.identity.secretfile import Secrets
from ingestbox.identity.tokens import ISSUER, LocalIssuer, Login, Verified
from ingestbox.identity.users import SUBJECT, UserRecord
from ingestbox.model import Caller

REMEMBERED = 4_096
"""Tokens, and keys, and users, remembered at once."""

KEY_SECONDS = 0.5
"""How long a looked-up key or user is believed: a revocation holds within a second, wherever it was made."""


class UserFinder(Protocol):
    """Where local users are looked up."""

    async def find(self, user_id: int) -> UserRecord | None:
        """The user with this id, or None."""


class _Proven(Protocol):
    """Who verified a token, and knows whether that would succeed still."""

    def holds(self, identity: bytes) -> bool:
        """Whether the key of this identity still counts."""


class _Remembered(msgspec.Struct, frozen=True):
    verified: Verified
    issuer: _Proven


class Guard:
    """Authenticates requests. `start` it to have the issuers' keys fetched ahead of need, and `stop` it."""

    def __init__(
        self,
        *,
        secret: Secrets | bytes,
        static: Sequence[str],
        keys: KeyFinder,
        clock: Clock,
        leeway_seconds: int,
        issuers: Iterable[Issuer] = (),
        users: UserFinder | None = None,
    ) -> None:
        """`static` is `[auth] api_keys` and `issuers` `[[issuers]]` as configured. Without `users` nobody's
        login counts. Raises StartupError when an entry is not valid."""
        secrets = secret if isinstance(secret, Secrets) else Secrets(secret)
        self._local = LocalIssuer(secrets, clock, leeway_seconds)
        self._issuers = Issuers(issuers, clock, leeway_seconds)
        self._static = static_keys(static)
        self._keys = keys
        self._users = users
        self._clock = clock
        self._tokens: Recent[bytes, _Remembered] = Recent(REMEMBERED)
        self._records: Recent[bytes, tuple[KeyRecord, Caller, float]] = Recent(REMEMBERED)
        self._logins: Recent[int, tuple[UserRecord, float]] = Recent(REMEMBERED)

    def start(self) -> None:
        """Has the keys of the issuers fetched in the background; waits for nothing."""
        self._issuers.start()

    async def stop(self) -> None:
        """Ends what `start` began."""
        await self._issuers.stop()

    def issuer_states(self) -> list[IssuerState]:
        """How each issuer of the settings is."""
        return self._issuers.states()

    async def caller(self, headers: Mapping[str, str]) -> Caller:
        """Who sends a request with these headers (by lower-case name).

        A bearer token decides alone, also when a key is sent beside it and the token is bad: a request must
        not be taken for somebody else's. Raises IngestError: not_authenticated, token_expired, token_invalid,
        issuer_unavailable.
        """
        authorization = headers.get("authorization")
        if authorization is not None:
            scheme, _, credential = authorization.partition(" ")
            if scheme.lower() == "bearer":
                token = credential.strip()
                return await (self._key(token) if token.startswith(PREFIX) else self._token(token))
        key = headers.get("x-api-key")
        if key is None:
            raise IngestError("not_authenticated")
        return await self._key(key.strip())

    def forget(self, digest: str) -> None:
        """Forgets a stored key (by its SHA-256 in hex) at once: call it when the key is revoked."""
        self._records.drop(bytes.fromhex(digest))

    def forget_user(self, user_id: int) -> None:
        """Forgets a local user at once: call it when the user is disabled, removed or gets other roles."""
        self._logins.drop(user_id)

    def use_secrets(self, secrets: Secrets) -> None:
        """From now on these secrets sign and verify the box's own tokens."""
        self._local.use(secrets)
        self._tokens.clear()  # how long a token is good may be shorter now

    async def _token(self, token: str) -> Caller:
        if len(token) > jws.MAX_CHARACTERS or not token.isascii():
            raise IngestError("token_invalid")
        remembered = hashlib.sha256(token.encode()).digest()
        entry = self._tokens.get(remembered)
        if entry is None or not entry.issuer.holds(entry.verified.key):
            entry = await self._verified(token)
            self._tokens.put(remembered, entry)
        elif entry.verified.until_ms <= self._clock.now_ms():
            self._tokens.drop(remembered)
            raise IngestError("token_expired")
        verified = entry.verified
        return verified.caller if verified.login is None else await self._user(verified, verified.login)

    async def _verified(self, text: str) -> _Remembered:
        token = jws.parse(text)
        iss = claims.issuer(token.claims)
        if iss in (None, ISSUER):
            return _Remembered(self._local.verify(token), self._local)
        issuer = self._issuers.of(iss, token)
        return _Remembered(await issuer.verify(token), issuer)

    async def _user(self, verified: Verified, login: Login) -> Caller:
        now = self._clock.monotonic()
        entry = self._logins.get(login.user_id)
        user = entry[0] if entry is not None and now - entry[1] < KEY_SECONDS else None
        if user is None:
            user = await self._users.find(login.user_id) if self._users is not None else None
            if user is None:
                self._logins.drop(login.user_id)
                raise IngestError("token_invalid")
            # `now` is from before the look-up: a change that it missed is seen within KEY_SECONDS of it.
            self._logins.put(login.user_id, (user, now))
        if user.disabled or user.generation != login.generation:
            raise IngestError("token_invalid")
        return Caller(f"{SUBJECT}{login.user_id}", user.workspace, frozenset(user.roles), user.email)

    async def _key(self, key: str) -> Caller:
        digest = key_digest(key)
        if self._static:
            caller = match_static(self._static, digest)
            if caller is not None:
                return caller
        if not is_key(key):
            raise IngestError("token_invalid")
        record, caller = await self._record(digest)
        if record.revoked:
            raise IngestError("token_invalid")
        if record.expires_ms is not None and record.expires_ms <= self._clock.now_ms():
            raise IngestError("token_expired")
        self._keys.used(record.id)
        return caller

    async def _record(self, digest: str) -> tuple[KeyRecord, Caller]:
        remembered = bytes.fromhex(digest)
        now = self._clock.monotonic()
        entry = self._records.get(remembered)
        if entry is not None:
            if now - entry[2] < KEY_SECONDS:
                return entry[0], entry[1]
            self._records.drop(remembered)
        record = await self._keys.find(digest)
        if record is None:
            raise IngestError("token_invalid")
        caller = Caller(f"key:{record.id}", record.workspace, frozenset(record.roles))
        # `now` is from before the look-up: a revocation that it missed is seen within KEY_SECONDS of it.
        self._records.put(remembered, (record, caller, now))
        return record, caller
