"""Issuers of the settings: presets with tokens as these issuers make them, roles, workspaces, contradictions."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ingestbox.config import Issuer, load
from ingestbox.errors import IngestError, StartupError
from ingestbox.identity import claims
from ingestbox.identity.guard import Guard
from ingestbox.identity.presets import FIREBASE_KEYS, filled
from ingestbox.identity.profile import profiles
from ingestbox.identity.tokens import mint
from ingestbox.model import Caller, Role
from tests.identity.issuing import (
    NOW,
    KeyServer,
    Party,
    ec_key,
    ed_key,
    jwk,
    key_server,
    pem,
    rsa_key,
)
from tests.web.support import SECRET, HeldClock, Keys, Live, serve

HS_SECRET = "a secret of an issuer, of 32 bytes or more"
KEY = jwk(rsa_key(), kid="k1", use="sig", alg="RS256")
CURVE = jwk(ec_key(), kid="c1", use="sig", alg="ES256")
PEM = pem(rsa_key()).decode()


@pytest.fixture(scope="module")
def server() -> Iterator[KeyServer]:
    with key_server(KEY, CURVE) as made:
        yield made


class Gate:
    """A guard for these issuers."""

    def __init__(self, *entries: Issuer, users: Any = None) -> None:
        self.clock = HeldClock()
        self.guard = Guard(
            secret=SECRET,
            static=(),
            keys=Keys(),
            clock=self.clock,
            leeway_seconds=5,
            issuers=entries,
            users=users,
        )

    def caller(self, token: str) -> Caller:
        async def ask() -> Caller:
            try:
                return await self.guard.caller({"authorization": f"Bearer {token}"})
            finally:
                await self.guard.stop()

        return asyncio.run(ask())

    def refusal(self, token: str) -> str:
        with pytest.raises(IngestError) as caught:
            self.caller(token)
        return caught.value.code


def taken(entry: Issuer, token: str) -> Caller:
    return Gate(entry).caller(token)


def refused(entry: Issuer, token: str) -> bool:
    return Gate(entry).refusal(token) == "token_invalid"


# Cognito

POOL = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCdEfGhI"
SUB = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"
COGNITO_ID = Party(
    POOL,
    "RS256",
    rsa_key(),
    "k1",
    {
        "sub": SUB,
        "aud": "6example7client8id",
        "token_use": "id",
        "auth_time": NOW - 10,
        "cognito:username": "ann",
        "cognito:groups": ["uploader", "somebody"],
        "email": "ann@example.com",
        "email_verified": True,
        "event_id": "x",
        "roles": ...,
    },
)
COGNITO_ACCESS = Party(
    POOL,
    "RS256",
    rsa_key(),
    "k1",
    {
        "sub": SUB,
        "aud": ...,
        "token_use": "access",
        "client_id": "6example7client8id",
        "scope": "aws.cognito.signin.user.admin",
        "cognito:groups": ["uploader"],
        "username": "ann",
        "version": 2,
        "roles": ...,
    },
)


def cognito(server: KeyServer, **changes: Any) -> Issuer:
    given = {
        "user_pool_id": "eu-west-1_AbCdEfGhI",
        "client_id": "6example7client8id",
        "allowed_group": "uploader",
        "jwks_url": server.url,
    }
    return Issuer(name="cognito", preset="cognito", **{**given, **changes})


def test_cognito_takes_id_tokens_by_aud_and_access_tokens_by_client_id(server: KeyServer) -> None:
    entry = cognito(server)
    one = taken(entry, COGNITO_ID.token())
    assert one == Caller(f"cognito:{SUB}", "default", frozenset({"uploader"}), "ann@example.com")
    other = taken(entry, COGNITO_ACCESS.token())
    assert other == Caller(f"cognito:{SUB}", "default", frozenset({"uploader"}))
    more = cognito(server, audience=["another"])
    for token in (
        COGNITO_ID.token(),
        COGNITO_ID.token(aud="another"),
        COGNITO_ACCESS.token(client_id="another"),
    ):
        assert taken(more, token).roles == {"uploader"}
    assert taken(entry, COGNITO_ID.token(**{"cognito:groups": ["somebody"]})).roles == set()


@pytest.mark.parametrize(
    "changes",
    [
        {"token_use": ...},
        {"token_use": "refresh"},
        {"token_use": ["id"]},
        {"aud": "another"},
        {"aud": ..., "client_id": "6example7client8id"},
        {"token_use": "access"},  # has `aud`, but no client_id
        {"token_use": "access", "client_id": "another"},
        {"token_use": "access", "client_id": ["6example7client8id"]},
        {"iss": POOL.replace("GhI", "GhJ")},
        {"iss": f"{POOL}/"},
    ],
)
def test_cognito_refuses_tokens_for_other_clients_uses_and_pools(
    server: KeyServer, changes: dict[str, Any]
) -> None:
    assert refused(cognito(server), COGNITO_ID.token(**changes))


def test_cognito_finds_issuer_and_keys_by_the_pool() -> None:
    made = filled(Issuer(name="c", preset="cognito", user_pool_id="ap-southeast-2_x1Y2", client_id="id"))
    assert made.issuer == "https://cognito-idp.ap-southeast-2.amazonaws.com/ap-southeast-2_x1Y2"
    assert made.jwks_url == f"{made.issuer}/.well-known/jwks.json"


# Firebase

FIREBASE = Party(
    "https://securetoken.google.com/care-circle-1",
    "RS256",
    rsa_key(),
    "k1",
    {
        "aud": "care-circle-1",
        "sub": "Xq3example",
        "user_id": "Xq3example",
        "auth_time": NOW - 100,
        "email": "ann@example.com",
        "firebase": {"identities": {"email": ["ann@example.com"]}, "sign_in_provider": "password"},
        "role": "editor-in-chief",
        "roles": ...,
    },
)


def firebase(server: KeyServer, **changes: Any) -> Issuer:
    given = {"project_id": "care-circle-1", "jwks_url": server.url, "roles": {"editor-in-chief": ["editor"]}}
    return Issuer(name="firebase", preset="firebase", **{**given, **changes})


def test_firebase_takes_a_users_token_with_roles_from_custom_claims(server: KeyServer) -> None:
    wanted = Caller("firebase:Xq3example", "default", frozenset({"editor"}), "ann@example.com")
    assert taken(firebase(server), FIREBASE.token()) == wanted
    flags = firebase(
        server, roles_claims=["admin", "crawler"], roles={"admin": ["admin"], "crawler": ["ingest"]}
    )
    assert taken(flags, FIREBASE.token(admin=True, crawler=False)).roles == {"admin"}
    assert taken(flags, FIREBASE.token(admin="true", crawler=1)).roles == set()
    made = filled(Issuer(name="f", preset="firebase", project_id="care-circle-1"))
    assert (made.jwks_url, made.issuer) == (FIREBASE_KEYS, FIREBASE.issuer)


@pytest.mark.parametrize(
    "changes",
    [
        {"sub": ""},
        {"sub": ...},
        {"sub": "x" * 129},
        {"auth_time": ...},
        {"auth_time": NOW + 6},
        {"auth_time": True},
        {"auth_time": str(NOW)},
        {"aud": "care-circle-2"},
        {"iss": "https://securetoken.google.com/care-circle-2"},
        {"iss": "https://session.firebase.google.com/care-circle-1"},
    ],
)
def test_firebase_refuses_what_its_documentation_says_to(server: KeyServer, changes: dict[str, Any]) -> None:
    assert refused(firebase(server), FIREBASE.token(**changes))


# Supabase

SUPABASE: dict[str, Any] = {
    "aud": "authenticated",
    "sub": SUB,
    "email": "ann@example.com",
    "phone": "",
    "app_metadata": {"provider": "email", "roles": ["staff"]},
    "user_metadata": {"roles": ["owner"]},
    "role": "authenticated",
    "aal": "aal1",
    "session_id": "s",
    "is_anonymous": False,
    "roles": ...,
}
PROJECT = "https://abcdefgh.supabase.co"
SUPABASE_HS = Party(f"{PROJECT}/auth/v1", "HS256", HS_SECRET.encode(), extra=SUPABASE)
SUPABASE_ES = Party(f"{PROJECT}/auth/v1", "ES256", ec_key(), "c1", SUPABASE)


def supabase(**changes: Any) -> Issuer:
    given = {"project_url": f"{PROJECT}/", "roles": {"staff": ["analyst"], "owner": ["admin"]}}
    return Issuer(name="supabase", preset="supabase", **{**given, **changes})


def test_supabase_takes_the_secret_or_published_keys_or_both_while_a_project_moves(server: KeyServer) -> None:
    wanted = Caller(f"supabase:{SUB}", "default", frozenset({"analyst"}), "ann@example.com")
    shared, published = supabase(secret=HS_SECRET), supabase(jwks_url=server.url)
    both = supabase(secret=HS_SECRET, jwks_url=server.url, algorithms=["HS256", "ES256"])
    assert taken(shared, SUPABASE_HS.token()) == taken(published, SUPABASE_ES.token()) == wanted
    assert taken(both, SUPABASE_HS.token()) == taken(both, SUPABASE_ES.token()) == wanted
    assert refused(shared, SUPABASE_ES.token())
    assert refused(published, SUPABASE_HS.token())
    # A key that is published is not a secret, also where both kinds are taken.
    forged = Party(f"{PROJECT}/auth/v1", "HS256", pem(ec_key()), "c1", SUPABASE)
    assert refused(both, forged.token())
    everybody = supabase(secret=HS_SECRET, roles={"authenticated": ["ingest"]})
    assert taken(everybody, SUPABASE_HS.token()).roles == {"ingest"}


def test_supabase_refuses_the_keys_of_a_project_which_are_tokens_too(server: KeyServer) -> None:
    service = {"iss": "supabase", "ref": "abcdefgh", "role": "service_role", "sub": ..., "aud": ...}
    assert refused(supabase(secret=HS_SECRET), SUPABASE_HS.token(**service))
    assert refused(supabase(secret=HS_SECRET), SUPABASE_HS.token(aud="anon"))


# Keycloak

REALM = "https://login.example/realms/acme"
KEYCLOAK = Party(
    REALM,
    "RS256",
    rsa_key(),
    "k1",
    {
        "aud": "account",
        "typ": "Bearer",
        "azp": "ingest.box",
        "sub": SUB,
        "realm_access": {"roles": ["default-roles-acme", "crawler"]},
        "resource_access": {"ingest.box": {"roles": ["boss"]}, "account": {"roles": ["view-profile"]}},
        "scope": "openid email profile",
        "preferred_username": "ann",
        "email": "ann@example.com",
        "roles": ...,
    },
)


def keycloak(server: KeyServer, **changes: Any) -> Issuer:
    given = {
        "realm_url": f"{REALM}/",
        "client_id": "ingest.box",
        "jwks_url": server.url,
        "roles": {"crawler": ["ingest"], "boss": ["admin"]},
    }
    return Issuer(name="keycloak", preset="keycloak", **{**given, **changes})


def test_keycloak_takes_access_tokens_of_its_client_with_realm_and_client_roles(server: KeyServer) -> None:
    entry = keycloak(server)
    wanted = Caller(f"keycloak:{SUB}", "default", frozenset({"ingest", "admin"}), "ann@example.com")
    assert taken(entry, KEYCLOAK.token()) == wanted
    assert taken(entry, KEYCLOAK.token(azp="web", aud=["ingest.box", "account"])) == wanted
    service = keycloak(server, client_id="", audience=["box"])
    assert taken(service, KEYCLOAK.token(aud=["box"])).roles == {"ingest"}
    assert refused(service, KEYCLOAK.token())
    made = filled(Issuer(name="k", preset="keycloak", realm_url=REALM, client_id="x"))
    assert (made.issuer, made.jwks_url) == (REALM, f"{REALM}/protocol/openid-connect/certs")


@pytest.mark.parametrize(
    "changes",
    [
        {"azp": "another"},
        {"azp": ...},
        {"azp": ["ingest.box"]},
        {"typ": "Refresh"},
        {"typ": "Logout"},
        {"typ": 7},
        {"iss": "https://login.example/realms/other"},
        {"iss": "https://login.example/realms/acme/"},
    ],
)
def test_keycloak_refuses_tokens_for_other_clients_and_uses(
    server: KeyServer, changes: dict[str, Any]
) -> None:
    assert refused(keycloak(server), KEYCLOAK.token(**changes))


# Any issuer

GENERIC = Party("https://tenant.example/", "RS256", rsa_key(), extra={"roles": ...})


def generic(**changes: Any) -> Issuer:
    given = {"issuer": GENERIC.issuer, "audience": ["box"], "public_key": PEM, "default_roles": ["ingest"]}
    return Issuer(**{"name": "tenant", **given, **changes})


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("https://box.example/roles", {"https://box.example/roles": ["staff"]}),
        ("https://box.example/app.roles", {"https://box.example/app": {"roles": ["staff"]}}),
        ("cognito:groups", {"cognito:groups": ["staff"]}),
        ("a.b.c", {"a": {"b": {"c": ["staff"]}}}),
        ("a.b.c", {"a.b": {"c": ["staff"]}}),
        ("a.b.c", {"a": {"b.c": ["staff"]}}),
        ("a.b.c", {"a.b.c": ["staff"], "a": {"b": {"c": ["other"]}}}),
        ("a.b.c", {"a": {"b": 7}, "a.b": {"c": ["staff"]}}),
        ("scope", {"scope": "openid staff email"}),
        ("group", {"group": "staff"}),
        ("groups", {"groups": {"staff": True, "other": False}}),
        ("groups", {"groups": [7, None, "staff"]}),
        ("is.staff", {"is": {"staff": True}}),
    ],
)
def test_groups_are_found_where_an_issuer_has_them(path: str, said: dict[str, Any]) -> None:
    entry = generic(roles_claims=["nowhere", path], roles={"staff": ["editor", "uploader"]}, default_roles=[])
    assert taken(entry, GENERIC.token(**said)).roles == {"editor", "uploader"}


@pytest.mark.parametrize(
    "said", [..., None, 7, [], {}, "", "other", ["admin", "editor"], {"staff": 1}, False, [[]]]
)
def test_groups_that_are_not_in_the_map_give_nothing_not_even_those_called_as_a_role(said: Any) -> None:
    entry = generic(roles_claims=["groups"], roles={"staff": ["editor"]}, default_roles=[])
    assert taken(entry, GENERIC.token(groups=said)).roles == set()
    usual = msgspec.structs.replace(entry, default_roles=["analyst"])
    assert taken(usual, GENERIC.token(groups=said)).roles == {"analyst"}


def test_default_roles_are_for_users_whose_groups_give_none() -> None:
    entry = generic(
        roles_claims=["groups"], roles={"staff": ["editor"]}, allowed_group="up", default_roles=["ingest"]
    )
    for groups, roles in (
        (["staff"], {"editor"}),
        (["up", "staff"], {"editor", "uploader"}),
        (["x"], {"ingest"}),
    ):
        assert taken(entry, GENERIC.token(groups=groups)).roles == roles


def test_a_group_whose_name_has_a_space_is_one_group() -> None:
    entry = generic(roles_claims=["group"], roles={"data staff": ["editor"]}, default_roles=[])
    assert taken(entry, GENERIC.token(group="data staff")).roles == {"editor"}


def test_the_same_sub_from_two_issuers_is_two_people() -> None:
    other = Party("https://other.example/", "EdDSA", ed_key(), extra={"roles": ...})
    second = generic(name="other", issuer=other.issuer, public_key=pem(ed_key()).decode())
    gate = Gate(generic(), second)
    assert gate.caller(GENERIC.token()).subject == "tenant:ann"
    assert gate.caller(other.token()).subject == "other:ann"
    own = mint(SECRET, subject="ann", roles=[Role.INGEST], ttl_seconds=60, clock=gate.clock)
    assert gate.caller(own).subject == "local:ann"
    assert gate.refusal(GENERIC.token(iss=other.issuer)) == "token_invalid"
    assert gate.refusal(other.token(iss=GENERIC.issuer)) == "token_invalid"


def test_two_of_one_iss_are_told_apart_by_audience_or_algorithm() -> None:
    by_audience = Gate(generic(), generic(name="second", audience=["reports"]))
    assert by_audience.caller(GENERIC.token()).subject == "tenant:ann"
    assert by_audience.caller(GENERIC.token(aud="reports")).subject == "second:ann"
    assert by_audience.caller(GENERIC.token(aud=["reports", "box"])).subject == "tenant:ann"  # the first
    assert by_audience.refusal(GENERIC.token(aud="other")) == "token_invalid"
    by_algorithm = Gate(generic(), generic(name="second", public_key=pem(ec_key()).decode()))
    curve = Party(GENERIC.issuer, "ES256", ec_key())
    assert by_algorithm.caller(GENERIC.token()).subject == "tenant:ann"
    assert by_algorithm.caller(curve.token()).subject == "second:ann"


def test_any_audience_has_to_be_asked_for() -> None:
    entry = generic(audience=["*"])
    for aud in ("box", "other", ["a", "b"], ...):
        assert taken(entry, GENERIC.token(aud=aud)).subject == "tenant:ann"
    for aud in (7, [], None):
        assert refused(entry, GENERIC.token(aud=aud))


def test_the_workspace_is_fixed_or_a_claim() -> None:
    assert taken(generic(), GENERIC.token(ws="north")).workspace == "default"
    assert taken(generic(workspace="south"), GENERIC.token(ws="north")).workspace == "south"
    claim = generic(workspace_claim="org.id")
    assert taken(claim, GENERIC.token(org={"id": "north"})).workspace == "north"
    assert refused(claim, GENERIC.token())  # nothing says whose rows these would be
    fallback = generic(workspace_claim="org.id", workspace="south")
    assert taken(fallback, GENERIC.token()).workspace == "south"
    for wrong in ("", 7, True, ["north"], "n" * 256, "a\nb", "*"):
        for entry in (claim, fallback):
            assert refused(entry, GENERIC.token(org={"id": wrong})), wrong


def test_user_id_and_email_are_found_by_their_claims() -> None:
    entry = generic(user_claim="identity.login", email_claim="identity.mail")
    caller = taken(entry, GENERIC.token(identity={"login": "ann", "mail": "ann@example.com"}, sub="x"))
    assert (caller.subject, caller.email) == ("tenant:ann", "ann@example.com")
    assert taken(entry, GENERIC.token(identity={"login": "ann", "mail": 7})).email == ""
    assert refused(entry, GENERIC.token(identity={"login": 7}))
    assert refused(entry, GENERIC.token())


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (rsa_key(), "RS256"),
        (rsa_key(), "RS384"),
        (rsa_key(), "RS512"),
        (ec_key(), "ES256"),
        (ec_key(0, "P-384"), "ES384"),
        (ed_key(), "EdDSA"),
    ],
)
def test_every_algorithm_verifies(key: Any, algorithm: Any) -> None:
    party = Party(GENERIC.issuer, algorithm, key, extra={"roles": ...})
    entry = generic(public_key=pem(key).decode(), algorithms=[algorithm])
    assert taken(entry, party.token()).subject == "tenant:ann"
    assert refused(entry, party.token()[:-6] + "AAAAAA")


def test_a_certificate_will_do_for_a_key() -> None:
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.serialization import Encoding

    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tenant")])
    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(rsa_key().public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=1))
        .sign(rsa_key(), hashes.SHA256())
    )
    text = made.public_bytes(Encoding.PEM).decode()
    assert taken(generic(public_key=text), GENERIC.token()).subject == "tenant:ann"


# Settings that contradict each other


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


def test_what_is_left_out_is_filled_in_by_the_key() -> None:
    for key, algorithm in ((rsa_key(), "RS256"), (ec_key(0, "P-384"), "ES384"), (ed_key(), "EdDSA")):
        (made,) = profiles([generic(public_key=pem(key).decode())])
        assert made.algorithms == (algorithm,)
    (made,) = profiles([generic(public_key="", secret=HS_SECRET)])
    assert made.algorithms == ("HS256",)
    (made,) = profiles([generic(public_key="", jwks_url="https://x.example/")])
    assert made.algorithms == ("RS256",)


# Where settings come from

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
    assert (made.name, made.roles) == ("cognito", {"uploader": {"uploader"}})
    assert made.entry.issuer == "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_x1Y2"
    own = '[{"name": "mine", "preset": "cognito", "user_pool_id": "eu-west-1_a", "client_id": "b"}]'
    (mine,) = load(environ={**environ, "INGESTBOX_ISSUERS": own}).settings.issuers
    assert (mine.name, mine.allowed_group) == ("mine", "uploader")
    with pytest.raises(StartupError, match="client_id has to be set"):
        profiles(load(environ={"COGNITO_USER_POOL_ID": "us-east-1_x1Y2"}).settings.issuers)


# The box's own users


class User(msgspec.Struct, frozen=True):
    roles: list[str]
    workspace: str = "north"
    email: str = "ann@example.com"
    generation: int = 3
    disabled: bool = False


class Users:
    def __init__(self) -> None:
        self.found: dict[int, User] = {5: User(["editor"])}
        self.looked_up: list[int] = []

    async def find(self, user_id: int) -> User | None:
        self.looked_up.append(user_id)
        return self.found.get(user_id)


def login(clock: HeldClock, subject: str = "user-5", generation: int | None = 3) -> str:
    return mint(
        SECRET,
        subject=subject,
        roles=[Role.ADMIN],
        workspace="south",
        ttl_seconds=3600,
        clock=clock,
        generation=generation,
        email="old@example.com",
    )


def test_a_login_is_good_while_its_user_is_with_the_users_roles_and_workspace() -> None:
    users = Users()

    async def test(live: Live) -> None:
        token = login(live.clock)
        async with live.client() as client:

            async def who() -> Mapping[str, Any]:
                reply = await client.get("/api/echo", headers={"Authorization": f"Bearer {token}"})
                return reply.json() if reply.status_code == 200 else {"status": reply.status_code}

            for _ in range(3):
                found = await who()
            assert (found["subject"], found["workspace"], found["roles"]) == ("user:5", "north", ["editor"])
            assert users.looked_up == [5]
            users.found[5] = User(["analyst"])
            assert (await who())["roles"] == ["editor"]
            live.clock.ms += 500
            assert (await who())["roles"] == ["analyst"]
            for wrong in (User([], disabled=True), User([], generation=4), User([], generation=2)):
                users.found[5] = wrong
                live.guard.forget_user(5)
                assert await who() == {"status": 401}
            users.found[5] = User(["admin"])
            live.guard.forget_user(5)
            assert (await who())["roles"] == ["admin"]
            del users.found[5]
            live.clock.ms += 500
            assert await who() == {"status": 401}
            live.clock.ms += 3_600_000
            users.found[5] = User(["admin"])
            assert await who() == {"status": 401}

    serve(test, users=users)


def test_a_login_for_nobody_in_particular_is_refused() -> None:
    gate = Gate(users=Users())
    assert gate.caller(login(gate.clock)).email == "ann@example.com"
    for subject in ("ann", "user-", "user-05", "user-5 ", "user-x", "user-٥", "user-" + "9" * 19, "xuser-5"):
        assert gate.refusal(login(gate.clock, subject)) == "token_invalid", subject
    assert gate.refusal(login(gate.clock, "user-6")) == "token_invalid"
    assert Gate().refusal(login(gate.clock)) == "token_invalid"  # no users here
    named = gate.caller(login(gate.clock, generation=None))  # somebody else who is called like that
    assert (named.subject, named.workspace, named.email) == ("local:user-5", "south", "old@example.com")
    for wrong in (-1, True, "3", 3.5, None):
        token = Party(
            "ingestbox", "HS256", SECRET, extra={"aud": "ingestbox", "sub": "user-5", "gen": wrong}
        ).token()
        if wrong is None:
            assert gate.caller(token).subject == "local:user-5"
        else:
            assert gate.refusal(token) == "token_invalid", wrong


def test_paths_that_lead_nowhere_find_nothing() -> None:
    for path in ("", ".", "a.", ".a", "a..b", "a.b.c.d", "x"):
        assert claims.find({"a": {"b": 1}}, path) is None
