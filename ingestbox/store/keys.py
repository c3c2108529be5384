"""API keys: made, found by digest, listed, revoked. The key itself is never stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from ingestbox.clock import iso
from ingestbox.model import EVERYWHERE
from ingestbox.store import Store
from ingestbox.store.audit import Act
from ingestbox.store.once import Denied, Made, Once
from ingestbox.store.unit import Tx

NOUN = "key"


class KeyLine(msgspec.Struct, frozen=True):
    """A key as it is listed; times are ISO 8601."""

    id: str
    name: str
    roles: list[str]
    workspace: str
    created_by: str
    created_at: str
    expires_at: str | None
    used_at: str | None
    revoked_at: str | None


@dataclass(frozen=True, slots=True)
class CreateKey:
    """Stores a key's digest, once for an Idempotency-Key."""

    digest: str
    name: str
    roles: Sequence[str]
    workspace: str
    act: Act
    expires_ms: int | None
    once: Once[KeyLine]
    weight: int = 3

    def apply(self, tx: Tx) -> Made[KeyLine] | Denied:
        """Inserts the row. Denied: what stands in the Idempotency-Key's way."""
        if (earlier := self.once.earlier(tx)) is not None:
            return earlier
        row = tx.one(
            "keys.insert",
            {
                "digest": self.digest,
                "name": self.name,
                "roles": " ".join(self.roles),
                "workspace": self.workspace,
                "created_by": self.act.actor,
                "now": self.act.now_ms,
                "expires_ms": self.expires_ms,
            },
        )
        assert row is not None  # INSERT … RETURNING gives the row it made
        made = tx.one("keys.one", {"id": row[0], "workspace": self.workspace})
        assert made is not None
        key = _line(*made)
        facts = {"name": key.name, "roles": key.roles, "expires_at": key.expires_at}
        self.act.within(self.workspace).note(tx, "key.create", NOUN, key.id, after=facts)
        return self.once.keep(tx, key, self.act.now_ms)


@dataclass(frozen=True, slots=True)
class RevokeKey:
    """Ends a key for good; returns its digest, or None when the workspace has no such key."""

    key_id: int
    workspace: str
    act: Act
    weight: int = 2

    def apply(self, tx: Tx) -> str | None:
        """Marks the row; a key revoked before stays as it was."""
        row = tx.one("keys.to_revoke", {"id": self.key_id, "workspace": self.workspace})
        if row is None:
            return None
        digest, name, workspace, revoked_ms = row
        if revoked_ms is None:
            tx.run("keys.revoke", {"id": self.key_id, "now": self.act.now_ms})
            self.act.within(workspace).note(
                tx, "key.revoke", NOUN, self.key_id, before={"name": name}, after={"revoked": True}
            )
        return str(digest)


async def one(store: Store, key_id: int, workspace: str) -> KeyLine | None:
    """The workspace's key with this id, or None."""
    rows = await store.read("keys.one", {"id": key_id, "workspace": workspace})
    return _line(*rows[0]) if rows else None


async def page(store: Store, workspace: str, below: int, limit: int) -> list[KeyLine]:
    """The workspace's keys with an id under `below`, newest first."""
    query = "keys.page_everywhere" if workspace == EVERYWHERE else "keys.page"
    return [
        _line(*row)
        for row in await store.read(query, {"workspace": workspace, "below": below, "limit": limit})
    ]


def _line(key_id: int, name: str, roles: str, workspace: str, created_by: str, *moments: Any) -> KeyLine:
    created, expires, used, revoked = (iso(moment) for moment in moments)
    return KeyLine(
        id=str(key_id),
        name=name,
        roles=roles.split(),
        workspace=workspace,
        created_by=created_by,
        created_at=created or "",
        expires_at=expires,
        used_at=used,
        revoked_at=revoked,
    )
