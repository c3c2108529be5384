"""Other people's tokens: which issuer has to verify one, and whom it then speaks for (contract: common)."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from ingestbox.clock import Clock
from ingestbox.config import Issuer
from ingestbox.errors import IngestError
from ingestbox.identity import claims
from ingestbox.identity.algorithms import HMAC, Key, verifies
from ingestbox.identity.fetch import Fetcher
from ingestbox.identity.jwks import Jwks
from ingestbox.identity.jws import Token
from ingestbox.identity.profile import ANY, Profile, profiles
from ingestbox.identity.tokens import Verified
from ingestbox.model import DEFAULT_WORKSPACE, Caller

MAX_FIREBASE_USER = 128

TOLD_SECONDS = 10.0
"""How often the log says what tokens nobody takes: an operator needs one line, a flood gets no more."""
MOST_TOLD = 200

log = logging.getLogger(__name__)


class IssuerState(msgspec.Struct, frozen=True):
    """How an issuer is: `detail` is a phrase without secrets; `since_ms` (Unix ms) is when `ok` changed."""

    name: str
    ok: bool
    detail: str
    since_ms: int


class ForeignIssuer:
    """Verifies the tokens of one issuer."""

    def __init__(self, profile: Profile, jwks: Jwks | None, clock: Clock, leeway_seconds: int) -> None:
        """`jwks` are the keys it publishes, if they come from there."""
        self._profile = profile
        self._jwks = jwks
        self._clock = clock
        self._leeway_ms = leeway_seconds * 1000
        self._settled_ms = clock.now_ms()
        self._own = frozenset(key.identity for key in profile.keys)

    def state(self) -> IssuerState:
        """How it is now."""
        if self._jwks is None:
            return IssuerState(self._profile.name, True, "its key is in the settings", self._settled_ms)
        found = self._jwks.condition
        return IssuerState(self._profile.name, found.ok, found.detail, found.since_ms)

    def takes(self, token: Token) -> bool:
        """Whether this issuer's algorithms and audience are those of a token that has its `iss`.

        Raises IngestError `token_invalid` for an audience of the wrong type.
        """
        if token.algorithm not in self._profile.algorithms:
            return False
        wanted = self._profile.audience
        if self._profile.entry.preset == "cognito":
            return _is_cognito(token.claims, wanted)
        audience = claims.audience(token.claims)
        if not wanted or (audience is not None and not wanted.isdisjoint(audience)):
            return True
        # Keycloak says for which client it made a token in `azp`; `aud` names whom that client may call.
        client = self._profile.entry.client_id
        return bool(client) and token.claims.get("azp") == client

    def holds(self, identity: bytes) -> bool:
        """Whether a key that verified a token would do so still."""
        return identity in self._own or (self._jwks is not None and self._jwks.holds(identity))

    async def verify(self, token: Token) -> Verified:
        """Whom the token speaks for. Everything that can be is checked before the issuer is asked for keys.

        Raises IngestError: token_expired; issuer_unavailable; token_invalid for everything else.
        """
        found = claims.times(token.claims)
        claims.check_times(found, self._clock.now_ms(), self._leeway_ms)
        self._check_preset(token.claims)
        caller = self._caller(token.claims)
        expired = found.expires_ms + self._leeway_ms <= self._clock.now_ms()
        key = _verifying(await self._keys(token, expired), token)
        until_ms = claims.check_expiry(found, self._clock.now_ms(), self._leeway_ms)
        return Verified(caller, until_ms, key)

    async def _keys(self, token: Token, expired: bool) -> Sequence[Key]:
        if self._jwks is None or token.algorithm == HMAC:
            return self._profile.keys
        if not expired:
            return await self._jwks.keys(token.algorithm, token.kid)
        held = self._jwks.held(token.algorithm, token.kid)
        if not held:
            raise IngestError("token_expired")  # whoever signed it: no reason to ask for keys
        return held

    def _check_preset(self, given: Mapping[str, Any]) -> None:
        """What the issuer's own documentation has an API check besides."""
        preset = self._profile.entry.preset
        if preset == "firebase":
            signed_in: Any = given.get("auth_time")
            now = self._clock.now_ms() + self._leeway_ms
            if type(signed_in) not in (int, float) or not 0 <= signed_in * 1000 <= now:
                raise IngestError("token_invalid")
            if len(str(given.get("sub", ""))) > MAX_FIREBASE_USER:
                raise IngestError("token_invalid")
        # Keycloak signs refresh and logout tokens too, and says so in a claim.
        if preset == "keycloak" and given.get("typ", "Bearer") not in ("Bearer", "ID"):
            raise IngestError("token_invalid")

    def _caller(self, given: Mapping[str, Any]) -> Caller:
        entry = self._profile.entry
        user = claims.find(given, entry.user_claim)
        workspace: Any = None
        if entry.workspace_claim:
            workspace = claims.find(given, entry.workspace_claim)
            if workspace is None and not entry.workspace:
                raise IngestError("token_invalid")
        if workspace is None:
            workspace = entry.workspace or DEFAULT_WORKSPACE
        email = claims.find(given, entry.email_claim) if entry.email_claim else None
        if not (claims.is_name(user) and claims.is_name(workspace)) or workspace == ANY:
            raise IngestError("token_invalid")
        return Caller(
            f"{self._profile.name}:{user}",
            workspace,
            self._roles(given),
            email if isinstance(email, str) and claims.is_name(email) else "",
        )

    def _roles(self, given: Mapping[str, Any]) -> frozenset[str]:
        mapped = self._profile.roles
        found: set[str] = set()
        for path in self._profile.entry.roles_claims:
            for group in claims.groups(given, path):
                found |= mapped.get(group, frozenset())
        return frozenset(found) or self._profile.default_roles


