"""Who is asking: from a token or an API key to a `Caller`, remembered so that a repeat costs microseconds."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Generic, TypeVar

from ingestbox.clock import Clock
from ingestbox.errors import IngestError
from ingestbox.identity.apikeys import (
    PREFIX,
    KeyFinder,
    KeyRecord,
    is_key,
    key_digest,
    match_static,
    static_keys,
)
from ingestbox.identity.tokens import LocalIssuer, Verified
from ingestbox.model import Caller

REMEMBERED = 4_096
"""Tokens, and keys, remembered at once."""

KEY_SECONDS = 0.5
"""How long a looked-up key is believed: a revocation holds within a second, also one made elsewhere."""

T = TypeVar("T")


class _Recent(Generic[T]):
    """The last `size` entries by use."""

    __slots__ = ("_entries", "_size")

    def __init__(self, size: int) -> None:
        self._entries: dict[bytes, T] = {}
        self._size = size

    def get(self, key: bytes) -> T | None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._entries[key] = entry  # a dict keeps the order of insertion: this is now the newest
        return entry

    def put(self, key: bytes, entry: T) -> None:
        if len(self._entries) >= self._size:
            del self._entries[next(iter(self._entries))]
        self._entries[key] = entry

    def drop(self, key: bytes) -> None:
        self._entries.pop(key, None)


class Guard:
    """Authenticates requests."""

    def __init__(
        self,
        *,
        secret: bytes,
        static: Sequence[str],
        keys: KeyFinder,
        clock: Clock,
        leeway_seconds: int,
    ) -> None:
        """`static` is `[auth] api_keys` as configured. Raises StartupError when an entry is not valid."""
        self._issuer = LocalIssuer(secret, clock, leeway_seconds)
        self._static = static_keys(static)
        self._keys = keys
        self._clock = clock
        self._tokens: _Recent[Verified] = _Recent(REMEMBERED)
        self._records: _Recent[tuple[KeyRecord, Caller, float]] = _Recent(REMEMBERED)

    async def caller(self, headers: Mapping[str, str]) -> Caller:
        """Who sends a request with these headers (by lower-case name).

        A bearer token decides alone, also when a key is sent beside it and the token is bad: a request must
        not be taken for somebody else's. Raises IngestError: not_authenticated, token_expired, token_invalid.
        """
        authorization = headers.get("authorization")
        if authorization is not None:
            scheme, _, credential = authorization.partition(" ")
            if scheme.lower() == "bearer":
                token = credential.strip()
                return await self._key(token) if token.startswith(PREFIX) else self._token(token)
        key = headers.get("x-api-key")
        if key is None:
            raise IngestError("not_authenticated")
        return await self._key(key.strip())

    def forget(self, digest: str) -> None:
        """Forgets a stored key (by its SHA-256 in hex) at once: call it when the key is revoked."""
        self._records.drop(bytes.fromhex(digest))

    def _token(self, token: str) -> Caller:
        remembered = hashlib.sha256(token.encode()).digest()
        verified = self._tokens.get(remembered)
        if verified is None:
            verified = self._issuer.verify(token)
            self._tokens.put(remembered, verified)
        elif verified.until_ms <= self._clock.now_ms():
            self._tokens.drop(remembered)
            raise IngestError("token_expired")
        return verified.caller

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
