"""The console's sessions in the store: who is signed in at which browser."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from ingestbox.clock import iso
from ingestbox.store import Store
from ingestbox.store.audit import Act
from ingestbox.store.once import Denied
from ingestbox.store.unit import Tx
from ingestbox.store.users import CHANGED, NOUN

MOST = 50
"""Sessions that a user has at once; the oldest goes when there is one more."""

PURGED = 500
"""Sessions forgotten in one unit."""


class SessionRecord(msgspec.Struct, frozen=True):
    """A session and its user as they are now. `generation` is the user's when it began."""

    id: int
    generation: int
    seen_ms: int
    expires_ms: int
    user_id: int
    email: str
    roles: list[str]
    workspace: str
    user_generation: int
    disabled: bool


class SessionLine(msgspec.Struct, frozen=True):
    """A session as its user sees it; times are ISO 8601, `agent` is what the browser says it is."""

    id: int
    created_at: str
    seen_at: str
    address: str
    agent: str


@dataclass(frozen=True, slots=True)
class OpenSession:
    """Begins a session; `digest` is the SHA-256 of its cookie's value. Those that the browser named,
    `replaced`, end."""

    digest: bytes
    user_id: int
    generation: int
    now_ms: int
    expires_ms: int
    address: str
    agent: str
    replaced: tuple[bytes, ...] = ()
    weight: int = 4

    def apply(self, tx: Tx) -> int:
        """Inserts the row; its id."""
        for each in self.replaced:
            tx.run("sessions.remove", {"digest": each})
        row = tx.one(
            "sessions.insert",
            {
                "digest": self.digest,
                "user_id": self.user_id,
                "generation": self.generation,
                "now": self.now_ms,
                "expires_ms": self.expires_ms,
                "address": self.address,
                "agent": self.agent,
            },
        )
        assert row is not None  # INSERT … RETURNING gives the row it made
        tx.run("sessions.remove_old", {"user_id": self.user_id, "most": MOST})
        session_id: int = row[0]
        return session_id


@dataclass(frozen=True, slots=True)
class CloseSessions:
    """Ends the sessions that a browser named: one, as a rule."""

    digests: tuple[bytes, ...]
    weight: int = 1

    def apply(self, tx: Tx) -> None:
        """Deletes the rows, as far as they are there."""
        for each in self.digests:
            tx.run("sessions.remove", {"digest": each})


@dataclass(frozen=True, slots=True)
class EndSession:
    """Ends one of a user's sessions; whether there was one."""

    session_id: int
    user_id: int
    weight: int = 1

    def apply(self, tx: Tx) -> bool:
        """Deletes the row, if it is there."""
        return tx.run("sessions.remove_one", {"id": self.session_id, "user_id": self.user_id}) > 0


@dataclass(frozen=True, slots=True)
class EndSessions:
    """Signs a user out everywhere: ends the sessions, and the tokens with the generation."""

    user_id: int
    act: Act
    weight: int = 10

    def apply(self, tx: Tx) -> None:
        """Deletes the rows."""
        tx.run("sessions.remove_others", {"user_id": self.user_id, "keep": 0})
        tx.run("users.end_logins", {"id": self.user_id, "now": self.act.now_ms})
        self.act.note(tx, "user.sign_out_everywhere", NOUN, self.user_id)


@dataclass(frozen=True, slots=True)
class ChangePassword:
    """Gives a user the password that they chose, after they named the one before. Their other sessions, their
    tokens and a link to set a password with end.

    `generation` is the user's when that was looked at.
    """

    user_id: int
    generation: int
    session_id: int
    password: str
    act: Act
    weight: int = 10

    def apply(self, tx: Tx) -> Denied | None:
        """Updates the user. Denied: `not_authenticated`, when the user was changed meanwhile."""
        row = tx.one("users.by_id", {"id": self.user_id})
        if row is None or row[4] != self.generation:
            return Denied("not_authenticated")
        tx.run("users.set_password", {"id": self.user_id, "password": self.password, "now": self.act.now_ms})
        tx.run("invitations.revoke", {"user_id": self.user_id})
        tx.run("sessions.remove_others", {"user_id": self.user_id, "keep": self.session_id})
        tx.run(
            "sessions.renew",
            {"id": self.session_id, "user_id": self.user_id, "generation": self.generation + 1},
        )
        self.act.note(tx, "user.change_password", NOUN, self.user_id, after={"password": CHANGED})
        return None


@dataclass(frozen=True, slots=True)
class PurgeSessions:
    """Forgets sessions that nobody can use any more: that are over, or were not used since `idle_since`;
    returns how many."""

    now_ms: int
    idle_since: int
    weight: int = PURGED

    def apply(self, tx: Tx) -> int:
        """Deletes a slice of them."""
        row = {"now": self.now_ms, "idle_since": self.idle_since, "limit": PURGED}
        return tx.run("sessions.purge", row)


async def find(store: Store, digest: bytes) -> SessionRecord | None:
    """The session with this digest, or None."""
    rows = await store.read("sessions.by_digest", {"digest": digest})
    if not rows:
        return None
    session, generation, seen, expires, user, email, roles, workspace, now_generation, disabled_ms = rows[0]
    return SessionRecord(
        id=session,
        generation=generation,
        seen_ms=seen,
        expires_ms=expires,
        user_id=user,
        email=email,
        roles=roles.split(),
        workspace=workspace,
        user_generation=now_generation,
        disabled=disabled_ms is not None,
    )


async def of_user(store: Store, user_id: int, idle_ms: int) -> list[SessionLine]:
    """A user's sessions that are good still, newest first: those used within the last `idle_ms`."""
    now = store.clock.now_ms()
    rows = await store.read(
        "sessions.of_user", {"user_id": user_id, "now": now, "idle_since": now - idle_ms, "limit": MOST}
    )
    return [
        SessionLine(session, iso(created) or "", iso(seen) or "", address, agent)
        for session, created, seen, address, agent in rows
    ]
