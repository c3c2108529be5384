"""docs/identity-providers.md: its settings, at a box that fetches keys from a server that plays the provider,
and tokens with the claims that each of them documents."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from ingestbox.clock import SystemClock
from ingestbox.config import load
from ingestbox.identity.presets import FIREBASE_KEYS, filled
from tests.docs.support import Page, Shell, replaced
from tests.harness import PATIENCE, BoxProcess, ticket, until
from tests.identity.issuing import KeyServer, Party, jwk, rsa_key

PAGE = Page("identity-providers.md")
SUB = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"
NUMBERS = {"cognito": 1, "firebase": 2, "keycloak": 3}
"""Of each provider's key."""

NOW = SystemClock().now_ms() // 1000
TIMES = {"iat": NOW - 60, "auth_time": NOW - 60, "exp": NOW + 3600, "roles": ...}

POOL = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCdEfGhI"
COGNITO: dict[str, Any] = {
    **TIMES,
    "iss": POOL,
    "sub": SUB,
    "origin_jti": "b1",
    "jti": "b2",
    "event_id": "b3",
}
COGNITO_ID = {
    **COGNITO,
    "aud": "6example7client8id",
    "token_use": "id",
    "email": "ann@example.com",
    "email_verified": True,
    "cognito:username": "ann",
    "cognito:groups": ["editors", "eu-west-1_AbCdEfGhI_Google"],
    "identities": [{"userId": "1", "providerName": "Google", "providerType": "Google", "primary": "true"}],
}
COGNITO_ACCESS = {
    **COGNITO,
    "aud": ...,
    "token_use": "access",
    "client_id": "1another2client3id",
    "username": "ann",
    "version": 2,
    "scope": "openid email aws.cognito.signin.user.admin",
    "cognito:groups": ["administrators"],
}
COGNITO_PROGRAM = {
    **TIMES,
    "iss": POOL,
    "aud": ...,
    "sub": "6example7client8id",
    "token_use": "access",
    "scope": "ingestbox/ingest",
    "client_id": "6example7client8id",
    "version": 2,
    "jti": "b4",
}
FIREBASE: dict[str, Any] = {
    **TIMES,
    "iss": "https://securetoken.google.com/acme-ingest",
    "aud": "acme-ingest",
    "sub": "Xq3example",
    "user_id": "Xq3example",
    "name": "Ann",
    "email": "ann@example.com",
    "email_verified": True,
    "firebase": {"identities": {"email": ["ann@example.com"]}, "sign_in_provider": "password"},
}
KEYCLOAK: dict[str, Any] = {
    **TIMES,
    "iss": "https://login.example.com/realms/acme",
    "aud": "account",
    "jti": "onrtro:1",
    "sub": SUB,
    "typ": "Bearer",
    "azp": "ingestbox",
    "sid": "s1",
    "acr": "1",
    "allowed-origins": ["https://app.example.com"],
    "realm_access": {"roles": ["default-roles-acme", "offline_access", "uma_authorization"]},
    "resource_access": {"account": {"roles": ["manage-account", "view-profile"]}},
    "scope": "openid email profile",
    "email_verified": True,
    "preferred_username": "ann",
    "email": "ann@example.com",
}


def token(provider: str, claims: dict[str, Any], **changes: Any) -> str:
    """A token with these claims, changed; `...` takes one away."""
    given = {**claims, **changes}
    party = Party(given["iss"], "RS256", rsa_key(NUMBERS[provider]), kid=provider)
    return party.token(**{"aud": "", **given})


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, KeyServer]]:
    """One for each provider, with its keys."""
    made: dict[str, KeyServer] = {}
    for name, number in NUMBERS.items():
        made[name] = KeyServer(jwk(rsa_key(number), kid=name, use="sig", alg="RS256"))
    yield made
    for server in made.values():
        server.down()


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory, servers: dict[str, KeyServer]) -> Iterator[BoxProcess]:
    """A box with all three; their keys are on this machine."""
    text = ""
    for number, name in enumerate(NUMBERS):
        entry = PAGE.file("/etc/ingestbox/ingestbox.toml", number=number)
        assert f'name = "{name}"' in entry
        at = f'preset = "{name}"\n'
        text += replaced(entry, {at: f'{at}jwks_url = "{servers[name].url}"\n'})
    made = BoxProcess(tmp_path_factory.mktemp("issuers"), config=text).start()
    until(lambda: all(server.asked for server in servers.values()), "the keys were fetched")
    yield made
    made.close()


def asked(box: BoxProcess, given: str, method: str, path: str, **options: Any) -> httpx2.Response:
    """An answer to somebody with this token."""
    with httpx2.Client(base_url=box.url, timeout=PATIENCE, trust_env=False, verify=False) as client:
        return client.request(method, path, headers={"Authorization": f"Bearer {given}"}, **options)


CALLS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "ingest": ("POST", "/api/data-ingest", {"json": {"records": [ticket(1)]}}),
    "analyst": ("POST", "/api/data-ingest", {"json": {"records": [ticket(1)]}}),
    "uploader": (
        "POST",
        "/jobs/preview",
        {"files": {"file": ("a.csv", "email,first_name,last_name,company\n")}},
    ),
    "admin": ("GET", "/v1/keys", {}),
}
"""A call for each role that others may not make."""