class Issuers:
    """All issuers of the settings."""

    def __init__(self, entries: Iterable[Issuer], clock: Clock, leeway_seconds: int) -> None:
        """Nothing is fetched yet. Raises StartupError for settings that contradict each other."""
        self._clock = clock
        self._told = float("-inf")  # monotonic seconds
        made = profiles(entries)
        self._jwks: dict[_Address, Jwks] = {}
        for profile in made:
            address = _address(profile)
            if profile.entry.jwks_url and address not in self._jwks:
                sharing = [each for each in made if _address(each) == address]
                self._jwks[address] = _jwks(profile.entry, sharing, clock)
        self._all: list[ForeignIssuer] = []
        self._by_iss: dict[str, list[ForeignIssuer]] = {}
        for profile in made:
            issuer = ForeignIssuer(profile, self._jwks.get(_address(profile)), clock, leeway_seconds)
            self._all.append(issuer)
            self._by_iss.setdefault(profile.entry.issuer, []).append(issuer)

    def start(self) -> None:
        """Has the keys fetched in the background, now and whenever they are due."""
        for jwks in self._jwks.values():
            jwks.start()

    async def stop(self) -> None:
        """Ends the fetching."""
        for jwks in self._jwks.values():
            await jwks.stop()

    def states(self) -> list[IssuerState]:
        """How each issuer is, in the order of the settings."""
        return [issuer.state() for issuer in self._all]

    def of(self, iss: str, token: Token) -> ForeignIssuer:
        """Who has to verify a token with this `iss`. Raises IngestError `token_invalid`: nobody does."""
        for issuer in self._by_iss.get(iss, ()):
            if issuer.takes(token):
                return issuer
        self._tell(token)
        raise IngestError("token_invalid")

    def _tell(self, token: Token) -> None:
        """Says in the log what it is that no issuer takes: mostly a slip in the settings, and the caller is
        not told. None of it is proven."""
        now = self._clock.monotonic()
        if now < self._told + TOLD_SECONDS:
            return
        self._told = now
        names = ("iss", "aud", "azp", "client_id", "token_use")
        said = {name: token.claims[name] for name in names if name in token.claims}
        log.info(
            "A token was refused: no entry of [[issuers]] takes its issuer, audience and algorithm. "
            "It says %s.",
            ", ".join(f"{name} {_shown(value)}" for name, value in {**said, "alg": token.algorithm}.items()),
        )


def _shown(value: object) -> str:
    """A claim of no proven value for the log: on one line, and not the inside of what may be nested deep."""
    several = value if isinstance(value, list) else [value]
    return (repr(value) if all(isinstance(each, str) for each in several) else "of a wrong type")[:MOST_TOLD]


_Address = tuple[str, str, bool]
"""Where keys come from, and whom to trust on the way: issuers share keys only if they agree on all of it."""


def _address(profile: Profile) -> _Address:
    return profile.entry.jwks_url, profile.entry.jwks_ca, profile.entry.allow_http


def _jwks(entry: Issuer, sharing: Iterable[Profile], clock: Clock) -> Jwks:
    """The keys behind an issuer's URL, for all that share it."""
    algorithms = {name for each in sharing for name in each.algorithms if name != HMAC}
    where = f"[[issuers]] {entry.name}"
    fetcher = Fetcher(where, entry.jwks_url, ca=entry.jwks_ca, allow_http=entry.allow_http)
    return Jwks(entry.name, fetcher, algorithms, clock)


def _is_cognito(given: Mapping[str, Any], clients: frozenset[str]) -> bool:
    """ID tokens name the app client in `aud`, access tokens in `client_id`."""
    audience = claims.audience(given)
    if given.get("token_use") == "id":
        return audience is not None and (not clients or not clients.isdisjoint(audience))
    if given.get("token_use") == "access":
        client = given.get("client_id")
        return isinstance(client, str) and (not clients or client in clients)
    return False


def _verifying(keys: Sequence[Key], token: Token) -> bytes:
    """The identity of the key that the signature is good with. Raises IngestError `token_invalid`."""
    for key in keys:
        if verifies(key, token.algorithm, token.signed, token.signature):
            return key.identity
    raise IngestError("token_invalid")
