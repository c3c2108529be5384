"""A dict of bounded size that forgets what was not used for longest."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class Recent(Generic[K, T]):
    """The last `size` entries by use."""

    __slots__ = ("_entries", "_size")

    def __init__(self, size: int) -> None:
        self._entries: dict[K, T] = {}
        self._size = size

    def get(self, key: K) -> T | None:
        """The entry, which is now the newest; or None."""
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._entries[key] = entry  # a dict keeps the order of insertion
        return entry

    def put(self, key: K, entry: T) -> None:
        """Adds or replaces an entry; the oldest goes when there are too many."""
        self._entries.pop(key, None)
        if len(self._entries) >= self._size:
            del self._entries[next(iter(self._entries))]
        self._entries[key] = entry

    def drop(self, key: K) -> None:
        """Forgets an entry, if there is one."""
        self._entries.pop(key, None)

    def clear(self) -> None:
        """Forgets all."""
        self._entries.clear()
