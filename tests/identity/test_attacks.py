"""Tokens with every known trick, against each kind of issuer: refused alike, and nobody is asked for keys."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
from collections.abc import Iterator, Mapping
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestbox.config import Issuer
from ingestbox.errors import IngestError
from ingestbox.identity.guard import Guard
from ingestbox.model import Caller
from tests.identity.issuing import (
    LOCAL,
    NOW,
    KeyServer,
    Party,
    b64,
    ec_key,
    ed_key,
    jwk,
    key_server,
    pem,
    rsa_key,
    signature,
    signed,
    whole,
)
from tests.web.support import SECRET, HeldClock, Keys, Live, serve

PUBLISHED = Party("https://rs.example/", "RS256", rsa_key(), "k1")
PINNED = Party("https://es.example/", "ES256", ec_key())
EDWARDS = Party("https://ed.example/", "EdDSA", ed_key())
SHARED = Party("https://hs.example/", "HS256", b"another secret, of 32 bytes or more")
PARTIES = {"local": LOCAL, "published": PUBLISHED, "pinned": PINNED, "edwards": EDWARDS, "shared": SHARED}


def issuers(server: KeyServer) -> list[Issuer]:
    """One entry for each party that is not the box itself."""
    roles = {"ingest": ["ingest"]}
    rest: dict[str, Any] = {"audience": ["box"], "roles": roles}
    edwards = pem(ed_key()).decode()
    return [
        Issuer(name="rs", issuer=PUBLISHED.issuer, jwks_url=server.url, algorithms=["RS256"], **rest),
        Issuer(name="es", issuer=PINNED.issuer, public_key=pem(ec_key()).decode(), **rest),
        Issuer(name="ed", issuer=EDWARDS.issuer, public_key=edwards, **rest),
        Issuer(name="hs", issuer=SHARED.issuer, secret="another secret, of 32 bytes or more", **rest),
    ]


def document() -> list[dict[str, Any]]:
    """What the published party publishes: its key, and some that are not for this."""
    return [
        jwk(rsa_key(), kid="k1", alg="RS256", use="sig"),
        jwk(rsa_key(10), kid="for-encryption", use="enc"),
        jwk(rsa_key(11), kid="for-another-algorithm", alg="RS512"),
        jwk(rsa_key(12), kid="for-wrapping", key_ops=["wrapKey"]),
        jwk(rsa_key(13), kid="for-signing", key_ops=["sign"]),
        jwk(rsa_key(14, 1024), kid="weak"),
        jwk(rsa_key(15), kid="private", d="AQAB"),
        jwk(rsa_key(16), kid="another-type", kty="EC"),
        {"kty": "oct", "kid": "symmetric", "k": b64(b"k" * 32), "alg": "HS256"},
    ]


class Gate:
    """A guard with every party's issuer, and the server of the one that publishes."""

    def __init__(self, server: KeyServer) -> None:
        self.server = server
        self.clock = HeldClock()
        self.guard = Guard(
            secret=SECRET,
            static=(),
            keys=Keys(),
            clock=self.clock,
            leeway_seconds=5,
            issuers=issuers(server),
        )

    async def caller(self, token: str) -> Caller:
        return await self.guard.caller({"authorization": f"Bearer {token}"})

    async def refusal(self, token: str) -> str | None:
        """The code of the 401, or None for a token that is taken."""
        try:
            await self.caller(token)
        except IngestError as error:
            return error.code if error.status == 401 else f"{error.status}"
        return None


@pytest.fixture(scope="module")
def server() -> Iterator[KeyServer]:
    with key_server(*document()) as made:
        yield made


def public_texts(party: Party) -> dict[str, bytes]:
    """The public key in every form that a careless program could take for a secret."""
    if isinstance(party.key, bytes):
        return {}
    text = pem(party.key)
    der = party.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    texts = {
        "PEM": text,
        "PEM without its last line end": text.rstrip(b"\n"),
        "PEM with CRLF": text.replace(b"\n", b"\r\n"),
        "DER": der,
        "base64 of the DER": base64.b64encode(der),
        "JWK": json.dumps(jwk(party.key)).encode(),
    }
    if party.key == rsa_key():
        texts["modulus"] = whole(rsa_key().public_key().public_numbers().n)
    return texts


