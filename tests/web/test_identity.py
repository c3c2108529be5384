"""Who is let in, and as whom."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
from pathlib import Path
from typing import Any

import httpx2
import jwt
import pytest

from ingestbox.errors import IngestError, StartupError
from ingestbox.identity.apikeys import KeyRecord, key_digest, new_key, static_keys
from ingestbox.identity.guard import Guard
from ingestbox.identity.tokens import mint
from ingestbox.model import Caller, Role
from tests.harness import running
from tests.web.support import SECRET, STATIC_KEY, HeldClock, Keys, Live, serve


class Gate:
    """A guard with its clock and keys."""

    def __init__(self) -> None:
        self.clock = HeldClock()
        self.keys = Keys()
        self.guard = Guard(
            secret=SECRET, static=[STATIC_KEY], keys=self.keys, clock=self.clock, leeway_seconds=5
        )

    def caller(self, **headers: str) -> Caller:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return asyncio.run(self.guard.caller(named))

    def refusal(self, **headers: str) -> str:
        with pytest.raises(IngestError) as caught:
            self.caller(**headers)
        assert caught.value.status == 401
        return caught.value.code

    def add_key(self, **changes: Any) -> tuple[str, str]:
        """A stored key and its digest."""
        key = new_key()
        fields = {"id": 7, "name": "crm", "roles": ["ingest"], "workspace": "north", "expires_ms": None}
        record = KeyRecord(**{**fields, "revoked": False, **changes})
        self.keys.records[key_digest(key)] = record
        return key, key_digest(key)

    def revoke(self, digest: str) -> None:
        record = self.keys.records[digest]
        self.keys.records[digest] = KeyRecord(
            record.id, record.name, record.roles, record.workspace, record.expires_ms, True
        )


@pytest.fixture
def gate() -> Gate:
    return Gate()


def b64(value: object) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def claims(gate: Gate, **changes: Any) -> dict[str, Any]:
    now = gate.clock.now_ms() // 1000
    all_claims = {"sub": "ann", "exp": now + 60, "iat": now, "roles": ["ingest"], "ws": "north", **changes}
    return {name: value for name, value in all_claims.items() if value is not ...}


def signed(gate: Gate, *, head: dict[str, Any] | None = None, **changes: Any) -> str:
    return jwt.encode(claims(gate, **changes), SECRET, algorithm="HS256", headers=head)


def test_a_minted_token_is_its_subject_with_roles_and_workspace(gate: Gate) -> None:
    token = mint(
        SECRET,
        subject="ann",
        roles=[Role.INGEST, Role.ANALYST],
        workspace="north",
        ttl_seconds=60,
        clock=gate.clock,
    )
    caller = gate.caller(authorization=f"Bearer {token}")
    assert caller == Caller("local:ann", "north", frozenset({"ingest", "analyst"}))
    assert gate.caller(authorization=f"bearer   {token} ") == caller
    unclocked: Any = {"verify_exp": False, "verify_iat": False}
    inside = jwt.decode(token, SECRET, ["HS256"], audience="ingestbox", issuer="ingestbox", options=unclocked)
    assert len(inside["jti"]) >= 16


@pytest.mark.parametrize("bad", ["", "x" * 256, "line\nbreak", "nul\0"])
def test_a_subject_or_workspace_that_cannot_be_stored_is_not_minted(gate: Gate, bad: str) -> None:
    wrong: tuple[dict[str, Any], ...] = (
        {"subject": bad},
        {"subject": "ann", "workspace": bad},
        *([{"subject": "ann", "email": bad}] if bad else []),
    )
    for names in wrong:
        with pytest.raises(ValueError, match="printable"):
            mint(SECRET, **names, roles=[], ttl_seconds=60, clock=gate.clock)


@pytest.mark.parametrize(
    ("changes", "roles"),
    [
        ({"roles": ["ingest", "chief", "admin"]}, {"ingest", "admin"}),
        ({"roles": "ingest analyst"}, {"ingest", "analyst"}),
        ({"roles": []}, set()),
        ({"roles": ...}, set()),
        ({"aud": ["other", "ingestbox"], "iss": "ingestbox"}, {"ingest"}),
        ({"exp": 253_402_300_799.0}, {"ingest"}),
        ({"unknown": {"deep": [1]}}, {"ingest"}),
    ],
)
def test_what_a_token_may_say(gate: Gate, changes: dict[str, Any], roles: set[str]) -> None:
    assert gate.caller(authorization=f"Bearer {signed(gate, **changes)}").roles == roles


def test_a_token_signed_by_hand_is_good_so_that_its_bad_siblings_fail_for_their_reason(gate: Gate) -> None:
    assert gate.caller(authorization=f"Bearer {signed_by_hand(gate, {'alg': 'HS256'})}").roles == {"ingest"}


def test_a_token_without_a_workspace_is_of_the_default_one(gate: Gate) -> None:
    assert gate.caller(authorization=f"Bearer {signed(gate, ws=...)}").workspace == "default"


def test_expiry_follows_the_clock_with_its_leeway_also_for_a_remembered_token(gate: Gate) -> None:
    header = f"Bearer {signed(gate)}"
    for _ in range(2):
        gate.clock.ms += 32_000
        assert gate.caller(authorization=header).subject == "local:ann"
    gate.clock.ms += 1_000
    assert gate.refusal(authorization=header) == "token_expired"
    assert gate.refusal(authorization=header) == "token_expired"
    gate.clock.ms -= 1_000  # a clock set back makes it good again
    assert gate.caller(authorization=header).subject == "local:ann"


def test_a_token_is_not_taken_before_its_time(gate: Gate) -> None:
    now = gate.clock.now_ms() // 1000
    assert gate.caller(authorization=f"Bearer {signed(gate, nbf=now + 5)}")
    assert gate.refusal(authorization=f"Bearer {signed(gate, nbf=now + 6)}") == "token_invalid"


def signed_by_hand(gate: Gate, head: dict[str, Any]) -> str:
    """With a correct signature, also where PyJWT would not make one."""
    text = f"{b64(head)}.{b64(claims(gate))}"
    return f"{text}.{b64(hmac.digest(SECRET, text.encode(), 'sha256'))}"


def bad_tokens(gate: Gate) -> dict[str, str]:
    """Every known trick, by name."""
    good = signed(gate)
    head, body, signature = good.split(".")
    last = signature[-1]
    sibling = next(c for c in "ABCDEFGHIJKLMNOP" if c != last)
    tricks = {
        "alg none": f"{b64({'alg': 'none'})}.{body}.",
        "alg nOnE with a signature": f"{b64({'alg': 'nOnE', 'typ': 'JWT'})}.{body}.{signature}",
        "no alg": f"{b64({'typ': 'JWT'})}.{body}.{signature}",
        "alg is a list": f"{b64({'alg': ['HS256']})}.{body}.{signature}",
        "alg HS512 with our secret": jwt.encode(claims(gate), SECRET + SECRET, algorithm="HS512"),
        "alg RS256 over our signature": f"{b64({'alg': 'RS256'})}.{body}.{signature}",
        "another secret": jwt.encode(claims(gate), b"y" * 43, algorithm="HS256"),
        "no signature": f"{head}.{body}.",
        "signature of another body": f"{head}.{b64(claims(gate, roles=['admin']))}.{signature}",
        "last character of the signature": f"{head}.{body}.{signature[:-1]}{sibling}",
        "padding": good + "=",
        "encrypted": f"{b64({'alg': 'dir', 'enc': 'A256GCM'})}..{body}.{body}.{signature}",
        "JSON serialization": json.dumps({"protected": head, "payload": body, "signature": signature}),
        "two parts": f"{head}.{body}",
        "header not an object": f"{b64([1])}.{body}.{signature}",
        "header not JSON": f"{b64(b'{{')}.{body}.{signature}",
        "header nested deep": f"{b64(b'[' * 9_000)}.{body}.{signature}",
        "crit": signed(gate, head={"crit": ["exp"], "exp": 1}),
        "crit b64": signed(gate, head={"crit": ["b64"]}),
        "crit b64 true": signed_by_hand(gate, {"alg": "HS256", "b64": True, "crit": ["b64"]}),
        "b64 true": signed_by_hand(gate, {"alg": "HS256", "b64": True}),
        "over 16 KiB": signed(gate, note="n" * 16_384),
        "payload not an object": jwt.PyJWS().encode(b"[]", SECRET, "HS256"),
        "payload not JSON": jwt.PyJWS().encode(b"{", SECRET, "HS256"),
        "payload not UTF-8": jwt.PyJWS().encode(b'{"sub":"\xff"}', SECRET, "HS256"),
        "two tokens": f"{good}, Bearer {good}",
        "nothing": "",
        "a word": "token",
    }
    for alg in ("HS256", "none"):  # RFC 7797: the payload unencoded
        tricks[f"b64 false, {alg}"] = f"{b64({'alg': alg, 'b64': False})}..{signature}"
    now = gate.clock.now_ms() // 1000
    wrong_claims: dict[str, dict[str, Any]] = {
        "sub missing": {"sub": ...},
        "sub number": {"sub": 7},
        "sub empty": {"sub": ""},
        "sub with a line break": {"sub": "a\nb"},
        "sub too long": {"sub": "s" * 256},
        "exp missing": {"exp": ...},
        "exp text": {"exp": str(now + 60)},
        "exp true": {"exp": True},
        "exp null": {"exp": None},
        "exp list": {"exp": [now + 60]},
        "nbf text": {"nbf": "0"},
        "iat text": {"iat": "0"},
        "iss other": {"iss": "https://elsewhere"},
        "iss list": {"iss": ["ingestbox"]},
        "aud other": {"aud": "elsewhere"},
        "aud others": {"aud": ["elsewhere"]},
        "aud empty": {"aud": []},
        "aud number": {"aud": 1},
        "roles number": {"roles": 1},
        "roles of numbers": {"roles": [1]},
        "ws empty": {"ws": ""},
        "ws number": {"ws": 1},
    }
    for name, changes in wrong_claims.items():
        tricks[name] = jwt.PyJWS().encode(json.dumps(claims(gate, **changes)).encode(), SECRET, "HS256")
    return tricks


@pytest.mark.parametrize("name", bad_tokens(Gate()))
def test_a_bad_token_is_refused(gate: Gate, name: str) -> None:
    assert gate.refusal(authorization=f"Bearer {bad_tokens(gate)[name]}") == "token_invalid"


def test_refusals_are_401_with_the_challenge_on_the_wire() -> None:
    async def test(live: Live) -> None:
        gate = Gate()
        async with live.client() as client:
            for name, token in bad_tokens(gate).items():
                reply = await client.get("/api/echo", headers={"Authorization": f"Bearer {token}".strip()})
                got = (reply.status_code, reply.headers.get("www-authenticate"), reply.json()["detail"])
                assert got == (401, "Bearer", "Invalid or expired token"), name
            late = {"Authorization": f"Bearer {signed(gate, exp=1)}"}
            assert (await client.get("/api/echo", headers=late)).json()["detail"] == "Token has expired"
            reply = await client.get("/v1/lines")
            assert (reply.status_code, reply.json()["detail"]) == (401, "Not authenticated")
            assert reply.headers["www-authenticate"] == "Bearer"
        assert live.asked == []

    serve(test)


def test_without_credentials_that_count_nobody_is_authenticated(gate: Gate) -> None:
    assert gate.refusal() == "not_authenticated"
    assert gate.refusal(authorization="Basic YTpi") == "not_authenticated"
    assert gate.refusal(cookie=f"token={signed(gate)}") == "not_authenticated"


def test_the_token_decides_when_a_key_is_sent_beside_it(gate: Gate) -> None:
    key, _ = gate.add_key()
    good = signed(gate)
    assert gate.caller(authorization=f"Bearer {good}", x_api_key=key).subject == "local:ann"
    assert gate.caller(authorization=f"Bearer {good}", x_api_key="nonsense").subject == "local:ann"
    assert gate.refusal(authorization="Bearer a.b.c", x_api_key=key) == "token_invalid"
    assert gate.caller(authorization="Basic YTpi", x_api_key=key).subject == "key:7"


def test_a_key_is_taken_in_either_header_and_its_use_is_noted(gate: Gate) -> None:
    key, _ = gate.add_key()
    wanted = Caller("key:7", "north", frozenset({"ingest"}))
    assert gate.caller(x_api_key=key) == wanted
    assert gate.caller(authorization=f"Bearer {key}") == wanted
    assert gate.keys.uses == [7, 7]
    assert len(gate.keys.looked_up) == 1  # the second was remembered


def test_a_key_that_was_never_made_is_refused_and_its_form_is_checked_first(gate: Gate) -> None:
    key, _ = gate.add_key()
    for wrong in (key[:-1], key + "a", "ibk_" + "é" * 43, "", "ibk_"):
        assert gate.refusal(x_api_key=wrong) == "token_invalid"
    assert gate.keys.looked_up == []
    for _ in range(2):
        assert gate.refusal(authorization=f"Bearer {new_key()}") == "token_invalid"
    assert len(gate.keys.looked_up) == 2 and gate.keys.uses == []


def test_a_revoked_key_ends_within_a_second_and_at_once_when_forgotten(gate: Gate) -> None:
    key, digest = gate.add_key()
    gate.caller(x_api_key=key)
    gate.revoke(digest)
    gate.clock.ms += 1_000
    assert gate.refusal(x_api_key=key) == "token_invalid"

    other, digest = gate.add_key()
    gate.caller(x_api_key=other)
    gate.revoke(digest)
    gate.guard.forget(digest)
    assert gate.refusal(x_api_key=other) == "token_invalid"
    gate.guard.forget(key_digest(new_key()))  # one that is not remembered


def test_a_key_ends_when_it_expires_also_while_remembered(gate: Gate) -> None:
    key, _ = gate.add_key(expires_ms=gate.clock.ms + 100)
    assert gate.caller(x_api_key=key)
    gate.clock.ms += 100
    assert gate.refusal(x_api_key=key) == "token_expired"
    assert len(gate.keys.looked_up) == 1


def test_more_tokens_than_are_remembered_still_work(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingestbox.identity.guard.REMEMBERED", 3)
    small = Gate()
    tokens = [signed(small, sub=f"s{n}") for n in range(10)]
    for _ in range(2):
        found = [small.caller(authorization=f"Bearer {token}").subject for token in tokens]
        assert found == [f"local:s{n}" for n in range(10)]


def test_a_credential_that_is_sent_twice_is_refused_though_each_is_good() -> None:
    async def test(live: Live) -> None:
        token = live.token()
        async with live.client() as client:
            for name, values in (
                ("X-API-Key", [STATIC_KEY, STATIC_KEY]),
                ("X-API-Key", [STATIC_KEY, new_key()]),
                ("Authorization", [f"Bearer {token}", f"Bearer {token}"]),
                ("Authorization", [f"Bearer {STATIC_KEY}", f"Bearer {token}"]),
            ):
                reply = await client.get("/api/echo", headers=[(name, value) for value in values])
                assert (reply.status_code, reply.json()["code"]) == (401, "token_invalid"), values
            reply = await client.get("/api/echo", headers={"X-API-Key": STATIC_KEY})
            assert reply.status_code == 200
        assert len(live.asked) == 1

    serve(test)


def test_static_keys_come_from_the_environment_or_a_file(tmp_path: Path) -> None:
    first, second = "k" * 40, "l" * 40
    file = tmp_path / "keys"
    file.write_text(f"{first}:admin\n\n{second}:ingest:south\n")
    given = (
        {"INGESTBOX_AUTH_API_KEYS": f"{first}:admin,{second}:ingest:south"},
        {"INGESTBOX_AUTH_API_KEYS_FILE": str(file)},
    )
    for number, environ in enumerate(given):
        with running(tmp_path / f"box{number}", environ=environ) as box:
            for key, status in ((first, 200), (second, 403), ("m" * 40, 401)):
                headers = {"X-API-Key": key}
                with httpx2.Client(
                    base_url=box.url, headers=headers, trust_env=False, verify=False
                ) as client:
                    reply = client.get("/v1/audit")
                    assert reply.status_code == status, reply.text


def test_static_keys_have_roles_and_workspace(gate: Gate) -> None:
    plain, full = STATIC_KEY, "another-static-key-of-enough-characters"
    entries = [plain, f" {full}:ingest+analyst:south "]
    first, second = (key.caller for key in static_keys(entries))
    assert (first.workspace, sorted(first.roles)) == ("default", ["ingest"])
    assert (second.workspace, sorted(second.roles)) == ("south", ["analyst", "ingest"])
    assert first.subject.startswith("static:") and first.subject != second.subject
    assert static_keys(entries[::-1])[1].caller == first  # the order does not name the caller
    assert gate.caller(x_api_key=plain) == first
    assert gate.refusal(x_api_key=full) == "token_invalid"


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ("short", "32 visible ASCII characters"),
        ("", "32 visible ASCII characters"),
        ("é" * 40, "32 visible ASCII characters"),
        ("k" * 40 + ":inguest", "Did you mean `ingest`"),
        ("k" * 40 + ":ingest+", "is not a role"),
        ("k" * 40 + ":ingest:ws:more", "expected key, key:role"),
        ("k" * 40 + ":ingest:" + "w" * 256, "a workspace has 1 to 255"),
        ("k" * 40 + ":ingest:north\x00", "a workspace has 1 to 255"),
    ],
)
def test_a_static_key_that_is_not_valid_stops_the_start_without_showing_it(entry: str, says: str) -> None:
    with pytest.raises(StartupError, match="entry 2") as caught:
        static_keys([STATIC_KEY, entry])
    assert says in str(caught.value)
    assert "kkkk" not in str(caught.value) and "éé" not in str(caught.value)


def test_the_same_static_key_twice_stops_the_start() -> None:
    with pytest.raises(StartupError, match="twice"):
        static_keys([STATIC_KEY, f"{STATIC_KEY}:admin"])
