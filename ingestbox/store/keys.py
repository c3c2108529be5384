"""API keys: made, found by digest, listed, revoked. The key itself is never stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from ingestbox.clock import iso
from ingestbox.store import Store
from ingestbox.store.writer import Tx


class KeyLine(msgspec.Struct, frozen=True):
    """A key as it is listed; times are ISO 8601."""

    id: str
    name: str
    roles: list[str]
    workspace: str
    created_by: str
    created_at: str | None
    expires_at: str | None
    used_at: str | None
    revoked_at: str | None


@dataclass(frozen=True, slots=True)
class CreateKey:
    """Stores a key's digest; returns the key's id."""

    digest: str
    name: str
    roles: Sequence[str]
    workspace: str
    created_by: str
    now_ms: int
    expires_ms: int | None
    weight: int = 1

    def apply(self, tx: Tx) -> int:
        """Inserts the row."""
        row = tx.one(
            "keys.insert",
            {
                "digest": self.digest,
                "name": self.name,
                "roles": " ".join(self.roles),
                "workspace": self.workspace,
                "created_by": self.created_by,
                "now": self.now_ms,
                "expires_ms": self.expires_ms,
            },
        )
        assert row is not None  # INSERT … RETURNING gives the row it made
        return int(row[0])


@dataclass(frozen=True, slots=True)
class RevokeKey:
    """Ends a key for good; returns its digest, or None when the workspace has no such key."""

    key_id: int
    workspace: str
    now_ms: int
    weight: int = 1

    def apply(self, tx: Tx) -> str | None:
        """Marks the row; a key revoked before stays as it was."""
        row = tx.one("keys.revoke", {"id": self.key_id, "workspace": self.workspace, "now": self.now_ms})
        return None if row is None else str(row[0])


@dataclass(frozen=True, slots=True)
class NoteUse:
    """When keys were last used, as (id, Unix milliseconds)."""

    uses: Sequence[tuple[int, int]]

    @property
    def weight(self) -> int:
        """One row a key."""
        return len(self.uses)

    def apply(self, tx: Tx) -> None:
        """Moves the times forward, never back."""
        for key_id, used_ms in self.uses:
            tx.run("keys.used", {"id": key_id, "used_ms": used_ms})


async def list_keys(store: Store, workspace: str) -> list[KeyLine]:
    """The workspace's keys, newest first, 500 at most."""
    rows = await store.read("keys.list", {"workspace": workspace, "limit": 500})
    return [
        KeyLine(str(key_id), name, roles.split(), space, creator, *(iso(moment) for moment in moments))
        for key_id, name, roles, space, creator, *moments in rows
    ]
