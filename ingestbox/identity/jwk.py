"""Public keys as their owners write them: JWK and JWK sets (RFC 7517), and PEM."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, SECP384R1, EllipticCurvePublicNumbers
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from ingestbox.identity.algorithms import Key, PublicKey, fitting
from ingestbox.identity.jws import MAX_KID_CHARACTERS, decode_base64url, strict_object

MAX_KEYS = 100
"""Keys in a set; issuers publish two to five."""

_CURVES = {"P-256": (SECP256R1(), 32), "P-384": (SECP384R1(), 48)}
_PEM = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----.+?-----END \1-----", re.DOTALL)


class KeySet(msgspec.Struct, frozen=True):
    """The keys of a JWK set that can verify a signature; others are left out, as RFC 7517, 5 has it.

    `names` are the `kid`s of them all: one of these is known, though there may be no use for its key.
    """

    keys: tuple[Key, ...] = ()
    names: frozenset[str] = frozenset()


def key_set(raw: bytes) -> KeySet:
    """Reads a JWK set. Raises ValueError when this is none."""
    members = strict_object(raw).get("keys")
    if not isinstance(members, list):
        raise ValueError("there is no list `keys`")
    if len(members) > MAX_KEYS:
        raise ValueError(f"there are over {MAX_KEYS} keys")
    kids = [each.get("kid") for each in members if isinstance(each, dict)]
    keys = [key for key in map(key_of, members) if key is not None]
    return KeySet(tuple(keys), frozenset(kid for kid in kids if isinstance(kid, str)))


def key_of(jwk: object) -> Key | None:
    """The key of a JWK, for the algorithms that its type, `alg`, `use` and `key_ops` all allow; None for one
    that verifies nothing: symmetric, private, too weak, off its curve, or for encryption."""
    if not isinstance(jwk, dict) or "d" in jwk or jwk.get("use", "sig") != "sig":
        return None
    operations = jwk.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        return None
    kid = jwk.get("kid")
    if "kid" in jwk and not (isinstance(kid, str) and 0 < len(kid) <= MAX_KID_CHARACTERS):
        return None
    try:
        material = _material(jwk)
    except (ValueError, KeyError, TypeError, UnsupportedAlgorithm):
        return None
    algorithms = fitting(material)
    if "alg" in jwk:
        algorithms = frozenset(each for each in algorithms if each == jwk["alg"])
    return _key(material, algorithms, kid) if material is not None and algorithms else None


def pem_keys(text: str) -> list[Key]:
    """The keys of a PEM text: public keys and certificates. Raises ValueError with what is wrong with it."""
    blocks = list(_PEM.finditer(text))
    if not blocks:
        raise ValueError("there is no -----BEGIN PUBLIC KEY----- in it")
    return [_pem_key(match[1], match[0].encode()) for match in blocks]


def _pem_key(label: str, block: bytes) -> Key:
    if "PRIVATE" in label:
        raise ValueError("there is a private key in it; give the public one alone")
    try:
        if label == "CERTIFICATE":
            material: Any = x509.load_pem_x509_certificate(block).public_key()
        else:
            material = load_pem_public_key(block)
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError(f"its {label} cannot be read") from None
    algorithms = fitting(material)
    if not algorithms:
        raise ValueError("a key has to be RSA of 2,048 to 8,192 bits, EC P-256 or P-384, or Ed25519")
    return _key(material, algorithms, None)


def _key(material: PublicKey, algorithms: frozenset[str], kid: str | None) -> Key:
    der = material.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    names = ",".join(sorted(algorithms)).encode()
    return Key(material, algorithms, hashlib.sha256(der + names).digest(), kid)


def _material(jwk: Mapping[str, Any]) -> PublicKey | None:
    """Raises ValueError, KeyError or TypeError for members that make no key."""
    if jwk["kty"] == "RSA":
        return RSAPublicNumbers(_number(jwk["e"]), _number(jwk["n"])).public_key()
    if jwk["kty"] == "EC" and jwk["crv"] in _CURVES:
        curve, size = _CURVES[jwk["crv"]]
        x, y = decode_base64url(jwk["x"]), decode_base64url(jwk["y"])
        if len(x) != size or len(y) != size:
            raise ValueError("a coordinate of the wrong length")  # RFC 7518, 6.2.1.2
        numbers = EllipticCurvePublicNumbers(int.from_bytes(x), int.from_bytes(y), curve)
        return numbers.public_key()  # refuses a point off the curve
    if jwk["kty"] == "OKP" and jwk["crv"] == "Ed25519":
        return Ed25519PublicKey.from_public_bytes(decode_base64url(jwk["x"]))
    return None


def _number(text: str) -> int:
    raw = decode_base64url(text)
    if len(raw) > 2_048:  # far over MAX_RSA_BITS; do not calculate with it
        raise ValueError("too large a number")
    return int.from_bytes(raw)
