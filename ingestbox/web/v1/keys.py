"""`/v1/keys`: API keys (role admin)."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from ingestbox.errors import IngestError
from ingestbox.identity.apikeys import key_digest, new_key
from ingestbox.model import EVERYWHERE, Caller, Role
from ingestbox.route import Answer, Parameter, Reply, Route, limit_of
from ingestbox.store import keys
from ingestbox.store.intake import Key
from ingestbox.store.keys import CreateKey, KeyLine, RevokeKey, RotateKey, Rotation
from ingestbox.store.once import Denied, Once
from ingestbox.web.binding import Request
from ingestbox.web.idempotency import key_of
from ingestbox.web.v1 import fields, lists
from ingestbox.web.v1.audit import act
from ingestbox.web.v1.parts import Parts

ADMIN = frozenset({Role.ADMIN})
MAX_NAME = 100
MAX_TTL_SECONDS = 10 * 366 * 86_400

KEEP_SECONDS = 86_400
"""How long a key that is replaced stays good, unless the call says otherwise: who holds it has a day to take
the new one, as tokens outlive a rotation of the secret. One that leaked is revoked, or kept for 0 s."""

MAX_KEEP_SECONDS = 90 * 86_400

REPLAYED = (("Idempotency-Replayed", "true"),)
ID = Parameter("id", "The key's id, as the list has it.", place="path")


class NewKey(msgspec.Struct, forbid_unknown_fields=True):
    """What a new key is asked for with; without `ttl_seconds` it does not expire."""

    name: Annotated[str, Meta(min_length=1, max_length=MAX_NAME, description="What it is for.")]
    roles: Annotated[list[Role], Meta(min_length=1, description="What its holder may do.")]
    workspace: Annotated[
        str | None,
        Meta(
            description="Yours, unless you administer every workspace.",
            extra_json_schema={"minLength": 1, "maxLength": 255},
        ),
    ] = None
    ttl_seconds: Annotated[
        int | None,
        Meta(
            description=f"How long it is good, at most {MAX_TTL_SECONDS} s.",
            extra_json_schema={"minimum": 1, "maximum": MAX_TTL_SECONDS},
        ),
    ] = None


RULES = {
    "name": fields.text(MAX_NAME),
    "roles": fields.ROLES,
    "workspace": fields.WORKSPACE,
    "ttl_seconds": fields.Rule(
        f"must be from 1 to {MAX_TTL_SECONDS}", lambda value: 1 <= value <= MAX_TTL_SECONDS
    ),
}


class NewRotation(msgspec.Struct, forbid_unknown_fields=True):
    """How a key is replaced."""

    keep_seconds: Annotated[
        int | None,
        Meta(
            description=f"How long the old key stays good, at most {MAX_KEEP_SECONDS} s, and no longer than "
            f"it would have been; 0 revokes it. {KEEP_SECONDS} unless given.",
            extra_json_schema={"minimum": 0, "maximum": MAX_KEEP_SECONDS},
        ),
    ] = None


ROTATION_RULES = {
    "keep_seconds": fields.Rule(
        f"must be from 0 to {MAX_KEEP_SECONDS}", lambda value: 0 <= value <= MAX_KEEP_SECONDS
    )
}


class MadeKey(KeyLine, frozen=True, kw_only=True):
    """A new key with the key itself, which is shown this once."""

    key: str


class OldKey(msgspec.Struct, frozen=True):
    """A key that another one has taken the place of, and until when it is good."""

    id: str
    good_until: str


class RotatedKey(MadeKey, frozen=True, kw_only=True):
    """The new key, which is shown this once, and what becomes of the old one."""

    old: OldKey


class KeyPage(msgspec.Struct, frozen=True):
    """A page of keys, newest first, without the keys themselves."""

    keys: list[KeyLine]
    next_cursor: str | None


class RevokedKey(msgspec.Struct, frozen=True):
    """A key that is refused from the next request on."""

    id: str
    revoked: bool


class Keys:
    """The workspace's keys."""

    def __init__(self, parts: Parts) -> None:
        self._store = parts.store
        self._guard = parts.guard
        self._derived = parts.derived

    def routes(self) -> tuple[Route, ...]:
        """What web binds."""
        return (
            Route(
                "POST",
                "/v1/keys",
                self.create_key,
                "Make an API key",
                ADMIN,
                "control_kb",
                description="The key is in this answer alone: the box keeps its hash. A repeat with the same "
                "Idempotency-Key answers the same key.",
                body=NewKey,
                example={"name": "crawler-7", "roles": ["ingest"], "ttl_seconds": 7_776_000},
                answers=(Answer(MadeKey, 201, "Made."),),
                errors=("validation_failed",),
                idempotent=True,
            ),
            Route(
                "GET",
                "/v1/keys",
                self.keys,
                "The workspace's API keys",
                ADMIN,
                description="Newest first. `used_at` is at most half a minute late.",
                parameters=lists.PAGE,
                answers=(Answer(KeyPage),),
                errors=("bad_parameter",),
            ),
            Route(
                "GET",
                "/v1/keys/{id}",
                self.key,
                "One API key",
                ADMIN,
                parameters=(ID,),
                answers=(Answer(KeyLine),),
            ),
            Route(
                "DELETE",
                "/v1/keys/{id}",
                self.revoke_key,
                "Revoke an API key",
                ADMIN,
                description="It is refused from the next request on. Revoking it again changes nothing.",
                parameters=(ID,),
                answers=(Answer(RevokedKey),),
            ),
            Route(
                "POST",
                "/v1/keys/{id}/rotate",
                self.rotate_key,
                "Put a new API key in the place of one",
                ADMIN,
                "control_kb",
                description="It has the name, roles, workspace and end of the old one, which stays good for "
                "`keep_seconds`, so that who holds it can change over. The key is in this answer alone; a "
                "repeat with the same Idempotency-Key answers the same key.",
                body=NewRotation,
                example={"keep_seconds": 86_400},
                parameters=(ID,),
                answers=(Answer(RotatedKey, 201, "Made."),),
                errors=("validation_failed", "key_ended", "key_rotated"),
                idempotent=True,
            ),
        )

    async def create_key(self, ask: Request) -> Reply:
        """POST /v1/keys: 201 with the key, which is shown this once."""
        wanted = fields.read(ask.body, NewKey, RULES)
        workspace = workspace_of(ask.caller, wanted.workspace, "A key")
        again = key_of(ask)
        seed = self._derived.seed()
        secret = self._secret(again, seed)
        now = self._store.clock.now_ms()
        made = await self._store.write(
            CreateKey(
                digest=key_digest(secret),
                name=wanted.name,
                roles=fields.each_once(wanted.roles),
                workspace=workspace,
                act=act(ask, now),
                expires_ms=None if wanted.ttl_seconds is None else now + wanted.ttl_seconds * 1000,
                once=Once(again, seed, KeyLine),
            )
        )
        if isinstance(made, Denied):
            raise IngestError(made.code)
        if made.replayed:
            secret = self._secret(again, made.seed)
        body = MadeKey(**msgspec.structs.asdict(made.what), key=secret)
        return Reply(body, 201, REPLAYED if made.replayed else ())

    async def keys(self, ask: Request) -> Reply:
        """GET /v1/keys: without the keys themselves."""
        limit = limit_of(ask.query)
        found = await keys.page(self._store, ask.caller.workspace, lists.below(ask.query), limit + 1)
        more = len(found) > limit
        return Reply(KeyPage(found[:limit], lists.cursor(found[limit - 1].id) if more else None))

    async def key(self, ask: Request) -> Reply:
        """GET /v1/keys/{id}."""
        given = ask.path["id"]
        found = await keys.one(self._store, lists.number(given, "key"), ask.caller.workspace)
        if found is None:
            raise IngestError("not_found", f"There is no key {given}.")
        return Reply(found)

    async def revoke_key(self, ask: Request) -> Reply:
        """DELETE /v1/keys/{id}: it is refused from the next request on."""
        given = ask.path["id"]
        key_id = lists.number(given, "key")
        unit = RevokeKey(key_id, ask.caller.workspace, act(ask, self._store.clock.now_ms()))
        digest = await self._store.write(unit)
        if digest is None:
            raise IngestError("not_found", f"There is no key {given}.")
        self._guard.forget(digest)
        return Reply(RevokedKey(str(key_id), revoked=True))

    async def rotate_key(self, ask: Request) -> Reply:
        """POST /v1/keys/{id}/rotate: 201 with the new key, which is shown this once."""
        wanted = fields.read(ask.body, NewRotation, ROTATION_RULES)
        given = ask.path["id"]
        key_id = lists.number(given, "key")
        again = key_of(ask)
        seed = self._derived.seed()
        secret = self._secret(again, seed)
        keep = KEEP_SECONDS if wanted.keep_seconds is None else wanted.keep_seconds
        made = await self._store.write(
            RotateKey(
                key_id,
                ask.caller.workspace,
                key_digest(secret),
                keep * 1000,
                act(ask, self._store.clock.now_ms()),
                Once(again, seed, Rotation),
            )
        )
        if isinstance(made, Denied):
            raise IngestError(made.code, f"There is no key {given}." if made.code == "not_found" else None)
        if made.replayed:
            secret = self._secret(again, made.seed)
        key, old = made.what.key, made.what.old
        self._guard.forget(old.digest)
        body = RotatedKey(**msgspec.structs.asdict(key), key=secret, old=OldKey(old.id, old.good_until))
        return Reply(body, 201, REPLAYED if made.replayed else ())

    def _secret(self, again: Key | None, seed: bytes) -> str:
        """The key to show; made from the seed, if a repeat may ask for it again."""
        if again is None:
            return new_key()
        return self._derived.api_key(seed, again.scope, again.key, again.fingerprint)


def workspace_of(caller: Caller, wanted: str | None, what: str) -> str:
    """Where a new thing of an administrator's belongs. Raises IngestError `forbidden`."""
    workspace = wanted or caller.workspace
    if caller.workspace not in (workspace, EVERYWHERE):
        raise IngestError("forbidden", f"{what} can be made for your own workspace alone.")
    return workspace
