"""`/v1/users`: the box's own users (role admin)."""

from __future__ import annotations

import hashlib

import msgspec

from ingestbox.errors import IngestError
from ingestbox.identity import links, passwords
from ingestbox.identity.users import address, address_key, is_stored_user
from ingestbox.model import Role
from ingestbox.route import Answer, Parameter, Reply, Route, limit_of
from ingestbox.store import users
from ingestbox.store.intake import Key
from ingestbox.store.invitations import InviteUser
from ingestbox.store.once import Denied, Once
from ingestbox.store.users import ChangeUser, CreateUser, Invitation, RemoveUser, UserLine
from ingestbox.web.binding import Request
from ingestbox.web.idempotency import key_of
from ingestbox.web.v1 import fields, lists
from ingestbox.web.v1.audit import act
from ingestbox.web.v1.keys import REPLAYED, workspace_of
from ingestbox.web.v1.parts import Parts
from ingestbox.web.v1.usershapes import (
    RULES,
    EmailAddress,
    InvitedUser,
    MadeUser,
    NewUser,
    RemovedUser,
    UserChange,
    UserPage,
)

ADMIN = frozenset({Role.ADMIN})

ID = Parameter("id", "The user's id, as the list has it.", place="path")
EMAIL = Parameter("email", "Only the user with this address, however it is written.", EmailAddress)


