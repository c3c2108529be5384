"""Stored API keys as the guard sees them, and when each was last used."""

from __future__ import annotations

from ingestbox.identity.apikeys import KeyRecord
from ingestbox.store import Store
from ingestbox.store.noted import Noted


class StoredKeys(Noted):
    """Looks keys up by digest; notes their uses."""

    def __init__(self, store: Store) -> None:
        super().__init__(store, "keys.used")

    async def find(self, digest: str) -> KeyRecord | None:
        """The key with this SHA-256 (hex), or None."""
        rows = await self._store.read("keys.by_digest", {"digest": digest})
        if not rows:
            return None
        key_id, name, roles, workspace, expires_ms, revoked_ms = rows[0]
        return KeyRecord(key_id, name, roles.split(), workspace, expires_ms, revoked_ms is not None)

    def used(self, key_id: int) -> None:
        """Notes that the key was used now."""
        self.note(key_id)
