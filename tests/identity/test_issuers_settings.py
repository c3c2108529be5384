"""Settings of issuers: where they come from, and contradictions that stop the start."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from ingestbox.config import Issuer, load
from ingestbox.errors import StartupError
from ingestbox.identity.issuers import Issuers
from ingestbox.identity.profile import profiles
from ingestbox.model import Caller
from tests.identity.gates import GENERIC, Gate, generic, taken
from tests.identity.issuing import (
    ec_key,
    ed_key,
    pem,
    rsa_key,
)
from tests.web.support import HeldClock

HS_SECRET = "a secret of an issuer, of 32 bytes or more"
PEM = pem(rsa_key()).decode()
REALM = "https://login.example/realms/acme"
PROJECT = "https://abcdefgh.supabase.co"


def private_pem() -> str:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return rsa_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"public_key": ""}, "no key to verify with"),
        ({"secret": HS_SECRET}, "secret and public_key contradict"),
        ({"jwks_url": "https://x.example/"}, "public_key and jwks_url contradict"),
        ({"algorithms": ["HS256"]}, "verified with a secret, never with a public key"),
        ({"algorithms": ["RS256", "HS256"]}, "verified with a secret, never with a public key"),
        ({"public_key": "", "secret": HS_SECRET, "algorithms": ["RS256"]}, "a secret verifies HS256 alone"),
        (
            {"public_key": "", "secret": HS_SECRET, "algorithms": ["HS256", "ES256"]},
            "ES256 need a public_key",
        ),
        ({"public_key": "", "secret": "x" * 31}, "has 31 bytes; HS256 needs 32"),
        ({"public_key": "", "secret": PEM}, "no secret for HS256"),
        ({"public_key": "", "secret": "ssh-rsa " + "A" * 60}, "no secret for HS256"),
        ({"public_key": "", "secret": '{"kty":"RSA","n":"…","e":"AQAB"}'}, "no secret for HS256"),
        ({"algorithms": ["ES256"]}, "public_key is not for ES256"),
        ({"public_key": "nonsense"}, "no -----BEGIN PUBLIC KEY-----"),
        ({"public_key": PEM.replace("MII", "XXX")}, "cannot be read"),
        ({"public_key": private_pem()}, "there is a private key in it"),
        ({"public_key": pem(rsa_key(14, 1024)).decode()}, "RSA of 2,048 to 8,192 bits"),
        ({"public_key": pem(ec_key(0, "P-521")).decode()}, "EC P-256 or P-384"),
        ({"roles": {"staff": ["edtor"]}}, "roles of staff: `edtor` is not a role. Did you mean `editor`"),
        ({"default_roles": ["boss"]}, "default_roles: `boss` is not a role. Roles: uploader"),
        ({"issuer": ""}, "issuer has to be set"),
        ({"issuer": "ingestbox"}, "the issuer of the box's own tokens"),
        ({"audience": []}, "audience has to be set"),
        ({"audience": ["box", "*"]}, "audience has to be set"),
        ({"audience": [""]}, "audience has to be set"),
        ({"workspace": "*"}, "workspace has to have"),
        ({"workspace": "a\nb"}, "workspace has to have"),
        ({"user_claim": ""}, "user_claim has to have"),
        ({"name": "local"}, "taken by the box itself"),
        ({"name": "key"}, "taken by the box itself"),
        ({"name": "static"}, "taken by the box itself"),
        ({"name": "user"}, "taken by the box itself"),
        ({"project_id": "x"}, "project_id is for the preset `firebase`"),
        ({"client_id": "x"}, "client_id is for the preset `cognito` and `keycloak`"),
        ({"preset": "firebase", "realm_url": "https://x"}, "realm_url is for the preset `keycloak`"),
        ({"preset": "firebase"}, "project_id has to be set"),
        ({"preset": "cognito"}, "user_pool_id has to be set"),
        ({"preset": "cognito", "user_pool_id": "x"}, "user_pool_id has to be set"),
        (
            {"preset": "cognito", "user_pool_id": "eu-west-1_x", "region": "eu-west-2"},
            "is in eu-west-1, not in eu-west-2",
        ),
        ({"preset": "cognito", "user_pool_id": "eu-west-1_x", "audience": []}, "client_id has to be set"),
        ({"preset": "keycloak", "audience": []}, "realm_url has to be set"),
        ({"preset": "keycloak", "realm_url": REALM, "audience": []}, "client_id has to be set"),
        ({"preset": "supabase", "project_url": "abc"}, "project_url has to be set"),
        (
            {"preset": "supabase", "project_url": PROJECT, "roles_claims": ["user_metadata.roles"]},
            "users write user_metadata themselves",
        ),
        (
            {"preset": "supabase", "project_url": PROJECT, "user_claim": "user_metadata.name"},
            "users write user_metadata themselves",
        ),
        (
            {"preset": "supabase", "project_url": PROJECT, "email_claim": "user_metadata.email"},
            "users write user_metadata themselves",
        ),
    ],
)
def test_a_contradiction_stops_the_start_with_a_sentence(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(StartupError) as caught:
        profiles([generic(**changes)])
    message = str(caught.value)
    assert says in message and message.startswith("[[issuers]] ") and message.endswith(("?", "."))
    assert "xxxxx" not in message and HS_SECRET not in message


@pytest.mark.parametrize(
    "second",
    [
        generic(name="second"),
        generic(name="second", audience=["*"]),
        generic(name="second", audience=["reports", "box"]),
        generic(name="second", algorithms=["RS512", "RS256"]),
    ],
)
def test_two_issuers_that_cannot_be_told_apart_stop_the_start(second: Issuer) -> None:
    with pytest.raises(StartupError, match=r"tenant and second take the same tokens"):
        profiles([generic(), second])


def test_an_issuer_whose_users_may_do_nothing_is_warned_about(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        profiles([generic(default_roles=[])])
    assert "its users have no role" in caplog.text


def test_an_operator_can_read_why_nobody_takes_a_token_and_a_flood_is_one_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    gate = Gate(generic(public_key=PEM))
    deep: Any = "x"
    for _ in range(900):
        deep = [deep]
    wrong: list[dict[str, Any]] = [
        {"iss": "https://tenant.example"},
        {"aud": "elsewhere\n"},
        {"aud": "x" * 5_000},
        {"iss": "https://other.example/", "aud": deep, "azp": {"a": 1}},
    ]
    with caplog.at_level(logging.INFO):
        for changes in wrong:
            for _ in range(5):
                assert gate.refusal(GENERIC.token(**changes)) == "token_invalid"
            gate.clock.ms += 10_000
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == len(wrong)
    assert "aud of a wrong type, azp of a wrong type" in said[3]
    assert said[0].endswith("It says iss 'https://tenant.example', aud 'box', alg 'RS256'.")
    assert "aud 'elsewhere\\n'" in said[1] and len(said[2]) < 500
    assert GENERIC.token(**wrong[0]).rpartition(".")[2] not in caplog.text


def test_what_one_issuer_is_allowed_on_the_way_to_its_keys_another_is_not() -> None:
    bold = generic(public_key="", jwks_url="http://keys.example/", allow_http=True)
    careful = generic(public_key="", jwks_url="http://keys.example/", name="second", issuer="https://2/")
    for entries in ([bold, careful], [careful, bold]):
        with pytest.raises(StartupError, match=r"^\[\[issuers\]\] second: .* in the clear"):
            Issuers(entries, HeldClock(), 5)


def test_what_is_left_out_is_filled_in_by_the_key() -> None:
    for key, algorithm in ((rsa_key(), "RS256"), (ec_key(0, "P-384"), "ES384"), (ed_key(), "EdDSA")):
        (made,) = profiles([generic(public_key=pem(key).decode())])
        assert made.algorithms == (algorithm,)
    (made,) = profiles([generic(public_key="", secret=HS_SECRET)])
    assert made.algorithms == ("HS256",)
    (made,) = profiles([generic(public_key="", jwks_url="https://x.example/")])
    assert made.algorithms == ("RS256",)


FILE = """
[[issuers]]
name = "tenant"
issuer = "https://tenant.example/"
audience = ["box"]
public_key_file = "{pem}"
workspace = "north"

