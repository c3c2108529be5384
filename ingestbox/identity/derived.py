"""Secrets that are shown once and, for an honest retry, once more, without being stored.

A secret is an HMAC over what named the request and a random seed; the key of the HMAC comes from the data
folder's secret. The seed is kept for as long as the Idempotency-Key is, so that whoever reads the database
alone learns nothing, and nobody can make the secret again after that.
"""

from __future__ import annotations

import base64
import hmac
import secrets as random
from collections.abc import Callable

from ingestbox.errors import IngestError
from ingestbox.identity import links, passwords
from ingestbox.identity.apikeys import PREFIX
from ingestbox.identity.secretfile import Secrets

SEED_BYTES = 32
CHECK_BYTES = 8
"""They tell which of the data folder's secrets a seed was made with."""

_LABEL = b"ingestbox: shown once\0"
"""Makes the key differ from the one that signs tokens: no JWT's signing input begins with these bytes."""


class Derived:
    """Makes and remakes secrets from seeds."""

    def __init__(self, secrets: Callable[[], Secrets]) -> None:
        """`secrets()` are the data folder's, which may be replaced at any time."""
        self._secrets = secrets

    def seed(self) -> bytes:
        """A new random seed, with its check."""
        seed = random.token_bytes(SEED_BYTES)
        return seed + _check(_key(self._secrets().current), seed)

    def api_key(self, seed: bytes, *names: str | bytes) -> str:
        """An API key of 256 bits, the same for the same seed and names.

        Raises IngestError `idempotency_mismatch` when the secret that the seed was made with is gone.
        """
        return PREFIX + base64.urlsafe_b64encode(self._material(seed, "key", *names)).decode().rstrip("=")

    def password(self, seed: bytes, *names: str | bytes) -> str:
        """A password of 128 bits, the same for the same seed and names. Raises as `api_key` does."""
        return passwords.generated(self._material(seed, "password", *names))

    def link(self, seed: bytes, *names: str | bytes) -> str:
        """What a link of 256 bits holds, the same for the same seed and names. Raises as `api_key` does."""
        return links.new_link(self._material(seed, "link", *names))

    def digests(self, *names: str | bytes) -> list[str]:
        """What names can be known by without being kept (hex, 256 bits): under the current secret, then under
        those that it replaced. Without the data folder's secret nobody can try names out."""
        held = self._secrets()
        secrets = (held.current, *(each.secret for each in held.retired))
        return [_mac(_key(secret), "digest", *names).hex() for secret in secrets]

    def _material(self, seed: bytes, *names: str | bytes) -> bytes:
        """32 bytes."""
        held = self._secrets()
        for secret in (held.current, *(each.secret for each in held.retired)):
            key = _key(secret)
            if hmac.compare_digest(_check(key, seed[:SEED_BYTES]), seed[SEED_BYTES:]):
                return _mac(key, "material", seed, *names)
        raise IngestError(
            "idempotency_mismatch",
            "What this Idempotency-Key made cannot be shown again: the box's secret was replaced since.",
        )


def _key(secret: bytes) -> bytes:
    return hmac.digest(secret, _LABEL, "sha256")


def _check(key: bytes, seed: bytes) -> bytes:
    return _mac(key, "check", seed)[:CHECK_BYTES]


def _mac(key: bytes, *parts: str | bytes) -> bytes:
    mac = hmac.new(key, digestmod="sha256")
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        mac.update(len(data).to_bytes(8, "big") + data)
    return mac.digest()