def roles(box: BoxProcess, given: str) -> set[str]:
    """What somebody may do, of what is asked here."""
    found: set[str] = set()
    for role, (method, path, options) in CALLS.items():
        answer = asked(box, given, method, path, **options)
        assert answer.status_code != 401, answer.text
        found |= {role} if answer.status_code != 403 else set()
    return found


WRITES = {"ingest", "analyst"}


@pytest.mark.parametrize(
    ("provider", "claims", "may"),
    [
        ("cognito", COGNITO_ID, {"uploader"}),
        ("cognito", COGNITO_ACCESS, {*WRITES, "uploader", "admin"}),
        ("cognito", COGNITO_PROGRAM, WRITES),
        ("cognito", {**COGNITO_PROGRAM, "scope": "other/ingest"}, set()),
        ("firebase", {**FIREBASE, "roles": ["crawler"]}, WRITES),
        ("firebase", {**FIREBASE, "roles": "staff", "tenant": "north"}, {*WRITES, "uploader"}),
        ("firebase", {**FIREBASE, "admin": True}, {*WRITES, "uploader", "admin"}),
        ("firebase", FIREBASE, set()),
        ("keycloak", {**KEYCLOAK, "realm_access": {"roles": ["crawler", "offline_access"]}}, WRITES),
        ("keycloak", {**KEYCLOAK, "resource_access": {"ingestbox": {"roles": ["crawler"]}}}, WRITES),
        ("keycloak", {**KEYCLOAK, "groups": ["/sales/staff"], "workspace": "north"}, {"uploader"}),
        ("keycloak", KEYCLOAK, set()),
    ],
)
def test_groups_become_the_roles_of_the_page(
    box: BoxProcess, provider: str, claims: dict[str, Any], may: set[str]
) -> None:
    assert roles(box, token(provider, claims)) == may


@pytest.mark.parametrize(
    ("provider", "claims"),
    [
        ("cognito", {**COGNITO_ID, "aud": "a-client-of-others"}),
        ("cognito", {**COGNITO_ACCESS, "client_id": "a-client-of-others"}),
        ("cognito", {**COGNITO_ID, "token_use": "refresh"}),
        ("firebase", {**FIREBASE, "iss": "https://session.firebase.google.com/acme-ingest"}),
        ("firebase", {**FIREBASE, "aud": "another-project"}),
        ("keycloak", {**KEYCLOAK, "azp": "web"}),
        ("keycloak", {**KEYCLOAK, "typ": "Refresh"}),
        ("keycloak", {**KEYCLOAK, "iss": "https://login.example.com/realms/acme/"}),
    ],
)
def test_tokens_for_others_and_for_other_uses_are_not_taken(
    box: BoxProcess, provider: str, claims: dict[str, Any]
) -> None:
    answer = asked(box, token(provider, claims), "GET", "/v1/keys")
    assert (answer.status_code, answer.json()["code"]) == (401, "token_invalid")


def test_a_client_of_another_app_is_taken_with_an_audience_mapper(box: BoxProcess) -> None:
    claims = {**KEYCLOAK, "azp": "web", "aud": ["ingestbox", "account"], "groups": ["/sales/staff"]}
    assert roles(box, token("keycloak", claims)) == {"uploader"}


def test_a_workspace_sees_its_own(box: BoxProcess) -> None:
    north = token("firebase", {**FIREBASE, "roles": ["staff"], "tenant": "north"})
    south = token("firebase", {**FIREBASE, "roles": ["staff"], "tenant": "south"})
    sent = asked(box, north, "POST", "/api/data-ingest", json={"records": [ticket(7)]}).json()
    assert asked(box, north, "GET", f"/v1/jobs/{sent['job_id']}").status_code == 200
    assert asked(box, south, "GET", f"/v1/jobs/{sent['job_id']}").status_code == 404


def test_without_the_settings_of_the_test_keys_come_from_where_the_page_says(tmp_path: Path) -> None:
    found = {}
    for number, name in enumerate(NUMBERS):
        file = tmp_path / f"{name}.toml"
        file.write_text(PAGE.file("/etc/ingestbox/ingestbox.toml", number=number), "utf-8")
        loaded = load(environ={}, file=file)
        assert not loaded.warnings
        (entry,) = loaded.settings.issuers
        found[name] = filled(entry).jwks_url
    realm = "https://login.example.com/realms/acme/protocol/openid-connect/certs"
    assert found == {"cognito": f"{POOL}/.well-known/jwks.json", "firebase": FIREBASE_KEYS, "keycloak": realm}
    assert "https://cognito-idp.REGION.amazonaws.com/POOL/.well-known/jwks.json" in PAGE.text


def test_the_commands_of_the_page_say_that_all_is_well(box: BoxProcess, tmp_path: Path) -> None:
    given = token("keycloak", {**KEYCLOAK, "realm_access": {"roles": ["crawler"]}})
    shell = Shell(
        tmp_path,
        at={"127.0.0.1:8000": int(box.url.rpartition(":")[2])},
        places={"/etc/ingestbox/ingestbox.toml": box.folder / "ingestbox.toml"},
        environ={"TOKEN": given},
    )
    checked, answered = (shell.type(command) for command in PAGE.commands())
    assert "keycloak" in checked
    assert answered == "200\n"
    assert json.loads((tmp_path / "answer.json").read_text())["record_count"] == 1
    assert f'"keycloak:{SUB}"' in box.log.read_text()
