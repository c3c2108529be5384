"""Stored API keys as the guard sees them, and when each was last used."""

from __future__ import annotations

from ingestbox.errors import IngestError
from ingestbox.identity.apikeys import KeyRecord
from ingestbox.store import Store
from ingestbox.store.keys import NoteUse


class StoredKeys:
    """Looks keys up by digest; uses are noted in memory and written now and then by `flush`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._used: dict[int, int] = {}

    async def find(self, digest: str) -> KeyRecord | None:
        """The key with this SHA-256 (hex), or None."""
        rows = await self._store.read("keys.by_digest", {"digest": digest})
        if not rows:
            return None
        key_id, name, roles, workspace, expires_ms, revoked_ms = rows[0]
        return KeyRecord(key_id, name, roles.split(), workspace, expires_ms, revoked_ms is not None)

    def used(self, key_id: int) -> None:
        """Notes that the key was used now."""
        self._used[key_id] = self._store.clock.now_ms()

    async def flush(self) -> None:
        """Writes the times noted since the last call; what cannot be written is kept for the next."""
        uses, self._used = self._used, {}
        try:
            for unit in NoteUse.slices(uses):
                await self._store.write(unit)
        except IngestError:
            self._used = {**uses, **self._used}
            raise
