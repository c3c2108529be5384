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


class Replaced(msgspec.Struct, frozen=True):
    """The key that another one took the place of, until when it is good (ISO 8601), and its digest."""

    id: str
    good_until: str
    digest: str


class Rotation(msgspec.Struct, frozen=True):
    """The new key, and the old one."""

    key: KeyLine
    old: Replaced


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


@dataclass(frozen=True, slots=True)
class RotateKey:
    """Puts a new key in the place of one, with its name, roles, workspace and end; the old one is good for
    `keep_ms` more. Once for an Idempotency-Key."""

    key_id: int
    workspace: str
    digest: str
    keep_ms: int
    act: Act
    once: Once[Rotation]
    weight: int = 5

    def apply(self, tx: Tx) -> Made[Rotation] | Denied:
        """Inserts the new row and shortens the old one's time. Denied: `not_found`, `key_ended`,
        `key_rotated` (the end of its successor would be that of what is left of it), or what stands in the
        Idempotency-Key's way."""
        if (earlier := self.once.earlier(tx)) is not None:
            return earlier
        now = self.act.now_ms
        row = tx.one("keys.to_rotate", {"id": self.key_id, "workspace": self.workspace})
        if row is None:
            return Denied("not_found")
        old_digest, name, roles, workspace, expires_ms, revoked_ms = row
        if revoked_ms is not None or (expires_ms is not None and expires_ms <= now):
            return Denied("key_ended")
        if tx.one("keys.rotated", {"object_id": str(self.key_id)}) is not None:
            return Denied("key_rotated")
        made = tx.one(
            "keys.insert",
            {
                "digest": self.digest,
                "name": name,
                "roles": roles,
                "workspace": workspace,
                "created_by": self.act.actor,
                "now": now,
                "expires_ms": expires_ms,
            },
        )
        assert made is not None  # INSERT … RETURNING gives the row it made
        if self.keep_ms:
            ends = tx.one("keys.shorten", {"id": self.key_id, "until": now + self.keep_ms})
            assert ends is not None
            until = ends[0]
        else:
            tx.run("keys.revoke", {"id": self.key_id, "now": now})
            until = now
        found = tx.one("keys.one", {"id": made[0], "workspace": workspace})
        assert found is not None
        rotation = Rotation(_line(*found), Replaced(str(self.key_id), iso(until) or "", old_digest))
        act = self.act.within(workspace)
        ended = {"replaced_by": rotation.key.id, "good_until": rotation.old.good_until}
        act.note(tx, "key.rotate", NOUN, self.key_id, before={"name": name}, after=ended)
        facts = {"name": name, "roles": rotation.key.roles, "expires_at": rotation.key.expires_at}
        act.note(tx, "key.create", NOUN, rotation.key.id, after={**facts, "in_place_of": str(self.key_id)})
        return self.once.keep(tx, rotation, now)


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