def algorithm_tricks(party: Party) -> Iterator[tuple[str, str]]:
    head, body, sign = party.token().split(".")
    for word in ("none", "None", "NONE", "nOnE", "none ", "\tnone", "", "non\u0435", "None\u0000"):
        for what, end in (("without a signature", ""), ("with one", sign), ("with another", "AA")):
            yield f"alg {word!r} {what}", f"{b64({'alg': word, 'typ': 'JWT'})}.{body}.{end}"
    wrong: list[Any] = [None, [party.algorithm], {"": party.algorithm}, 256, True, ...]
    wrong += [party.algorithm.swapcase(), f"{party.algorithm} ", f" {party.algorithm}", "HS512", "RS512"]
    wrong += ["ES512", "ES256K", "PS256", "RS1", "HS1", "Ed25519", "dir", "RSA-OAEP"]
    for each in wrong:
        yield f"alg {each!r} over our signature", f"{b64(party.header(alg=each))}.{body}.{sign}"
    for algorithm in ("HS256", "HS384", "HS512"):
        for form, text in public_texts(party).items():
            token = signed(text, party.header(alg=algorithm), party.claims())
            yield f"{algorithm} with the {form} as secret", token
        for secret in (b"", b"secret", b"\0" * 32, b"null"):
            token = signed(secret, party.header(alg=algorithm), party.claims())
            yield f"{algorithm} with the secret {secret!r}", token
    strangers = (
        ("RS256", rsa_key(7)),
        ("ES256", ec_key(7)),
        ("ES384", ec_key(7, "P-384")),
        ("EdDSA", ed_key(7)),
    )
    for algorithm, key in strangers:
        yield f"{algorithm} by a stranger", signed(key, party.header(alg=algorithm), party.claims())
    if party.key == rsa_key():
        for algorithm in ("PS256", "RS384", "RS512"):
            token = signed(rsa_key(), party.header(alg=algorithm), party.claims())
            yield f"{algorithm} by the right key", token
    if isinstance(party.key, ec.EllipticCurvePrivateKey):
        unsigned = f"{head}.{body}"
        der = party.key.sign(unsigned.encode(), ec.ECDSA(hashes.SHA256()))
        yield "an ES256 signature in DER", f"{unsigned}.{b64(der)}"
        for name, r, s in (("zeros", 0, 0), ("a zero s", 1, 0), ("ones", 1, 1)):
            yield f"an ES256 signature of {name}", f"{unsigned}.{b64(r.to_bytes(32) + s.to_bytes(32))}"
        yield "a signature longer than P-256 has", f"{unsigned}.{b64(b'1' * 96)}"


KIDS: list[Any] = [
    "../../../../dev/null",
    "/dev/null",
    "/etc/passwd",
    "..\\..\\windows\\win.ini",
    "file:///etc/passwd",
    "https://evil.example/jwks.json",
    "' OR '1'='1",
    "x' UNION SELECT 'k' -- ",
    "k1; rm -rf /",
    "$(id)",
    "| cat /etc/passwd",
    "k1\u0000",
    "k1 ",
    "\u212a1",
    "",
    "k" * 513,
    7,
    None,
    True,
    ["k1"],
    {"kid": "k1"},
    "for-encryption",
    "for-another-algorithm",
    "for-wrapping",
    "for-signing",
    "weak",
    "private",
    "another-type",
    "symmetric",
]