class Users:
    """The workspace's users."""

    def __init__(self, parts: Parts) -> None:
        self._store = parts.store
        self._guard = parts.guard
        self._derived = parts.derived
        self._hasher = parts.hasher

    def routes(self) -> tuple[Route, ...]:
        """What web binds."""
        return (
            Route(
                "POST",
                "/v1/users",
                self.create_user,
                "Make a user",
                ADMIN,
                "control_kb",
                description="An address is used once on a box. A repeat with the same Idempotency-Key gives "
                "the same answer.",
                body=NewUser,
                example={"email": "ann@example.com", "roles": ["analyst"]},
                answers=(Answer(MadeUser, 201, "Made."),),
                errors=("validation_failed", "user_exists", "overloaded"),
                idempotent=True,
            ),
            Route(
                "POST",
                "/v1/users/{id}/invitation",
                self.invite_user,
                "Make a link with which a user sets a password",
                ADMIN,
                description="For a user who has forgotten the password, or let the first link grow old: it "
                "takes that link's place. The password before it is good until the link is used. A link ends "
                "with a new password, and when the user is disabled or removed.",
                parameters=(ID,),
                answers=(Answer(InvitedUser, 201, "Made."),),
                errors=("user_disabled", "overloaded"),
                idempotent=True,
            ),
            Route(
                "GET",
                "/v1/users",
                self.users,
                "The workspace's users",
                ADMIN,
                description="Newest first. `login_at` is at most half a minute late.",
                parameters=(*lists.PAGE, EMAIL),
                answers=(Answer(UserPage),),
                errors=("bad_parameter",),
            ),
            Route(
                "GET",
                "/v1/users/{id}",
                self.user,
                "One user",
                ADMIN,
                parameters=(ID,),
                answers=(Answer(UserLine),),
            ),
            Route(
                "PATCH",
                "/v1/users/{id}",
                self.change_user,
                "Change a user's roles or password, or lock the user out",
                ADMIN,
                "control_kb",
                description="A user cannot take the rights of the last administrator.",
                body=UserChange,
                example={"roles": ["analyst", "editor"]},
                parameters=(ID,),
                answers=(Answer(UserLine),),
                errors=("validation_failed", "last_administrator", "overloaded"),
            ),
            Route(
                "DELETE",
                "/v1/users/{id}",
                self.remove_user,
                "Remove a user",
                ADMIN,
                description="What the user has made stays.",
                parameters=(ID,),
                answers=(Answer(RemovedUser),),
                errors=("last_administrator",),
            ),
        )

    async def create_user(self, ask: Request) -> Reply:
        """POST /v1/users: 201 with the user, and with the password if it was made up."""
        wanted = fields.read(ask.body, NewUser, RULES)
        email = address(wanted.email)
        workspace = workspace_of(ask.caller, wanted.workspace, "A user")
        if wanted.invite:
            return await self._invited(ask, wanted, email, workspace)
        again, seed = key_of(ask), self._derived.seed()
        if wanted.password is None:
            shown = self._made_up(again, seed)
            hashed = await self._hasher.hashed(shown)
        else:
            _check(wanted.password, email)
            hashed = await self._hasher.hashed(wanted.password, self._salt(again))
            # A repeat is known by the hash, which is as slow to guess from as the one that the user has.
            again = key_of(ask, msgspec.json.encode([email, wanted.roles, workspace, hashed]))
        made = await self._store.write(
            CreateUser(
                email=email,
                email_key=address_key(email) or email,
                password=hashed,
                roles=fields.each_once(wanted.roles),
                workspace=workspace,
                act=act(ask, self._store.clock.now_ms()),
                once=Once(again, seed, UserLine),
            )
        )
        if isinstance(made, Denied):
            raise IngestError(made.code)
        body = MadeUser(**msgspec.structs.asdict(made.what))
        if wanted.password is None:
            body = msgspec.structs.replace(
                body, password=self._made_up(again, made.seed) if made.replayed else shown
            )
        return Reply(body, 201, REPLAYED if made.replayed else ())

    async def _invited(self, ask: Request, wanted: NewUser, email: str, workspace: str) -> Reply:
        """201 with the user, who has no password, and with the link."""
        if wanted.password is not None:
            raise fields.refused([fields.fault("invite", "must not be true beside a password")])
        again, seed = key_of(ask), self._derived.seed()
        link, now = self._link(again, seed), self._store.clock.now_ms()
        made = await self._store.write(
            CreateUser(
                email=email,
                email_key=address_key(email) or email,
                password="",
                roles=fields.each_once(wanted.roles),
                workspace=workspace,
                act=act(ask, now),
                once=Once(again, seed, UserLine),
                invitation=_invitation(link, now),
            )
        )
        if isinstance(made, Denied):
            raise IngestError(made.code)
        link = self._link(again, made.seed) if made.replayed else link
        body = MadeUser(**msgspec.structs.asdict(made.what), invitation=links.PATH + link)
        return Reply(body, 201, REPLAYED if made.replayed else ())

    async def invite_user(self, ask: Request) -> Reply:
        """POST /v1/users/{id}/invitation: 201 with the user and the link."""
        user_id = lists.number(ask.path["id"], "user")
        again, seed = key_of(ask), self._derived.seed()
        link, now = self._link(again, seed), self._store.clock.now_ms()
        made = await self._store.write(
            InviteUser(
                user_id=user_id,
                workspace=ask.caller.workspace,
                invitation=_invitation(link, now),
                act=act(ask, now),
                once=Once(again, seed, UserLine),
            )
        )
        if isinstance(made, Denied):
            raise _no_user(str(user_id)) if made.code == "not_found" else IngestError(made.code)
        link = self._link(again, made.seed) if made.replayed else link
        body = InvitedUser(**msgspec.structs.asdict(made.what), invitation=links.PATH + link)
        return Reply(body, 201, REPLAYED if made.replayed else ())

    async def users(self, ask: Request) -> Reply:
        """GET /v1/users."""
        limit = limit_of(ask.query)
        email = ask.query.get("email")
        key = None if email is None else address_key(email)
        if email is not None and key is None:
            raise IngestError("bad_parameter", "email must be an e-mail address.")
        found = await users.page(
            self._store, ask.caller.workspace, lists.below(ask.query), limit + 1, email_key=key
        )
        more = len(found) > limit
        return Reply(UserPage(found[:limit], lists.cursor(found[limit - 1].id) if more else None))

    async def user(self, ask: Request) -> Reply:
        """GET /v1/users/{id}."""
        return Reply(await self._found(ask))

    async def change_user(self, ask: Request) -> Reply:
        """PATCH /v1/users/{id}."""
        wanted = fields.read(ask.body, UserChange, RULES)
        user = await self._found(ask)
        hashed = None
        if wanted.password is not None:
            _check(wanted.password, user.email)
            hashed = await self._hasher.hashed(wanted.password)
        changed = await self._store.write(
            ChangeUser(
                user_id=int(user.id),
                workspace=ask.caller.workspace,
                act=act(ask, self._store.clock.now_ms()),
                keep_one=is_stored_user(ask.caller),
                roles=None if wanted.roles is None else fields.each_once(wanted.roles),
                disabled=wanted.disabled,
                password=hashed,
            )
        )
        self._guard.forget_user(int(user.id))
        return Reply(_done(changed, user.id))

    async def remove_user(self, ask: Request) -> Reply:
        """DELETE /v1/users/{id}."""
        user_id = lists.number(ask.path["id"], "user")
        removed = await self._store.write(
            RemoveUser(
                user_id=user_id,
                workspace=ask.caller.workspace,
                act=act(ask, self._store.clock.now_ms()),
                keep_one=is_stored_user(ask.caller),
            )
        )
        self._guard.forget_user(user_id)
        return Reply(RemovedUser(_done(removed, str(user_id)).id, removed=True))

    async def _found(self, ask: Request) -> UserLine:
        user_id = lists.number(ask.path["id"], "user")
        found = await users.one(self._store, user_id, ask.caller.workspace)
        if found is None:
            raise _no_user(str(user_id))
        return found

    def _salt(self, again: Key | None) -> bytes | None:
        """None for a random one. A repeat has to give the same hash: its salt is this box's and key's own."""
        if again is None:
            return None
        box = self._store.identity
        named = msgspec.json.encode(["salt", box.box, box.epoch, again.scope, again.key])
        return hashlib.sha256(named).digest()[: passwords.SALT_BYTES]

    def _made_up(self, again: Key | None, seed: bytes) -> str:
        """A password to show; made from the seed, if a repeat may ask for it again."""
        if again is None:
            return passwords.generated()
        return self._derived.password(seed, again.scope, again.key, again.fingerprint)

    def _link(self, again: Key | None, seed: bytes) -> str:
        """What a link holds; made from the seed, if a repeat may ask for it again."""
        if again is None:
            return links.new_link()
        return self._derived.link(seed, again.scope, again.key, again.fingerprint)


def _invitation(link: str, now_ms: int) -> Invitation:
    return Invitation(links.link_digest(link), links.until_ms(now_ms, days=links.DAYS))


def _check(password: str, email: str) -> None:
    weakness = passwords.weakness(password, email)
    if weakness is not None:
        raise fields.refused([fields.fault("password", weakness)])


def _done(outcome: UserLine | Denied, user_id: str) -> UserLine:
    if not isinstance(outcome, Denied):
        return outcome
    raise _no_user(user_id) if outcome.code == "not_found" else IngestError(outcome.code)


def _no_user(user_id: str) -> IngestError:
    return IngestError("not_found", f"There is no user {user_id}.")
