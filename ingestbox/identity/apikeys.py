"""API keys: `ibk_` and 256 random bits, shown once and kept as a SHA-256; and static ones from settings."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from typing import Protocol

import msgspec

from ingestbox.errors import StartupError
from ingestbox.identity import roles
from ingestbox.identity.claims import MAX_NAME_CHARACTERS, is_name
from ingestbox.model import DEFAULT_WORKSPACE, Caller, Role

PREFIX = "ibk_"
MIN_STATIC_CHARACTERS = 32

_KEY = re.compile(r"ibk_[A-Za-z0-9_-]{43}")


class KeyRecord(msgspec.Struct, frozen=True):
    """A stored key as the store knows it; the key itself is nowhere. `expires_ms` is Unix milliseconds."""

    id: int
    name: str
    roles: list[str]
    workspace: str
    expires_ms: int | None
    revoked: bool


class KeyFinder(Protocol):
    """Where stored keys are looked up."""

    async def find(self, digest: str) -> KeyRecord | None:
        """The key with this SHA-256 (hex), or None. Looking up by digest gives nothing away by its time:
        a caller cannot choose the digest of a guess."""

    def used(self, key_id: int) -> None:
        """Notes that the key was used now; must be cheap, it is called for every request."""


class StaticKey(msgspec.Struct, frozen=True):
    """A key from the settings, kept as its SHA-256 (hex)."""

    digest: str
    caller: Caller


def new_key() -> str:
    """A new key, to be shown once; keep `key_digest` of it."""
    return PREFIX + secrets.token_urlsafe(32)


def is_key(text: str) -> bool:
    """Whether this has the form of a stored key."""
    return _KEY.fullmatch(text) is not None


def key_digest(key: str) -> str:
    """SHA-256 of a key, in hex. The key has 256 random bits, so that a slow hash would add nothing."""
    return hashlib.sha256(key.encode()).hexdigest()


def static_keys(entries: Sequence[str]) -> list[StaticKey]:
    """Reads `[auth] api_keys`, each `key`, `key:role+role` or `key:role+role:workspace`.

    The default role is `ingest`. Raises StartupError with the entry's number, never with the key itself.
    """
    keys = [_static_key(number, entry) for number, entry in enumerate(entries, start=1)]
    if len({key.digest for key in keys}) < len(keys):
        raise StartupError("[auth] api_keys: the same key is there twice; give each its own.")
    return keys


def match_static(keys: Sequence[StaticKey], digest: str) -> Caller | None:
    """The caller of the static key with this digest. Compares with every key, in constant time."""
    found: Caller | None = None
    for key in keys:
        if hmac.compare_digest(key.digest, digest):
            found = key.caller
    return found


def _static_key(number: int, entry: str) -> StaticKey:
    where = f"[auth] api_keys, entry {number}"
    key, *rest = (part.strip() for part in entry.strip().split(":"))
    if len(key) < MIN_STATIC_CHARACTERS or not key.isascii() or not key.isprintable() or " " in key:
        raise StartupError(
            f"{where}: a key has {MIN_STATIC_CHARACTERS} visible ASCII characters or more, without a colon. "
            "One way to make one: openssl rand -hex 32."
        )
    if len(rest) > 2:
        raise StartupError(f"{where}: expected key, key:role+role or key:role+role:workspace.")
    given = [name.strip() for name in rest[0].split("+")] if rest and rest[0] else [Role.INGEST.value]
    names = roles.named(where, given)
    workspace = rest[1] if len(rest) == 2 and rest[1] else DEFAULT_WORKSPACE
    if not is_name(workspace):
        raise StartupError(f"{where}: a workspace has 1 to {MAX_NAME_CHARACTERS} printable characters.")
    digest = key_digest(key)
    # Named by its hash, so that reordering the list does not turn one caller into another.
    return StaticKey(digest, Caller(f"static:{digest[:12]}", workspace, names))