def key_tricks(party: Party, server: KeyServer) -> Iterator[tuple[str, str]]:
    stranger: Any = b"" if isinstance(party.key, bytes) else rsa_key(7)
    for kid in KIDS:
        if not isinstance(kid, str) or not kid or len(kid) > 512:
            yield f"kid {kid!r}"[:60], party.token(head={"kid": kid})
        algorithm = "HS256" if isinstance(party.key, bytes) else "RS256"
        for secret in (stranger, b"\n", b"k" * 32):
            alg = "HS256" if isinstance(secret, bytes) else algorithm
            token = signed(secret, party.header(kid=kid, alg=alg), party.claims())
            yield f"kid {kid!r}"[:60] + f", {alg} by another {b64(repr(secret).encode())[:8]}", token
    for kid, number in (("for-encryption", 10), ("for-another-algorithm", 11), ("for-wrapping", 12)):
        token = signed(rsa_key(number), party.header(kid=kid, alg="RS256"), party.claims())
        yield f"signed by the key {kid}", token
    for kid, number in (("for-signing", 13), ("private", 15), ("another-type", 16)):
        token = signed(rsa_key(number), party.header(kid=kid, alg="RS256"), party.claims())
        yield f"signed by the key {kid}", token
    yield (
        "signed by the weak key",
        signed(rsa_key(14, 1024), party.header(kid="weak", alg="RS256"), party.claims()),
    )
    yield (
        "signed by the symmetric key",
        signed(b"k" * 32, party.header(kid="symmetric", alg="HS256"), party.claims()),
    )
    urls = {"jku": server.url, "x5u": server.url}
    embedded = {"jwk": jwk(rsa_key(7)), "x5c": [base64.b64encode(b"certificate").decode()]}
    for name, value in {**urls, **embedded}.items():
        head = party.header(alg="RS256", **{name: value})
        yield f"{name} of a stranger", signed(rsa_key(7), head, party.claims())
        if name != "x5c":
            yield f"{name} beside a good signature", party.token(head={name: value})
    for name in ("jku", "x5u", "jwk"):
        yield f"{name} null beside a good signature", party.token(head={name: None})


def form_tricks(party: Party) -> Iterator[tuple[str, str]]:
    good = party.token()
    head, body, sign = good.split(".")
    for crit in (["exp"], ["b64"], ["unknown"], [], "exp", None, {"exp": 1}):
        yield f"crit {crit!r}", party.token(head={"crit": crit, "exp": 1, "unknown": 1})
    for value in (True, False, "false", None):
        yield f"b64 {value!r}", party.token(head={"b64": value})
        yield f"b64 {value!r} and crit", party.token(head={"b64": value, "crit": ["b64"]})
    header, payload = party.header(b64=False, crit=["b64"]), json.dumps(party.claims())
    text = f"{b64(header)}.{payload}"
    yield "an unencoded payload", f"{text}.{b64(signature(party.key, party.algorithm, text.encode()))}"
    yield "a detached payload", f"{head}..{sign}"
    yield "zip", party.token(head={"zip": "DEF"})
    yield "cty of a nested token", party.token(head={"cty": "JWT"})
    for kind in ("JOSE", "JOSE+JSON", "dpop+jwt", "secevent+jwt", "logout+jwt", "", 7, None, ["JWT"]):
        yield f"typ {kind!r}", party.token(head={"typ": kind})
    yield "JWE, direct", f"{b64({'alg': 'dir', 'enc': 'A256GCM'})}..{body}.{body}.{sign}"
    yield "JWE, wrapped", f"{b64({'alg': 'RSA-OAEP', 'enc': 'A128GCM'})}.{body}.{body}.{body}.{sign}"
    yield "JWE in three parts", party.token(head={"enc": "A256GCM"})
    flat = {"protected": head, "payload": body, "signature": sign}
    yield "JSON serialization, flattened", json.dumps(flat)
    both = {"payload": body, "signatures": [{"protected": head, "signature": sign}]}
    yield "JSON serialization, general", json.dumps(both)
    yield "JSON serialization without spaces", json.dumps(flat, separators=(",", ":"))
    yield "JSON serialization in base64url", b64(flat)
    for name, part in (("header", party.header()), ("payload", party.claims())):
        raw = json.dumps(part).encode()
        for member in part:
            twice = b'{"' + member.encode() + b'":' + json.dumps(part[member]).encode() + b"," + raw[1:]
            yield f"{member} twice in the {name}", party.raw(**{name: twice})
        escaped = raw[:-1] + b',"al\\u0067":"none","su\\u0062":"root"}'
        yield f"a member twice in the {name}, once escaped", party.raw(**{name: escaped})
        deep = raw[:-1] + b',"other":{"a":1,"a":2}}'
        yield f"a member twice within the {name}", party.raw(**{name: deep})
        for what, wrong in (
            ("a list", b"[]"),
            ("a text", b'"x"'),
            ("null", b"null"),
            ("empty", b" "),
            ("no JSON", raw[:-1]),
            ("JSON with a comma too many", raw[:-1] + b",}"),
            ("JSON with more behind it", raw + b"{}"),
            ("JSON with a comment", b"/**/" + raw),
            ("bad UTF-8", raw[:-1] + b',"x":"\xff"}'),
            ("UTF-16", raw.decode().encode("utf-16")),
            ("a byte order mark", b"\xef\xbb\xbf" + raw),
            ("half a surrogate pair", raw[:-1] + b',"x":"\\ud800"}'),
            ("NaN", raw[:-1] + b',"x":NaN}'),
            ("nested deep", raw[:-1] + b',"x":' + b"[" * 5_000 + b"]" * 5_000 + b"}"),
        ):
            yield f"{name}: {what}", party.raw(**{name: wrong})
    yield from base64_tricks(good)


