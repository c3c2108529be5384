"""The settings of one issuer of tokens (contract: common, Identity). What they mean: `identity`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Algorithm = Literal["HS256", "RS256", "RS384", "RS512", "ES256", "ES384", "EdDSA"]
"""The signatures that can be asked for; `none` and everything else there is cannot."""

Preset = Literal["", "cognito", "firebase", "supabase", "keycloak"]


class Issuer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[[issuers]]: somebody else whose tokens the box takes.

    A claim is named by its path: `realm_access.roles` is `roles` within `realm_access`. A claim that has
    dots in its name is found too: `https://example.com/roles`, `resource_access.my.client.roles`.
    """

    name: Annotated[
        str,
        Meta(
            pattern="^[a-z][a-z0-9_-]{0,31}$",
            description="Name of the issuer; a person is `name:sub`. Not `anonymous`, `key`, `local`, "
            "`static` or `user`.",
        ),
    ]
    preset: Annotated[
        Preset,
        Meta(
            description="Whose tokens these are, where the box knows them: `cognito`, `firebase`, `supabase` "
            "or `keycloak`. It fills in what is not set below."
        ),
    ] = ""
    region: Annotated[
        str, Meta(description="Cognito: the region, if it is not the start of `user_pool_id`.")
    ] = ""
    user_pool_id: Annotated[
        str,
        Meta(
            description="Cognito: the user pool, such as `eu-west-1_AbCdEfGhI`; if its issuer is of the kind "
            "UPDATED, set `issuer` too: `https://issuer-cognito-idp.REGION.amazonaws.com/POOL`. The "
            "variables COGNITO_USER_POOL_ID, COGNITO_CLIENT_ID and COGNITO_REGION alone make an issuer too."
        ),
    ] = ""
    client_id: Annotated[
        str,
        Meta(
            description="Cognito and Keycloak: the client whose tokens are taken (ID tokens by `aud`, access "
            "tokens by `client_id` or `azp`); more of them in `audience`."
        ),
    ] = ""
    project_id: Annotated[str, Meta(description="Firebase: the project's id.")] = ""
    project_url: Annotated[
        str, Meta(description="Supabase: the project's URL, such as `https://abcdefgh.supabase.co`.")
    ] = ""
    realm_url: Annotated[
        str, Meta(description="Keycloak: the realm's URL, such as `https://login.example/realms/acme`.")
    ] = ""
    issuer: Annotated[
        str, Meta(description="The token's `iss`, to the letter; a preset makes it from the keys above.")
    ] = ""
    audience: Annotated[
        list[str],
        Meta(
            description="Values of `aud`, one of which the token must have. `*` alone takes every token "
            "of the issuer, whomever it is meant for."
        ),
    ] = []
    algorithms: Annotated[
        list[Algorithm],
        Meta(
            description="Signatures that are taken. Unless given: HS256 with a secret, what the key is for "
            "with a PEM, RS256 with a JWKS (Supabase: ES256 and RS256)."
        ),
    ] = []
    secret: Annotated[
        str, Meta(description="The secret that signs HS256 tokens, 32 bytes or more; as it is, not decoded.")
    ] = ""
    secret_file: Annotated[str, Meta(description="A file that holds the secret instead.")] = ""
    public_key: Annotated[
        str,
        Meta(description="The key that verifies, as PEM (`PUBLIC KEY` or `CERTIFICATE`); or several."),
    ] = ""
    public_key_file: Annotated[str, Meta(description="A file that holds the PEM instead.")] = ""
    jwks_url: Annotated[
        str,
        Meta(
            description="Where the issuer publishes its keys (JWKS). HTTPS, or HTTP on this machine; a "
            "preset makes it from the keys above."
        ),
    ] = ""
    jwks_ca: Annotated[
        str,
        Meta(description="File with the CAs (PEM) that vouch for the JWKS server. Empty: the public ones."),
    ] = ""
    allow_http: Annotated[
        bool,
        Meta(
            description="Fetch the JWKS over HTTP from another machine too: whoever is on the way can then "
            "make tokens."
        ),
    ] = False
    user_claim: Annotated[str, Meta(description="Claim with the user's id, a text.")] = "sub"
    email_claim: Annotated[str, Meta(description="Claim with the user's e-mail address.")] = "email"
    roles_claims: Annotated[
        list[str],
        Meta(
            description="Claims with the user's groups: a list, words separated by spaces, names that are "
            "true, or true itself. Unless given, the preset's, else `roles`, `role` and `scope`."
        ),
    ] = []
    workspace_claim: Annotated[
        str, Meta(description="Claim with the user's workspace; a token without it has that of `workspace`.")
    ] = ""
    workspace: Annotated[
        str,
        Meta(
            description="Workspace of this issuer's users. Empty: `default`, or that of `workspace_claim` "
            "alone, and a token without one is refused."
        ),
    ] = ""
    roles: Annotated[
        dict[str, list[str]],
        Meta(
            description="What each group may do: `{ staff = ['uploader', 'editor'] }`. A group that is not "
            "here gives no role, not even one called `admin`."
        ),
    ] = {}
    allowed_group: Annotated[
        str,
        Meta(description="The group that becomes `uploader`; unless given, what ALLOWED_GROUP says."),
    ] = ""
    default_roles: Annotated[
        list[str],
        Meta(
            description="Roles of users whose groups give none: of all who can sign in there, also "
            "anonymously."
        ),
    ] = []


def from_environment(environ: Mapping[str, str], entries: list[object]) -> list[object]:
    """The entries of `[[issuers]]` with what COGNITO_USER_POOL_ID, COGNITO_CLIENT_ID, COGNITO_REGION and
    ALLOWED_GROUP add, the names that the documented original takes: an issuer `cognito`, unless there is one
    of that name or with that preset, and the group of those that name none."""
    pool = environ.get("COGNITO_USER_POOL_ID", "")
    group = environ.get("ALLOWED_GROUP", "")
    known = [entry for entry in entries if isinstance(entry, dict)]
    added: list[object] = []
    if pool and not any("cognito" in (entry.get("name"), entry.get("preset")) for entry in known):
        added.append(
            {
                "name": "cognito",
                "preset": "cognito",
                "user_pool_id": pool,
                "client_id": environ.get("COGNITO_CLIENT_ID", ""),
                "region": environ.get("COGNITO_REGION", ""),
            }
        )
    return [
        {"allowed_group": group, **entry} if group and isinstance(entry, dict) else entry
        for entry in (*entries, *added)
    ]
