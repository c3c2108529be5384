"""Local users: made, found, listed, changed, removed. What ends their tokens is the generation.

A password is only ever here as its hash; no list and no audit line has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from ingestbox.clock import iso
from ingestbox.model import EVERYWHERE, Role
from ingestbox.store import Store
from ingestbox.store.audit import Act
from ingestbox.store.once import Denied, Made, Once
from ingestbox.store.unit import Tx

NOUN = "user"
ADMIN = Role.ADMIN.value
CHANGED = "changed"
"""What the trail says of a password."""


class UserLine(msgspec.Struct, frozen=True):
    """A user as it is listed; times are ISO 8601. `invited_until` is set while there is a link with which the
    user sets a password; `password_set` is false until they have done it for the first time."""

    id: str
    email: str
    roles: list[str]
    workspace: str
    disabled: bool
    created_by: str
    created_at: str
    updated_at: str
    login_at: str | None
    disabled_at: str | None
    invited_until: str | None = None
    password_set: bool = True


@dataclass(frozen=True, slots=True)
class Invitation:
    """A link with which a user sets a password; `digest` is the SHA-256 of what it holds."""

    digest: bytes
    expires_ms: int

    def put(self, tx: Tx, user_id: int) -> None:
        """Puts it in the place of the user's last one, as a part of a unit."""
        tx.run(
            "invitations.insert",
            {"user_id": user_id, "digest": self.digest, "expires_ms": self.expires_ms},
        )


@dataclass(frozen=True, slots=True)
class CreateUser:
    """Makes a user, once for an Idempotency-Key. One who is invited has no password (an empty one, which
    nothing matches) until they set it."""

    email: str
    email_key: str
    password: str
    roles: Sequence[str]
    workspace: str
    act: Act
    once: Once[UserLine]
    invitation: Invitation | None = None
    weight: int = 5

    def apply(self, tx: Tx) -> Made[UserLine] | Denied:
        """Inserts the row. Denied: `user_exists`, or what stands in the key's way."""
        if (earlier := self.once.earlier(tx)) is not None:
            return earlier
        if tx.one("users.taken", {"email_key": self.email_key}) is not None:
            return Denied("user_exists")
        user_id = insert(tx, self.email, self.email_key, self.password, self.roles, self.workspace, self.act)
        facts: dict[str, object] = {
            "email": self.email,
            "roles": list(self.roles),
            "workspace": self.workspace,
        }
        if self.invitation is not None:
            self.invitation.put(tx, user_id)
            facts["invited"] = True
        user = found(tx, user_id, self.workspace)
        assert user is not None  # in the same transaction
        self.act.within(self.workspace).note(tx, "user.create", NOUN, user.id, after=facts)
        return self.once.keep(tx, user, self.act.now_ms)


@dataclass(frozen=True, slots=True)
class ChangeUser:
    """Changes what is given of a user; whatever ends a right ends the user's tokens too.

    `keep_one`: an enabled administrator has to be left to the workspace, because a user asks for it, who
    could not undo it.
    """

    user_id: int
    workspace: str
    act: Act
    keep_one: bool
    roles: Sequence[str] | None = None
    disabled: bool | None = None
    password: str | None = None
    weight: int = 4

    def apply(self, tx: Tx) -> UserLine | Denied:
        """Updates the row. Denied: `not_found`, `last_administrator`. Nothing new changes nothing."""
        user = found(tx, self.user_id, self.workspace)
        if user is None:
            return Denied("not_found")
        roles = self.roles if self.roles is not None and set(self.roles) != set(user.roles) else None
        disabled = self.disabled if self.disabled != user.disabled else None
        if self.keep_one and (disabled or (roles is not None and ADMIN not in roles)) and _is_last(tx, user):
            return Denied("last_administrator")
        row = {"id": self.user_id, "now": self.act.now_ms}
        before: dict[str, object] = {}
        after: dict[str, object] = {}
        if roles is not None:
            tx.run("users.set_roles", {**row, "roles": " ".join(roles)})
            before["roles"], after["roles"] = user.roles, roles
        if disabled is not None:
            tx.run("users.disable" if disabled else "users.enable", row)
            before["disabled"], after["disabled"] = user.disabled, disabled
        if self.password is not None:
            tx.run("users.set_password", {**row, "password": self.password})
            after["password"] = CHANGED
        if not after:
            return user
        if self.password is not None or disabled:
            tx.run("invitations.revoke", {"user_id": self.user_id})
        tx.run("sessions.remove_others", {"user_id": self.user_id, "keep": 0})
        self.act.within(user.workspace).note(
            tx, "user.update", NOUN, user.id, before=before or None, after=after
        )
        changed = found(tx, self.user_id, self.workspace)
        assert changed is not None  # in the same transaction
        return changed


