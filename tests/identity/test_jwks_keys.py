"""Which published keys verify what, and which addresses are safe to ask for them."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from ingestbox.errors import StartupError
from ingestbox.identity.fetch import Fetcher
from ingestbox.identity.jwk import key_of, key_set, pem_keys
from tests.identity.issuing import (
    b64,
    ec_key,
    ed_key,
    jwk,
    pem,
    rsa_key,
    whole,
)

FIRST = jwk(rsa_key(), kid="one", use="sig", alg="RS256")


def members(**changes: Any) -> dict[str, Any]:
    return jwk(rsa_key(), **{"kid": "one", **changes})


def on_curve(**changes: Any) -> dict[str, Any]:
    return jwk(ec_key(), **{"kid": "one", **changes})


@pytest.mark.parametrize(
    ("key", "algorithms"),
    [
        (members(), {"RS256", "RS384", "RS512"}),
        (members(alg="RS384"), {"RS384"}),
        (members(use="sig", key_ops=["verify"]), {"RS256", "RS384", "RS512"}),
        (on_curve(), {"ES256"}),
        (jwk(ec_key(0, "P-384")), {"ES384"}),
        (jwk(ed_key()), {"EdDSA"}),
        (jwk(ed_key(), alg="EdDSA", x5c=["x"], x5t="y", other=1), {"EdDSA"}),
    ],
)
def test_a_key_verifies_what_its_type_and_its_members_allow(
    key: dict[str, Any], algorithms: set[str]
) -> None:
    made = key_of(key)
    assert made is not None and made.algorithms == algorithms


POINT = ec_key().public_key().public_numbers()


@pytest.mark.parametrize(
    "key",
    [
        members(use="enc"),
        members(use=None),
        members(use=["sig"]),
        members(key_ops=["encrypt"]),
        members(key_ops=[]),
        members(key_ops="verify"),
        members(alg="RSA-OAEP"),
        members(alg="HS256"),
        members(alg="ES256"),
        members(alg="none"),
        members(alg=None),
        members(kty="EC"),
        members(kty="oct"),
        members(kty=...),
        members(kid=7),
        members(kid=""),
        members(n=...),
        members(n=7),
        members(n=jwk(rsa_key())["n"] + "="),
        members(n="AQAB"),
        members(n=b64(b"\xff" * 4_096)),
        members(e="AA"),
        members(e="Ag"),
        members(d="AQAB"),
        jwk(rsa_key(14, 1024)),
        on_curve(crv="P-384"),
        on_curve(crv="secp256k1"),
        on_curve(crv=...),
        on_curve(alg="ES384"),
        on_curve(x=b64(whole(POINT.x + 1).rjust(32, b"\0"))),
        on_curve(y=b64(b"\0" + POINT.y.to_bytes(32))),
        on_curve(x=b64(b"\0" * 32), y=b64(b"\0" * 32)),
        on_curve(d="AQAB"),
        jwk(ec_key(0, "P-521")),
        jwk(ed_key(), crv="X25519"),
        jwk(ed_key(), crv="Ed448"),
        jwk(ed_key(), x=b64(b"\1" * 31)),
        jwk(ed_key(), alg="ES256"),
        {"kty": "oct", "k": b64(b"k" * 32), "alg": "HS256", "kid": "one"},
        {},
        None,
        "key",
        ["kty", "RSA"],
    ],
)
def test_a_key_that_is_not_for_this_is_left_out(key: Any) -> None:
    assert key_of(key) is None
    assert key_set(json.dumps({"keys": [key, FIRST]}).encode()).names >= {"one"}
    assert len(key_set(json.dumps({"keys": [key, FIRST]}).encode()).keys) == 1


def test_a_pem_may_hold_several_keys_and_text_around_them() -> None:
    text = f"Ours, of 2026:\n{pem(rsa_key()).decode()}\n{pem(ed_key()).decode()}"
    assert [min(key.algorithms) for key in pem_keys(text)] == ["RS256", "EdDSA"]
    same = key_of(jwk(rsa_key()))
    assert same is not None and pem_keys(text)[0].identity == same.identity


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("ftp://issuer.example/keys", "has to be https"),
        ("issuer.example/keys", "has to be https"),
        ("https:///keys", "has to be https"),
        ("https://user:word@issuer.example/keys", "has to be https"),
        ("https://issuer.example/keys#x", "has to be https"),
        ("http://issuer.example/keys", "in the clear"),
        ("http://10.0.0.1/keys", "in the clear"),
        ("http://127.0.0.1.evil.example/keys", "in the clear"),
        ("http://[::ffff:10.0.0.1]/keys", "in the clear"),
        ("https://[::1/keys", "is not a URL"),
        ("https://issuer.example:65536/keys", "is not a URL"),
        ("http://user:word@issuer.example/keys", "has to be https"),
    ],
)
def test_an_address_that_is_not_safe_to_ask_stops_the_start(url: str, says: str) -> None:
    with pytest.raises(StartupError, match=says) as caught:
        Fetcher("here", url, ca="", allow_http=False)
    assert "word" not in str(caught.value).replace("password", "")


def test_addresses_that_may_be_asked() -> None:
    async def main() -> None:
        for url, allow in (
            ("http://localhost:8080/keys", False),
            ("http://127.0.0.9/keys", False),
            ("http://[::1]:1/keys", False),
            ("http://issuer.example/keys", True),
        ):
            await Fetcher("here", url, ca="", allow_http=allow).close()

    asyncio.run(main())
    with pytest.raises(StartupError, match="jwks_ca /nowhere cannot be read"):
        Fetcher("here", "https://issuer.example/", ca="/nowhere", allow_http=False)
