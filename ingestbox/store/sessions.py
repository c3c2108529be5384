"""The console's sessions in the store: who is signed in at which browser."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from ingestbox.store import Store
from ingestbox.store.unit import Tx


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


@dataclass(frozen=True, slots=True)
class OpenSession:
    """Begins a session; `digest` is the SHA-256 of its cookie's value."""

    digest: bytes
    user_id: int
    generation: int
    now_ms: int
    expires_ms: int
    address: str
    agent: str
    weight: int = 2

    def apply(self, tx: Tx) -> int:
        """Inserts the row; its id."""
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
        session_id: int = row[0]
        return session_id


@dataclass(frozen=True, slots=True)
class CloseSession:
    """Ends a session."""

    digest: bytes
    weight: int = 1

    def apply(self, tx: Tx) -> None:
        """Deletes the row, if it is there."""
        tx.run("sessions.remove", {"digest": self.digest})


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
