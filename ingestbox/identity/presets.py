"""Known issuers: what their settings leave out, filled in from what each of them documents."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from msgspec.structs import replace

from ingestbox.config import Issuer
from ingestbox.errors import StartupError

FIREBASE_KEYS = "https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com"

_OWN_KEYS = {
    "region": ("cognito",),
    "user_pool_id": ("cognito",),
    "client_id": ("cognito", "keycloak"),
    "project_id": ("firebase",),
    "project_url": ("supabase",),
    "realm_url": ("keycloak",),
}
"""Settings that only some presets have, and whose."""

_POOL = re.compile(r"([a-z]{2}(?:-[a-z]+)+-[0-9]+)_[A-Za-z0-9]{1,55}")
_PROJECT = re.compile(r"[a-z0-9][a-z0-9-]{3,62}")
_URL = re.compile(r"https?://[^\s/?#]+(?:/[^\s?#]*)?")


def filled(entry: Issuer) -> Issuer:
    """The entry with what its preset knows. Raises StartupError for what is missing or out of place."""
    where = f"[[issuers]] {entry.name}"
    for key, presets in _OWN_KEYS.items():
        if getattr(entry, key) and entry.preset not in presets:
            names = " and ".join(f"`{preset}`" for preset in presets)
            raise StartupError(f"{where}: {key} is for the preset {names}. Set preset, or leave {key} out.")
    if not entry.preset:
        return entry if entry.roles_claims else replace(entry, roles_claims=["roles", "role", "scope"])
    return _PRESETS[entry.preset](where, entry)


def _cognito(where: str, entry: Issuer) -> Issuer:
    pool = _POOL.fullmatch(entry.user_pool_id)
    if pool is None:
        raise StartupError(f"{where}: user_pool_id has to be set, in the form eu-west-1_AbCdEfGhI.")
    if entry.region not in ("", pool[1]):
        raise StartupError(
            f"{where}: the pool {entry.user_pool_id} is in {pool[1]}, not in {entry.region}. "
            "Correct region, or leave it out."
        )
    if not (entry.client_id or entry.audience):
        raise StartupError(f"{where}: client_id has to be set: the app client whose tokens are taken.")
    issuer = entry.issuer or f"https://cognito-idp.{pool[1]}.amazonaws.com/{entry.user_pool_id}"
    return _with(entry, issuer, f"{issuer}/.well-known/jwks.json", ["cognito:groups"])


def _firebase(where: str, entry: Issuer) -> Issuer:
    if not _PROJECT.fullmatch(entry.project_id):
        raise StartupError(f"{where}: project_id has to be set: the id of the Firebase project.")
    issuer = entry.issuer or f"https://securetoken.google.com/{entry.project_id}"
    entry = replace(entry, audience=entry.audience or [entry.project_id])
    return _with(entry, issuer, FIREBASE_KEYS, ["roles", "role", "groups"])


def _supabase(where: str, entry: Issuer) -> Issuer:
    project = _base(where, "project_url", entry.project_url, "https://abcdefgh.supabase.co")
    for path in (*entry.roles_claims, entry.workspace_claim, entry.user_claim, entry.email_claim):
        if path.partition(".")[0] == "user_metadata":
            raise StartupError(
                f"{where}: users write user_metadata themselves; take from app_metadata what counts."
            )
    issuer = entry.issuer or f"{project}/auth/v1"
    entry = replace(entry, audience=entry.audience or ["authenticated"])
    if entry.secret:
        published = any(name != "HS256" for name in entry.algorithms)  # a project that moves to new keys
    else:
        published = True
        entry = replace(entry, algorithms=entry.algorithms or ["ES256", "RS256"])
    keys = f"{issuer}/.well-known/jwks.json"
    roles = ["app_metadata.roles", "app_metadata.role", "role"]
    return _with(entry, issuer, keys if published else "", roles)


def _keycloak(where: str, entry: Issuer) -> Issuer:
    realm = _base(where, "realm_url", entry.realm_url, "https://login.example/realms/acme")
    if not (entry.client_id or entry.audience):
        raise StartupError(f"{where}: client_id has to be set: the client whose tokens are taken.")
    roles = ["realm_access.roles"]
    if entry.client_id:
        roles.append(f"resource_access.{entry.client_id}.roles")
    return _with(entry, entry.issuer or realm, f"{realm}/protocol/openid-connect/certs", roles)


_PRESETS: Mapping[str, Callable[[str, Issuer], Issuer]] = {
    "cognito": _cognito,
    "firebase": _firebase,
    "supabase": _supabase,
    "keycloak": _keycloak,
}


def _with(entry: Issuer, issuer: str, jwks_url: str, roles_claims: list[str]) -> Issuer:
    audience = [*entry.audience]
    if entry.client_id and entry.client_id not in audience:
        audience.insert(0, entry.client_id)
    return replace(
        entry,
        issuer=issuer,
        audience=audience,
        jwks_url=entry.jwks_url or ("" if entry.public_key else jwks_url),
        roles_claims=entry.roles_claims or roles_claims,
    )


def _base(where: str, key: str, url: str, example: str) -> str:
    if not _URL.fullmatch(url):
        raise StartupError(f"{where}: {key} has to be set, such as {example}.")
    return url.rstrip("/")
