"""An issuer's settings, checked and made into what verifying needs; contradictions stop the start."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

import msgspec

from ingestbox.config import Issuer
from ingestbox.errors import StartupError
from ingestbox.identity import tokens
from ingestbox.identity.algorithms import HMAC, MIN_SECRET_BYTES, Key
from ingestbox.identity.claims import is_name
from ingestbox.identity.jwk import pem_keys
from ingestbox.identity.presets import filled
from ingestbox.identity.roles import named
from ingestbox.model import Role

RESERVED = frozenset({"anonymous", "ingestbox", "key", "local", "static", "user"})
"""What subjects of other kinds begin with."""

ANY = "*"

log = logging.getLogger(__name__)


class Profile(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One issuer, ready to verify for. `keys` are those from the settings; `entry` has the claims' paths.

    `audience` is empty when every token of the issuer is taken. `roles` is by group.
    """

    entry: Issuer
    audience: frozenset[str]
    algorithms: tuple[str, ...]
    keys: tuple[Key, ...]
    roles: dict[str, frozenset[str]]
    default_roles: frozenset[str]

    @property
    def name(self) -> str:
        """What a person of this issuer is named after."""
        return self.entry.name


def profiles(entries: Iterable[Issuer]) -> list[Profile]:
    """Checks every issuer, and that they can be told apart. Raises StartupError with a sentence."""
    made = [_profile(filled(entry)) for entry in entries]
    for place, profile in enumerate(made):
        for other in made[:place]:
            if _alike(profile, other):
                raise StartupError(
                    f"[[issuers]] {other.name} and {profile.name} take the same tokens: both have the "
                    f"issuer {profile.entry.issuer}. Give each an audience of its own, or make them one."
                )
    return made


def _alike(one: Profile, other: Profile) -> bool:
    return (
        one.entry.issuer == other.entry.issuer
        and not set(one.algorithms).isdisjoint(other.algorithms)
        and (not one.audience or not other.audience or not one.audience.isdisjoint(other.audience))
    )


def _profile(entry: Issuer) -> Profile:
    where = f"[[issuers]] {entry.name}"
    if entry.name in RESERVED:
        raise StartupError(f"{where}: this name is taken by the box itself. Choose another.")
    if not entry.issuer:
        raise StartupError(f"{where}: issuer has to be set: the `iss` of its tokens, to the letter.")
    if entry.issuer == tokens.ISSUER:
        raise StartupError(f"{where}: `{tokens.ISSUER}` is the issuer of the box's own tokens.")
    algorithms, keys = _keys(where, entry)
    for key in ("workspace", "user_claim"):
        value = getattr(entry, key)
        if value == ANY or not (is_name(value) or (key == "workspace" and not value)):
            raise StartupError(f"{where}: {key} has to have 1 to 255 printable characters, and not be `*`.")
    roles = {group: named(f"{where}, roles of {group}", names) for group, names in entry.roles.items()}
    if entry.allowed_group:
        known = roles.get(entry.allowed_group, frozenset())
        roles[entry.allowed_group] = known | {Role.UPLOADER.value}
    default_roles = named(f"{where}, default_roles", entry.default_roles)
    if not (roles or default_roles):
        log.warning("%s: its users have no role. Set roles, allowed_group or default_roles.", where)
    return Profile(
        entry=entry,
        audience=_audience(where, entry.audience),
        algorithms=algorithms,
        keys=keys,
        roles=roles,
        default_roles=default_roles,
    )


def _audience(where: str, given: Sequence[str]) -> frozenset[str]:
    if given == [ANY]:
        return frozenset()
    if not given or "" in given or ANY in given:
        raise StartupError(
            f"{where}: audience has to be set: values of `aud` that mean this box. "
            f'["{ANY}"] takes every token of the issuer, also one made for somebody else.'
        )
    return frozenset(given)


def _keys(where: str, entry: Issuer) -> tuple[tuple[str, ...], tuple[Key, ...]]:
    """The algorithms, and the keys that the settings give."""
    sources = [name for name in ("secret", "public_key", "jwks_url") if getattr(entry, name)]
    both = entry.preset == "supabase" and sources == ["secret", "jwks_url"]
    if not sources:
        raise StartupError(
            f"{where}: there is no key to verify with. Set jwks_url, public_key or secret (or …_file)."
        )
    if len(sources) > 1 and not both:
        raise StartupError(f"{where}: {' and '.join(sources)} contradict each other; leave one.")
    wanted: tuple[str, ...] = tuple(dict.fromkeys(entry.algorithms))
    keys: list[Key] = []
    if entry.secret:
        keys.append(_secret(where, entry.secret))
        wanted = wanted or (HMAC,)
    if entry.public_key:
        keys += _public_keys(where, entry.public_key)
        wanted = wanted or tuple(sorted({_usual(key) for key in keys}))
    wanted = wanted or ("RS256",)
    if entry.secret and HMAC not in wanted:
        raise StartupError(f"{where}: a secret verifies {HMAC} alone, which algorithms does not have.")
    if not entry.secret and HMAC in wanted:
        raise StartupError(
            f"{where}: {HMAC} is verified with a secret, never with a public key: whoever has read the key "
            f"could sign with it. Set secret, or take {HMAC} out of algorithms."
        )
    public = [name for name in wanted if name != HMAC]
    if public and not (entry.public_key or entry.jwks_url):
        raise StartupError(f"{where}: {', '.join(public)} need a public_key or a jwks_url, not a secret.")
    if entry.public_key:
        for name in public:
            if not any(name in key.algorithms for key in keys):
                raise StartupError(f"{where}: its public_key is not for {name}: change one.")
    return wanted, tuple(keys)


def _secret(where: str, text: str) -> Key:
    if "-----BEGIN" in text or text.startswith(("ssh-", "ecdsa-")) or '"kty"' in text:
        raise StartupError(
            f"{where}: secret holds a public or private key, which is no secret for {HMAC}. "
            "Set public_key with it, and algorithms such as RS256."
        )
    raw = text.encode()
    if len(raw) < MIN_SECRET_BYTES:
        raise StartupError(
            f"{where}: secret has {len(raw)} bytes; {HMAC} needs {MIN_SECRET_BYTES} or more (RFC 7518, 3.2)."
        )
    return tokens.secret_key(raw)


def _public_keys(where: str, text: str) -> list[Key]:
    try:
        return pem_keys(text)
    except ValueError as error:
        raise StartupError(f"{where}: public_key is not good: {error}.") from None


def _usual(key: Key) -> str:
    return min(key.algorithms)  # RS256 of the three; the others have one
