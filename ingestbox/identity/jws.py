"""A compact JWS, read strictly before anything else is done with it (RFC 7515, RFC 7519, RFC 8725).

What two programs could read differently is refused: other spellings of base64url, members that are there
twice, headers that change what a signature covers or that name a key of their own.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import Any

import msgspec

from ingestbox.errors import IngestError

MAX_CHARACTERS = 16_384
MAX_KID_CHARACTERS = 512

_COMPACT = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")
"""A signed JWT: three parts. An encrypted one has five, an unsigned one an empty third."""

FORBIDDEN_HEADERS = frozenset({"crit", "b64", "zip", "enc", "cty", "jku", "x5u", "jwk"})
"""Extensions, of which none is understood here; and keys that a token brings itself. `x5c` and `x5t` are
certificates that some issuers add: they are not looked at."""

TYPES = frozenset({"jwt", "at+jwt", "application/jwt", "application/at+jwt"})
"""RFC 7519, 5.1 and RFC 9068, 2.1; a token of another type is meant for something else (RFC 8725, 3.11)."""


class Token(msgspec.Struct, frozen=True):
    """A token taken apart; nothing in it is proven yet."""

    algorithm: str
    kid: str | None
    claims: dict[str, Any]
    signed: bytes
    signature: bytes


def parse(text: str) -> Token:
    """Takes a token apart. Raises IngestError `token_invalid` for whatever is not exactly a compact JWS."""
    match = _COMPACT.fullmatch(text) if len(text) <= MAX_CHARACTERS else None
    if match is None:
        raise IngestError("token_invalid")
    try:
        header = strict_object(decode_base64url(match[1]))
        claims = strict_object(decode_base64url(match[2]))
        signature = decode_base64url(match[3])
    except ValueError:
        raise IngestError("token_invalid") from None
    algorithm, kid, kind = header.get("alg"), header.get("kid"), header.get("typ", "JWT")
    if not (
        isinstance(algorithm, str)
        and FORBIDDEN_HEADERS.isdisjoint(header)
        and ("kid" not in header or (isinstance(kid, str) and 0 < len(kid) <= MAX_KID_CHARACTERS))
        and isinstance(kind, str)
        and kind.lower() in TYPES
    ):
        raise IngestError("token_invalid")
    return Token(algorithm, kid, claims, text[: match.end(2)].encode("ascii"), signature)


def decode_base64url(text: str) -> bytes:
    """The bytes of base64url in its one canonical spelling: no padding, no bits left over.

    Raises ValueError.
    """
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        raise ValueError("not base64url") from None
    if base64.urlsafe_b64encode(raw).rstrip(b"=") != text.encode("ascii"):
        raise ValueError("not canonical base64url")
    return raw


def strict_object(raw: bytes) -> dict[str, Any]:
    """A JSON object without a member twice, at any depth. Raises ValueError."""
    try:
        # msgspec refuses bad UTF-8, lone surrogates, NaN and 1e999; the standard library shows duplicates.
        msgspec.json.decode(raw)
        value = json.loads(raw.decode("utf-8"), object_pairs_hook=_once)
    except RecursionError:
        raise ValueError("nested too deep") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(str(error)) from None
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a member is there twice")
    return members
