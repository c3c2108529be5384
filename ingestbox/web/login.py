"""`POST /api/auth/login`: a user's password for a token (contract: feedback, Endpoints).

An unknown address, a wrong password and a disabled user get the same answer after the same work.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ingestbox import strictjson
from ingestbox.clock import Clock
from ingestbox.errors import Fault, IngestError
from ingestbox.identity.passwords import Hasher, is_outdated
from ingestbox.identity.secretfile import Secrets
from ingestbox.identity.tokens import mint
from ingestbox.identity.users import StoredUsers, UserRecord, address_key
from ingestbox.model import Role
from ingestbox.route import Answer, Reply, Route
from ingestbox.web.binding import BoundRoute, Request
from ingestbox.web.policy.origin import Origin
from ingestbox.web.policy.ratelimit import Allowance, Buckets, fields, place, refused
from ingestbox.web.refusals import Refusal

log = logging.getLogger(__name__)

FORM = "application/x-www-form-urlencoded"
MAX_FORM_FIELDS = 20

Headers = tuple[tuple[str, str], ...]

POLICY = "login"
"""The name of the rate, in `[rates]` and in the RateLimit fields."""


class Credentials(msgspec.Struct):
    """Who wants in. `email` or `username`, which mean the same; other members are ignored."""

    password: Annotated[str, Meta(description="The user's password.")]
    email: Annotated[str | UnsetType, Meta(description="The user's e-mail address.")] = UNSET
    username: Annotated[str | UnsetType, Meta(description="The same, as the OAuth 2 form calls it.")] = UNSET


NAMED: dict[str, Any] = {"anyOf": [{"required": ["email"]}, {"required": ["username"]}]}


class Session(msgspec.Struct, frozen=True):
    """A token to send as `Authorization: Bearer …`."""

    access_token: str
    token_type: Literal["bearer"]
    expires_in: Annotated[int, Meta(description="Seconds.")]


class LoginError(msgspec.Struct, frozen=True):
    """Why there is no token; `errors` only where the body was not understood."""

    detail: str
    code: str
    request_id: str
    errors: list[Fault] | UnsetType = UNSET


class Login:
    """The route. One for a box: it counts attempts."""

    def __init__(
        self,
        *,
        users: StoredUsers,
        hasher: Hasher,
        secrets: Callable[[], Secrets],
        clock: Clock,
        session_minutes: int,
        per_minute: int,
    ) -> None:
        """`secrets().current` signs the tokens; `per_minute` is `[rates] login`."""
        self._users = users
        self._hasher = hasher
        self._secrets = secrets
        self._clock = clock
        self._session_seconds = session_minutes * 60
        self._per_minute = per_minute
        self._buckets = Buckets(clock)

    def routes(self) -> list[BoundRoute]:
        """What web binds."""
        route = Route(
            "POST",
            "/api/auth/login",
            self.log_in,
            "Log in with a password",
            body_limit="control_kb",
            media_types=("application/json", FORM),
            rate="",  # counted here: by address and by e-mail
            description="As JSON, or as the form of OAuth 2's password grant. At most "
            f"{self._per_minute} a minute for each address and for each e-mail."
            if self._per_minute
            else "As JSON, or as the form of OAuth 2's password grant.",
            body=Annotated[Credentials, Meta(extra_json_schema=NAMED)],
            example={"email": "ann@example.com", "password": "correct horse battery staple"},
            answers=(Answer(Session),),
            errors=("validation_failed", "login_failed", "rate_limited", "overloaded", "store_unavailable"),
        )
        return [BoundRoute(route, error_body=error_body, public=True, error_type=LoginError, tag="feedback")]

    async def log_in(self, ask: Request) -> Reply:
        """200 with a token, or 401 `login_failed`."""
        headers = self._count(f"address {place(ask.origin.address)}")
        email, password = _credentials(ask.headers, ask.body)
        user = await self._verified(ask.origin, email, password, headers)
        self._note(user, ask.origin)
        return Reply(Session(self._token(user), "bearer", self._session_seconds), headers=headers)

    async def verify(self, origin: Origin, email: str, password: str) -> UserRecord:
        """The user with this address and this password, for whom a login is noted.

        Raises IngestError: login_failed, rate_limited, overloaded, store_unavailable.
        """
        user = await self.confirm(origin, email, password)
        self._note(user, origin)
        return user

    async def confirm(self, origin: Origin, email: str, password: str) -> UserRecord:
        """The same without a login: for who is logged in, and has to show it again. Raises as `verify`."""
        headers = self._count(f"address {place(origin.address)}")
        return await self._verified(origin, email, password, headers)

    async def _verified(self, origin: Origin, email: str, password: str, headers: Headers) -> UserRecord:
        key = address_key(email)
        self._count(f"email {hashlib.sha256((key or email).encode()).hexdigest()}")
        found = await self._users.find_login(email)
        user, stored = found or (None, None)
        right = await self._hasher.matches(password, stored)
        if user is None:
            raise _failure(origin, headers, "unknown e-mail")
        if stored is None:
            raise _failure(origin, headers, "no password was set yet", user)
        if not right:
            raise _failure(origin, headers, "wrong password", user)
        if user.disabled:
            raise _failure(origin, headers, "disabled", user)
        if is_outdated(stored):
            await self._rehash(user, stored, password)
        return user

    def _note(self, user: UserRecord, origin: Origin) -> None:
        self._users.logged_in(user.id)
        log.info("A user logged in.", extra={"user": user.id, "client": origin.address})

    def _token(self, user: UserRecord) -> str:
        return mint(
            self._secrets().current,
            subject=f"user-{user.id}",
            roles=[Role(role) for role in user.roles],
            workspace=user.workspace,
            ttl_seconds=self._session_seconds,
            clock=self._clock,
            generation=user.generation,
            email=user.email,
        )

    async def _rehash(self, user: UserRecord, stored: str, password: str) -> None:
        with contextlib.suppress(IngestError):  # the next login tries again; this one is right
            await self._users.rehash(user.id, stored, await self._hasher.hashed(password))

    def _count(self, key: str) -> Headers:
        """The header fields that say how many attempts are left. Raises Refusal with them when none is."""
        allowance = self._buckets.take(key, self._per_minute, self._clock.monotonic())
        if not self._per_minute:
            return ()
        if not allowance.allowed:
            raise _too_many(allowance)
        return _told(allowance)


def error_body(error: IngestError, request_id: str) -> dict[str, object]:
    """An error in the shape that the documented clients know."""
    body: dict[str, object] = {"detail": error.detail, "code": error.code, "request_id": request_id}
    if error.faults:
        body["errors"] = error.faults
    return {**body, **error.extra}


def _failure(origin: Origin, headers: Headers, reason: str, user: UserRecord | None = None) -> Refusal:
    log.warning(
        "A login failed: %s.",
        reason,
        extra={"client": origin.address, "user": None if user is None else user.id},
    )
    return Refusal("login_failed", headers=headers)


def _too_many(allowance: Allowance) -> Refusal:
    error = Refusal("rate_limited", refused(allowance).detail, headers=_told(allowance))
    error.retry_after = allowance.retry_after
    return error


def _told(allowance: Allowance) -> Headers:
    return tuple((name.decode(), value.decode()) for name, value in fields(allowance, POLICY))


def _credentials(headers: Mapping[str, str], body: bytes) -> tuple[str, str]:
    """E-mail and password. Raises IngestError: malformed_json, bad_parameter, validation_failed."""
    is_form = headers.get("content-type", "").partition(";")[0].strip().lower() == FORM
    given = _form(body) if is_form else strictjson.decode(body)
    if not isinstance(given, dict):
        raise IngestError("validation_failed", "The body must be a JSON object.")
    faults: list[Fault] = []
    email = given["email"] if given.get("email") is not None else given.get("username")
    for name, value in (("email", email), ("password", given.get("password"))):
        if value is None:
            faults.append(Fault("missing", f"{name} is required", field=name))
        elif not isinstance(value, str):
            faults.append(Fault("invalid", f"{name} must be a text", field=name))
    if faults:
        raise IngestError("validation_failed", f"{'; '.join(f.message for f in faults)}.", faults=faults)
    return str(email), str(given["password"])


def _form(body: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(
            body.decode(), keep_blank_values=True, errors="strict", max_num_fields=MAX_FORM_FIELDS
        )
    except UnicodeDecodeError:
        raise IngestError("bad_parameter", "The form is not UTF-8.") from None
    except ValueError:
        raise IngestError("bad_parameter", f"The form has over {MAX_FORM_FIELDS} fields.") from None
    return dict(pairs)