[issuers.roles]
staff = ["editor", "uploader"]
"""


def test_an_issuer_in_the_file_with_its_key_in_another(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text(PEM)
    file = tmp_path / "ingestbox.toml"
    file.write_text(FILE.format(pem=tmp_path / "key.pem"))
    (entry,) = load(environ={}, file=file).settings.issuers
    assert taken(entry, GENERIC.token(roles=["staff"])) == Caller(
        "tenant:ann", "north", frozenset({"editor", "uploader"})
    )


def test_the_variables_of_the_original_make_an_issuer() -> None:
    environ = {
        "COGNITO_USER_POOL_ID": "us-east-1_x1Y2",
        "COGNITO_CLIENT_ID": "client",
        "COGNITO_REGION": "us-east-1",
        "ALLOWED_GROUP": "uploader",
    }
    loaded = load(environ=environ)
    (made,) = profiles(loaded.settings.issuers)
    assert loaded.warnings == []
    assert made.name == "cognito" and made.roles == {"uploader": frozenset({"uploader"})}
    assert made.entry.issuer == "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_x1Y2"
    own = '[{"name": "mine", "preset": "cognito", "user_pool_id": "eu-west-1_a", "client_id": "b"}]'
    (mine,) = load(environ={**environ, "INGESTBOX_ISSUERS": own}).settings.issuers
    assert (mine.name, mine.allowed_group) == ("mine", "uploader")
    with pytest.raises(StartupError, match="client_id has to be set"):
        profiles(load(environ={"COGNITO_USER_POOL_ID": "us-east-1_x1Y2"}).settings.issuers)