def base64_tricks(good: str) -> Iterator[tuple[str, str]]:
    parts = good.split(".")
    for place, name in enumerate(("header", "payload", "signature")):

        def with_part(text: str, place: int = place) -> str:
            return ".".join([*parts[:place], text, *parts[place + 1 :]])

        part = parts[place]
        yield f"padding behind the {name}", with_part(f"{part}=")
        yield f"much padding behind the {name}", with_part(f"{part}====")
        for character in (" ", "\t", "\n", "\r\n", "%", "+", "/", "\u00e9", "."):
            yield f"{character!r} in the {name}", with_part(part[:4] + character + part[4:])
        yield f"one character more in the {name}", with_part(f"{part}A")
        yield f"an empty {name}", with_part("")
        for change in (1, 2):  # bits that decoding throws away
            alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
            last = alphabet[alphabet.index(part[-1]) ^ change]
            yield f"the last character of the {name} changed by {change}", with_part(part[:-1] + last)
    yield "one part", parts[0]
    yield "two parts", ".".join(parts[:2])
    yield "four parts", f"{good}."
    yield "two tokens", f"{good}, {good}"
    yield "a quoted token", f'"{good}"'
    yield "a word", "token"
    yield "nothing", ""


WRONG: dict[str, list[Any]] = {
    "exp": [..., None, True, False, "", str(NOW + 60), [NOW + 60], {"exp": NOW + 60}, -1, 1e300, 10**400],
    "nbf": [None, True, "0", [0], NOW + 6, -1, 1e300, (NOW - 60) * 1000],
    "iat": [None, True, "0", [0], -1, NOW + 7200, NOW * 1000],
    "aud": [None, 1, True, [], [1], ["ingestbox", 1], ["box", None], "elsewhere", ["elsewhere"], {"box": 1}],
    "iss": [None, 1, True, [], "https://evil.example/", "", "local"],
    "sub": [..., None, 7, True, "", ["ann"], {"a": 1}, "a\nb", "nul\0", "s" * 256, "\u202eann"],
}


def claim_tricks(party: Party) -> Iterator[tuple[str, str]]:
    for claim, values in WRONG.items():
        for value in values:
            yield f"{claim} {str(value)[:20]!r} {type(value).__name__}", party.token(**{claim: value})
    if isinstance(party.claims()["iss"], str):
        for changed in (f"{party.issuer}/", party.issuer.upper(), f" {party.issuer}", [party.issuer]):
            yield f"iss {changed!r}", party.token(iss=changed)
    if party is not LOCAL:
        yield "no aud", party.token(aud=...)
        yield "no iss", party.token(iss=...)
    for name, other in PARTIES.items():
        if other is not party:
            yield f"iss of {name}", party.token(iss=other.issuer, aud=other.claims()["aud"])
    raw = json.dumps(party.claims())
    for text in ("1e999", "NaN", "Infinity", "-Infinity", "0x7fffffff", "1_900_000_000", "01900000000"):
        body = raw.replace(f'"exp": {NOW + 3600}', f'"exp": {text}').encode()
        yield f"exp {text}", party.raw(payload=body)


