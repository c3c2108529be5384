"""Links that are used once to set a password: of users who are invited, and of the first administrator."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from ingestbox.model import DEFAULT_WORKSPACE
from ingestbox.store import Store
from ingestbox.store.audit import Act
from ingestbox.store.once import Denied, Made, Once
from ingestbox.store.unit import Tx
from ingestbox.store.users import ADMIN, NOUN, Invitation, UserLine, found, insert

NOBODY = 0
"""Whose link it is that makes the first administrator."""


class Invited(msgspec.Struct, frozen=True):
    """A user who sets a password."""

    id: int
    email: str
    roles: list[str]
    workspace: str
    generation: int


@dataclass(frozen=True, slots=True)
class OfferSetUp:
    """Replaces the link that makes the first administrator; False, and none is left, when there are users."""

    invitation: Invitation
    weight: int = 2

    def apply(self, tx: Tx) -> bool:
        """Puts the row, or takes the old one away."""
        if tx.one("users.any") is not None:
            tx.run("invitations.revoke", {"user_id": NOBODY})
            return False
        self.invitation.put(tx, NOBODY)
        return True


@dataclass(frozen=True, slots=True)
class SetUp:
    """Makes the first administrator, if there is no user yet: with the link of this digest, or without one
    as the settings say."""

    email: str
    email_key: str
    password: str
    act: Act
    digest: bytes | None = None
    weight: int = 5

    def apply(self, tx: Tx) -> Invited | Denied:
        """Inserts the user and uses the link up. Denied: `already_set_up`, `link_ended`."""
        if tx.one("users.any") is not None:
            return Denied("already_set_up")
        if self.digest is not None and not _is_good(tx, self.digest, NOBODY, self.act.now_ms):
            return Denied("link_ended")
        tx.run("invitations.revoke", {"user_id": NOBODY})
        act = self.act.within(DEFAULT_WORKSPACE)
        user_id = insert(tx, self.email, self.email_key, self.password, [ADMIN], act.workspace, act)
        facts = {"email": self.email, "roles": [ADMIN], "workspace": act.workspace}
        act.note(tx, "user.set_up", NOUN, user_id, after=facts)
        return _invited(tx, user_id)


@dataclass(frozen=True, slots=True)
class InviteUser:
    """Gives a user a link to set a password with, in the place of the last one; once for an
    Idempotency-Key. The password that the user has stays good until the link is used."""

    user_id: int
    workspace: str
    invitation: Invitation
    act: Act
    once: Once[UserLine]
    weight: int = 4

    def apply(self, tx: Tx) -> Made[UserLine] | Denied:
        """Puts the row. Denied: `not_found`, `user_disabled`, or what stands in the key's way."""
        if (earlier := self.once.earlier(tx)) is not None:
            return earlier
        user = found(tx, self.user_id, self.workspace)
        if user is None:
            return Denied("not_found")
        if user.disabled:
            return Denied("user_disabled")
        self.invitation.put(tx, self.user_id)
        self.act.within(user.workspace).note(tx, "user.invite", NOUN, user.id, after={"invited": True})
        invited = found(tx, self.user_id, self.workspace)
        assert invited is not None  # in the same transaction
        return self.once.keep(tx, invited, self.act.now_ms)


@dataclass(frozen=True, slots=True)
class AcceptInvitation:
    """Sets the password of the user whose link it is, and uses the link up. The user's sessions and tokens
    end."""

    digest: bytes
    user_id: int
    password: str
    act: Act
    weight: int = 5

    def apply(self, tx: Tx) -> Invited | Denied:
        """Updates the user. Denied: `link_ended`, also when the user is disabled or gone."""
        user = _invited(tx, self.user_id)
        if isinstance(user, Denied) or not _is_good(tx, self.digest, self.user_id, self.act.now_ms):
            return Denied("link_ended")
        tx.run("invitations.revoke", {"user_id": self.user_id})
        tx.run("sessions.remove_others", {"user_id": self.user_id, "keep": 0})
        tx.run("users.set_password", {"id": self.user_id, "password": self.password, "now": self.act.now_ms})
        self.act.within(user.workspace).note(
            tx, "user.accept_invitation", NOUN, self.user_id, after={"password": "changed"}
        )
        return _invited(tx, self.user_id)


@dataclass(frozen=True, slots=True)
class PurgeInvitations:
    """Forgets links that are too old; returns how many."""

    now_ms: int
    weight: int = 10

    def apply(self, tx: Tx) -> int:
        """Deletes the rows: as many as there are users at most."""
        return tx.run("invitations.purge", {"now": self.now_ms})


async def is_set_up(store: Store) -> bool:
    """Whether there is any user."""
    return bool(await store.read("users.any"))


async def is_offered(store: Store, digest: bytes) -> bool:
    """Whether this is the link that makes the first administrator, and is good still."""
    rows = await store.read("invitations.by_digest", {"digest": digest})
    return bool(rows) and rows[0][0] == NOBODY and rows[0][1] > store.clock.now_ms()


async def invited(store: Store, digest: bytes) -> Invited | None:
    """Whose link this is, if it is good still."""
    rows = await store.read("invitations.invited", {"digest": digest, "now": store.clock.now_ms()})
    if not rows:
        return None
    user_id, email, roles, workspace, generation = rows[0]
    return Invited(user_id, email, roles.split(), workspace, generation)


def _is_good(tx: Tx, digest: bytes, user_id: int, now_ms: int) -> bool:
    row = tx.one("invitations.by_digest", {"digest": digest})
    return row is not None and row[0] == user_id and row[1] > now_ms


def _invited(tx: Tx, user_id: int) -> Invited | Denied:
    row = tx.one("users.by_id", {"id": user_id})
    if row is None or row[5] is not None:
        return Denied("link_ended")
    found_id, email, roles, workspace, generation, _ = row
    return Invited(found_id, email, roles.split(), workspace, generation)