@dataclass(frozen=True, slots=True)
class RemoveUser:
    """Removes a user for good. Ids are not used again, so that no token ever finds another user."""

    user_id: int
    workspace: str
    act: Act
    keep_one: bool
    weight: int = 3

    def apply(self, tx: Tx) -> UserLine | Denied:
        """Deletes the row; the user as it was. Denied: `not_found`, `last_administrator`."""
        user = found(tx, self.user_id, self.workspace)
        if user is None:
            return Denied("not_found")
        if self.keep_one and _is_last(tx, user):
            return Denied("last_administrator")
        tx.run("users.remove", {"id": self.user_id})
        tx.run("invitations.revoke", {"user_id": self.user_id})
        tx.run("sessions.remove_others", {"user_id": self.user_id, "keep": 0})
        facts = {"email": user.email, "roles": user.roles, "workspace": user.workspace}
        self.act.within(user.workspace).note(tx, "user.remove", NOUN, user.id, before=facts)
        return user


@dataclass(frozen=True, slots=True)
class Rehash:
    """Keeps a password's newer hash, unless the password was changed meanwhile."""

    user_id: int
    before: str
    after: str
    weight: int = 1

    def apply(self, tx: Tx) -> None:
        """Replaces the hash; tokens stay good, since the password is the same."""
        tx.run("users.rehash", {"id": self.user_id, "before": self.before, "password": self.after})


async def one(store: Store, user_id: int, workspace: str) -> UserLine | None:
    """The workspace's user with this id, or None."""
    rows = await store.read("users.one", {"id": user_id, "workspace": workspace})
    return _line(*rows[0]) if rows else None


async def page(
    store: Store, workspace: str, below: int, limit: int, email_key: str | None = None
) -> list[UserLine]:
    """The workspace's users with an id under `below`, newest first; with `email_key` that one alone."""
    params = {"workspace": workspace, "below": below, "limit": limit, "email_key": email_key}
    query = "users.page_everywhere" if workspace == EVERYWHERE else "users.page"
    rows = await store.read(query if email_key is None else "users.page_of_email", params)
    return [_line(*row) for row in rows]


def insert(
    tx: Tx, email: str, email_key: str, password: str, roles: Sequence[str], workspace: str, act: Act
) -> int:
    """Inserts a user, as a part of a unit; the new id."""
    row = tx.one(
        "users.insert",
        {
            "email": email,
            "email_key": email_key,
            "password": password,
            "roles": " ".join(roles),
            "workspace": workspace,
            "created_by": act.actor,
            "now": act.now_ms,
        },
    )
    assert row is not None  # INSERT … RETURNING gives the row it made
    user_id: int = row[0]
    return user_id


def found(tx: Tx, user_id: int, workspace: str) -> UserLine | None:
    """The workspace's user with this id, as a unit sees it; or None."""
    row = tx.one("users.one", {"id": user_id, "workspace": workspace})
    return None if row is None else _line(*row)


def _is_last(tx: Tx, user: UserLine) -> bool:
    """Whether no enabled administrator of the user's workspace is left without this user."""
    if ADMIN not in user.roles or user.disabled:
        return False
    row = tx.one("users.other_administrators", {"id": int(user.id), "workspace": user.workspace})
    return row is None or row[0] == 0


def _line(user_id: int, email: str, roles: str, workspace: str, created_by: str, *more: Any) -> UserLine:
    *moments, password_set = more
    created, updated, login, disabled, invited = (iso(moment) for moment in moments)
    return UserLine(
        id=str(user_id),
        email=email,
        roles=roles.split(),
        workspace=workspace,
        disabled=disabled is not None,
        created_by=created_by,
        created_at=created or "",
        updated_at=updated or "",
        login_at=login,
        disabled_at=disabled,
        invited_until=invited,
        password_set=bool(password_set),
    )