def tricks(party: Party, server: KeyServer) -> dict[str, str]:
    """Every token that has to be refused, by name."""
    found: dict[str, str] = {}
    sources = (algorithm_tricks(party), key_tricks(party, server), form_tricks(party), claim_tricks(party))
    for source in sources:
        for name, token in source:
            assert name not in found, name
            found[name] = token
    found["over 16 KiB"] = party.token(note="n" * 16_384)
    found["a megabyte"] = party.token(note="n" * 1_048_576)
    found["a megabyte of dots"] = "." * 1_048_576
    found["a long signature"] = party.token() + "A" * 16_384
    return found


@pytest.mark.parametrize("name", PARTIES)
def test_every_trick_is_refused_and_no_keys_are_asked_for(name: str, server: KeyServer) -> None:
    async def test() -> None:
        gate = Gate(server)
        party = PARTIES[name]
        caller = await gate.caller(party.token())
        assert caller.subject.endswith(":ann") and caller.roles == {"ingest"}
        warm = await gate.caller(PUBLISHED.token())
        assert warm.subject == "rs:ann"
        asked = server.asked
        taken = {}
        for trick, token in tricks(party, server).items():
            found = await gate.refusal(token)
            if found != "token_invalid":
                taken[trick] = found
        assert taken == {}
        assert server.asked == asked
        await gate.guard.stop()

    asyncio.run(test())


@pytest.mark.parametrize("name", PARTIES)
def test_on_the_wire_a_refusal_is_a_401_in_the_shape_of_what_was_called(name: str, server: KeyServer) -> None:
    async def test(live: Live) -> None:
        party = PARTIES[name]
        async with live.client() as client:
            for each in (party, PUBLISHED):
                good = await client.get("/api/echo", headers={"Authorization": f"Bearer {each.token()}"})
                assert good.status_code == 200, good.text
            asked, handled = server.asked, len(live.asked)
            for trick, token in tricks(party, server).items():
                if not (token.isascii() and token.isprintable() and len(token) < 40_000):
                    continue  # no header can carry it
                for path in ("/api/echo", "/v1/lines"):
                    reply = await client.get(path, headers={"Authorization": f"Bearer {token}".strip()})
                    shown = {k: v for k, v in reply.json().items() if k != "request_id"}
                    got = (reply.status_code, reply.headers.get("www-authenticate"), shown["detail"])
                    assert got == (401, "Bearer", "Invalid or expired token"), trick
                    assert shown["code"] == "token_invalid"
                    assert set(shown) == {"detail", "code"} if path == "/api/echo" else "type" in shown
            assert (server.asked, len(live.asked)) == (asked, handled)
            reply = await client.get("/api/echo", headers={"Authorization": "Bearer " + "a" * 1_048_576})
            assert reply.status_code == 431  # the server reads no such header

    serve(test, issuers=issuers(server))


def test_only_an_expired_token_that_is_otherwise_good_is_told_that_it_has_expired(server: KeyServer) -> None:
    async def test(live: Live) -> None:
        async with live.client() as client:

            async def said(token: str) -> str:
                reply = await client.get("/api/echo", headers={"Authorization": f"Bearer {token}"})
                assert (reply.status_code, reply.headers["www-authenticate"]) == (401, "Bearer")
                return str(reply.json()["detail"])

            for party in PARTIES.values():
                await client.get("/api/echo", headers={"Authorization": f"Bearer {party.token()}"})
                late = party.token(exp=NOW - 5)
                assert await said(late) == "Token has expired"
                assert await said(late[:-8] + "AAAAAAAA") == "Invalid or expired token"
                assert await said(party.token(exp=NOW - 5, aud="elsewhere")) == "Invalid or expired token"
                barely = {"Authorization": f"Bearer {party.token(exp=NOW - 4)}"}
                assert (await client.get("/api/echo", headers=barely)).status_code == 200

    serve(test, issuers=issuers(server))


