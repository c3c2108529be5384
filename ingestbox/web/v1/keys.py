"""`/v1/keys`: API keys (role admin)."""

from __future__ import annotations

import msgspec

from ingestbox import strictjson
from ingestbox.errors import Fault, IngestError
from ingestbox.family import Reply, Route
from ingestbox.identity.apikeys import key_digest, new_key
from ingestbox.model import Role
from ingestbox.store.keys import CreateKey, RevokeKey, list_keys
from ingestbox.web.binding import Request
from ingestbox.web.v1.parts import Parts

ADMIN = frozenset({Role.ADMIN})
MAX_NAME = 100
MAX_TTL_SECONDS = 10 * 366 * 86_400


class NewKey(msgspec.Struct, forbid_unknown_fields=True):
    """What a new key is asked for with; without `ttl_seconds` it does not expire."""

    name: str
    roles: list[str]
    workspace: str | None = None
    ttl_seconds: int | None = None


class Keys:
    """The workspace's keys."""

    def __init__(self, parts: Parts) -> None:
        self._store = parts.store
        self._guard = parts.guard

    def routes(self) -> tuple[Route, ...]:
        """What web binds."""
        return (
            Route("POST", "/v1/keys", self.create_key, "Make an API key", ADMIN, "control_kb"),
            Route("GET", "/v1/keys", self.keys, "The workspace's API keys", ADMIN),
            Route("DELETE", "/v1/keys/{id}", self.revoke_key, "Revoke an API key", ADMIN),
        )

    async def create_key(self, ask: Request) -> Reply:
        """POST /v1/keys: 201 with the key, which is shown this once."""
        wanted = _new_key(ask.body)
        now = self._store.clock.now_ms()
        workspace = wanted.workspace or ask.caller.workspace
        if workspace != ask.caller.workspace and ask.caller.workspace != "*":
            raise IngestError("forbidden", "A key can be made for your own workspace alone.")
        key = new_key()
        key_id = await self._store.write(
            CreateKey(
                digest=key_digest(key),
                name=wanted.name,
                roles=wanted.roles,
                workspace=workspace,
                created_by=ask.caller.subject,
                now_ms=now,
                expires_ms=None if wanted.ttl_seconds is None else now + wanted.ttl_seconds * 1000,
            )
        )
        body = {"id": str(key_id), "key": key, "name": wanted.name, "roles": wanted.roles}
        return Reply({**body, "workspace": workspace}, status=201)

    async def keys(self, ask: Request) -> Reply:
        """GET /v1/keys: without the keys themselves."""
        return Reply({"keys": await list_keys(self._store, ask.caller.workspace)})

    async def revoke_key(self, ask: Request) -> Reply:
        """DELETE /v1/keys/{id}: it is refused from the next request on."""
        given = ask.path["id"]
        key_id = int(given) if given.isascii() and given.isdigit() and len(given) < 19 else -1
        digest = await self._store.write(RevokeKey(key_id, ask.caller.workspace, self._store.clock.now_ms()))
        if digest is None:
            raise IngestError("not_found", f"There is no key {given}.")
        self._guard.forget(digest)
        return Reply({"id": given, "revoked": True})


def _new_key(body: bytes) -> NewKey:
    try:
        wanted = msgspec.convert(strictjson.decode(body), NewKey)
    except msgspec.ValidationError as error:
        raise _invalid(None, str(error)) from None
    if not (wanted.name.strip() and len(wanted.name) <= MAX_NAME and wanted.name.isprintable()):
        raise _invalid("name", f"name must have 1 to {MAX_NAME} printable characters")
    if not wanted.roles or not set(wanted.roles) <= set(Role):
        raise _invalid("roles", f"roles must be one or more of {', '.join(Role)}")
    if wanted.ttl_seconds is not None and not 1 <= wanted.ttl_seconds <= MAX_TTL_SECONDS:
        raise _invalid("ttl_seconds", f"ttl_seconds must be from 1 to {MAX_TTL_SECONDS}")
    return wanted


def _invalid(field: str | None, message: str) -> IngestError:
    fault = Fault("invalid", message, field=field)
    return IngestError("validation_failed", f"{message}.", faults=[fault])
