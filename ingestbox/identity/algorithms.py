"""Signatures and the keys that fit them (RFC 7518, RFC 8037). A key is bound to its algorithms."""

from __future__ import annotations

from typing import Any

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, SECP384R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import Algorithm, ECAlgorithm, HMACAlgorithm, OKPAlgorithm, RSAAlgorithm

PublicKey = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey

MIN_RSA_BITS = 2_048
"""RFC 7518, 3.3."""
MAX_RSA_BITS = 8_192
"""A larger key only costs time: a signature takes milliseconds to verify."""

MIN_SECRET_BYTES = 32
"""RFC 7518, 3.2: a key of the size of the hash output or larger."""

HMAC = "HS256"
RSA = ("RS256", "RS384", "RS512")
EC = {"ES256": SECP256R1, "ES384": SECP384R1}
EDDSA = "EdDSA"

_VERIFIERS: dict[str, Algorithm] = {
    HMAC: HMACAlgorithm(HMACAlgorithm.SHA256),
    "RS256": RSAAlgorithm(RSAAlgorithm.SHA256),
    "RS384": RSAAlgorithm(RSAAlgorithm.SHA384),
    "RS512": RSAAlgorithm(RSAAlgorithm.SHA512),
    "ES256": ECAlgorithm(ECAlgorithm.SHA256, SECP256R1),
    "ES384": ECAlgorithm(ECAlgorithm.SHA384, SECP384R1),
    EDDSA: OKPAlgorithm(),
}


class Key(msgspec.Struct, frozen=True, eq=False):
    """A key to verify with; `algorithms` are all that it may verify, `kid` what its issuer calls it.

    `identity` is the same for the same key with the same algorithms, however and wherever it was given.
    """

    material: Any
    algorithms: frozenset[str]
    identity: bytes
    kid: str | None = None


def fitting(material: object) -> frozenset[str]:
    """The algorithms that a public key fits; none for one that is too weak, or of another kind."""
    if isinstance(material, RSAPublicKey):
        return frozenset(RSA) if MIN_RSA_BITS <= material.key_size <= MAX_RSA_BITS else frozenset()
    if isinstance(material, EllipticCurvePublicKey):
        return frozenset(name for name, curve in EC.items() if isinstance(material.curve, curve))
    return frozenset({EDDSA}) if isinstance(material, Ed25519PublicKey) else frozenset()


def verifies(key: Key, algorithm: str, signed: bytes, signature: bytes) -> bool:
    """Whether the signature over these bytes is good; never when the key is not for this algorithm."""
    if algorithm not in key.algorithms:
        return False
    try:
        return _VERIFIERS[algorithm].verify(signed, key.material, signature)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False
