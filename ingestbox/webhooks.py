"""Standard Webhooks (standardwebhooks.com, version 1): signing what is posted, and verifying it.

A message is signed as `v1,<base64 of HMAC-SHA256 over id.timestamp.body>`; the body is the bytes on the
wire, so after compression. Several secrets give several signatures, of which one has to fit: so a secret is
replaced without a moment in which messages are refused.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

PREFIX = "whsec_"

SECRET_BYTES = range(24, 65)
"""Standard Webhooks, Signature scheme: a `whsec_` secret has between 192 and 512 bits."""

SHORTEST_TEXT = 24
"""Characters that a secret in other words has at least."""

TOLERANCE_SECONDS = 300
"""How far the two clocks may differ: the specification leaves it to receivers, its libraries take 5 min."""

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"

_MOST_SIGNATURES = 16
"""More in one header are not looked at."""

Reason = Literal["missing", "malformed", "mismatch", "too_old", "too_new"]


class SecretFault(ValueError):  # noqa: N818 - the operator's, not the program's
    """A secret cannot be used; the text says how one looks, and never holds the secret."""


class NotVerified(Exception):  # noqa: N818 - a finding, not a fault of the program
    """A message is not what a holder of a secret sent just now.

    `reason`: `missing` (a header is not there), `malformed` (a header cannot be read), `mismatch` (no
    signature fits), `too_old` and `too_new` (it was signed well, at a moment that is not now). `seconds` is
    how far the sender's clock is ahead of ours (negative: behind), where a signature fitted. The text is a
    sentence for the sender.
    """

    def __init__(self, reason: Reason, sentence: str, seconds: int | None = None) -> None:
        super().__init__(sentence)
        self.reason: Reason = reason
        self.seconds = seconds


def key(secret: str) -> bytes:
    """The bytes that a secret stands for: what `whsec_` is followed by in base64, or else its own text.

    Raises SecretFault for one that is shorter than it may be, or cannot be read.
    """
    if not secret.startswith(PREFIX):
        if secret.split() != [secret]:
            raise SecretFault("has a space in it, or is empty: spaces separate secrets")
        if len(secret) < SHORTEST_TEXT:
            raise SecretFault(f"has fewer than {SHORTEST_TEXT} characters")
        return secret.encode()
    try:
        found = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise SecretFault(f"has something else than base64 after `{PREFIX}`") from None
    if len(found) not in SECRET_BYTES:
        raise SecretFault(
            f"has not {SECRET_BYTES[0]} to {SECRET_BYTES[-1]} bytes in the base64 after `{PREFIX}`"
        )
    return found


def keys(secrets: str | Iterable[str]) -> tuple[bytes, ...]:
    """The bytes of several secrets: of a text with spaces between them, or of a list. Raises SecretFault."""
    if not isinstance(secrets, str):
        return tuple(map(key, secrets))
    several = secrets.split()
    try:
        return tuple(map(key, several))
    except SecretFault as fault:
        # Somebody may have meant a sentence.
        raise SecretFault(f"{fault} (spaces separate secrets)" if several[1:] else str(fault)) from None


def sign(keys: Sequence[bytes], message_id: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature`: one signature for each key. `timestamp` is in Unix seconds."""
    return " ".join(_signature(each, message_id, str(timestamp), body) for each in keys)


def headers(keys: Sequence[bytes], message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The three headers of a signed message; without keys none is signed, and there are no headers."""
    if not keys:
        return {}
    return {
        ID: message_id,
        TIMESTAMP: str(timestamp),
        SIGNATURE: sign(keys, message_id, timestamp, body),
    }


def verify(
    keys: Sequence[bytes],
    headers: Mapping[str, str],
    body: bytes,
    now_s: float,
    tolerance_s: float = TOLERANCE_SECONDS,
) -> None:
    """Raises NotVerified unless one of the keys signed the body just now; how long it takes tells nothing.

    `headers` has lower-case names or ignores case; `body` is as it came, before decompression. The clocks
    are compared last, so that only who holds a secret is told how far they differ.
    """
    given = {name: headers.get(name, "") for name in (ID, TIMESTAMP, SIGNATURE)}
    absent = [name for name, value in given.items() if not value]
    if absent:
        raise NotVerified("missing", f"It is not signed: {' and '.join(absent)} missing.")
    message_id, timestamp = given[ID], given[TIMESTAMP]
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        raise NotVerified("malformed", f"Its {TIMESTAMP} is not a number of seconds.")
    candidates = [each.encode() for each in given[SIGNATURE].split()[:_MOST_SIGNATURES]]
    candidates = [each for each in candidates if each.startswith(b"v1,")]
    if not candidates:
        raise NotVerified("malformed", f"Its {SIGNATURE} has no signature of the form `v1,…`.")
    fits = False
    for each in keys:
        expected = _signature(each, message_id, timestamp, body).encode()
        for candidate in candidates:
            fits |= hmac.compare_digest(expected, candidate)
    if not fits:
        raise NotVerified("mismatch", "No signature fits: it was signed with another secret, or altered.")
    ahead = int(timestamp) - round(now_s)
    if abs(ahead) > tolerance_s:
        far, word = abs(ahead), "ahead of" if ahead > 0 else "behind"
        raise NotVerified(
            "too_new" if ahead > 0 else "too_old",
            f"It was signed at a time {far} s {word} the clock here; {tolerance_s:g} s is the most. Set the "
            "clock that is wrong.",
            ahead,
        )


def _signature(key: bytes, message_id: str, timestamp: str, body: bytes) -> str:
    made = hmac.new(key, f"{message_id}.{timestamp}.".encode(), hashlib.sha256)
    made.update(body)
    return "v1," + base64.b64encode(made.digest()).decode()
