"""Presets, with tokens as these issuers make them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ingestbox.config import Issuer
from ingestbox.identity.presets import FIREBASE_KEYS, filled
from ingestbox.model import Caller
from tests.identity.gates import refused, taken
from tests.identity.issuing import (
    NOW,
    KeyServer,
    Party,
    ec_key,
    jwk,
    key_server,
    pem,
    rsa_key,
)

HS_SECRET = "a secret of an issuer, of 32 bytes or more"


KEY = jwk(rsa_key(), kid="k1", use="sig", alg="RS256")
CURVE = jwk(ec_key(), kid="c1", use="sig", alg="ES256")


@pytest.fixture(scope="module")
def server() -> Iterator[KeyServer]:
    with key_server(KEY, CURVE) as made:
        yield made


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
    nobody: dict[str, Any] = {"cognito:groups": ["somebody"]}
    more = cognito(server, audience=["another"])
    for token in (
        COGNITO_ID.token(),
        COGNITO_ID.token(aud="another"),
        COGNITO_ACCESS.token(client_id="another"),
    ):
        assert taken(more, token).roles == {"uploader"}
    assert taken(entry, COGNITO_ID.token(**nobody)).roles == set()


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
    updated = "https://issuer-cognito-idp.ap-southeast-2.amazonaws.com/ap-southeast-2_x1Y2"
    entry = Issuer(
        name="c", preset="cognito", user_pool_id="ap-southeast-2_x1Y2", client_id="id", issuer=updated
    )
    assert filled(entry).jwks_url == f"{updated}/.well-known/jwks.json"


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
    service: dict[str, Any] = {
        "iss": "supabase",
        "ref": "abcdefgh",
        "role": "service_role",
        "sub": ...,
        "aud": ...,
    }
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