def test_a_good_token_by_hand_is_taken_so_that_its_siblings_fail_for_their_reason(server: KeyServer) -> None:
    async def test() -> None:
        gate = Gate(server)
        for party in PARTIES.values():
            await gate.caller(party.raw())
            for typ in ("JWT", "jwt", "at+jwt", "application/at+jwt", ...):
                await gate.caller(party.token(head={"typ": typ}))
            for claims in (
                {"nbf": NOW + 5},
                {"iat": NOW + 3600},
                {"iat": ...},
                {"exp": NOW + 60.5},
                {"x": 1},
            ):
                await gate.caller(party.token(**claims))
            await gate.caller(party.token(aud=["elsewhere", party.claims()["aud"]]))
            await gate.caller(party.token(head={"x5t": "abc", "x5c": ["abc"]}))
        await gate.guard.stop()

    asyncio.run(test())


def test_jwt_as_the_library_makes_them_are_taken(server: KeyServer) -> None:
    async def test() -> None:
        gate = Gate(server)
        for party in PARTIES.values():
            key: Any = party.key
            headers = {"kid": party.kid} if party.kid else None
            token = jwt.encode(party.claims(), key, algorithm=party.algorithm, headers=headers)
            await gate.caller(token)
        await gate.guard.stop()

    asyncio.run(test())


MUTATIONS = st.lists(
    st.tuples(st.sampled_from(["change", "drop", "add", "swap"]), st.integers(0, 2_000), st.characters()),
    min_size=1,
    max_size=3,
)


def mutated(token: str, steps: list[tuple[str, int, str]]) -> str:
    text = list(token)
    for kind, place, character in steps:
        place %= max(1, len(text))
        if kind == "change" and text:
            text[place] = character
        elif kind == "drop" and text:
            del text[place]
        elif kind == "add":
            text.insert(place, character)
        elif text:
            other = (place * 7 + 1) % len(text)
            text[place], text[other] = text[other], text[place]
    return "".join(text)


@pytest.mark.parametrize("name", PARTIES)
def test_no_change_of_a_good_token_is_taken(name: str, server: KeyServer) -> None:
    party = PARTIES[name]
    gate = Gate(server)
    token = party.token()
    with asyncio.Runner() as runner:
        runner.run(gate.caller(token))
        runner.run(gate.caller(PUBLISHED.token()))

        @settings(max_examples=300, deadline=None)
        @given(MUTATIONS)
        def check(steps: list[tuple[str, int, str]]) -> None:
            changed = mutated(token, steps)
            # What stands around a credential in the header is not a part of it.
            if changed.strip() != token:
                assert runner.run(gate.refusal(changed)) == "token_invalid"

        @settings(max_examples=300, deadline=None)
        @given(st.integers(0, len(token) - 1), st.sampled_from("ABCDwxyz0189-_"))
        def check_each(place: int, character: str) -> None:
            changed = token[:place] + character + token[place + 1 :]
            if changed != token:
                assert runner.run(gate.refusal(changed)) == "token_invalid"

        check()
        check_each()
        runner.run(gate.guard.stop())


CLAIMS = st.dictionaries(
    st.sampled_from(["sub", "exp", "nbf", "iat", "aud", "iss", "roles", "ws", "gen", "email", "x"]),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=5,
    ),
)


@pytest.mark.parametrize("name", PARTIES)
def test_whatever_a_signed_token_says_it_is_taken_or_refused(name: str, server: KeyServer) -> None:
    party = PARTIES[name]
    gate = Gate(server)
    with asyncio.Runner() as runner:
        runner.run(gate.caller(PUBLISHED.token()))

        @settings(max_examples=200, deadline=None)
        @given(CLAIMS)
        def check(changes: Mapping[str, Any]) -> None:
            found = runner.run(gate.refusal(party.token(**changes)))
            assert found in (None, "token_invalid", "token_expired")

        check()
        runner.run(gate.guard.stop())


def test_the_hand_that_signs_agrees_with_the_standard_library() -> None:
    text = b"text"
    assert signature(SECRET, "HS256", text) == hmac.digest(SECRET, text, "sha256")
