"""The byte cap of the store: how much of it is used, and what is kept back for the box's own work.

Free pages do not count: they are used before the file grows. SQLite itself enforces the hard end.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from ingestbox.errors import IngestError
from ingestbox.store.engine import sqlite3

PAGE_BYTES = 4_096

FULL_RETRY_SECONDS = 60
"""When a client that was refused may come again: retention and a person's decisions take their time."""

SOFT_PERCENT = 80
"""Of the cap, from which the box warns; at nine tenths of the mark where that is less (contract: forwarding,
Limits)."""

FULL = "The store has reached its cap; what is left is kept for resolving and forwarding."

BACK_PERCENT = 1
"""Of the cap, which has to be free below the mark before records are taken again: or one row that goes would
let in one batch, and turn the light green for a second."""


class Cap:
    """`store.max_mb` (0: none) with its reserve. `look` is for the writer's thread, `tight` for any."""

    def __init__(self, max_mb: int, reserve_percent: int) -> None:
        self.pages = max_mb * 1_048_576 // PAGE_BYTES
        self._mark = self.pages * (100 - reserve_percent) // 100
        self._back = self._mark - self.pages * BACK_PERCENT // 100
        self.tight = False
        """Whether only the reserve is left: no records are taken, everything else goes on."""

    @property
    def mark_bytes(self) -> int:
        """From here on no records are taken; 0 without a cap."""
        return self._mark * PAGE_BYTES

    @property
    def soft_bytes(self) -> int:
        """From here on the box warns; 0 without a cap."""
        return min(self.pages * SOFT_PERCENT // 100, self._mark * 9 // 10) * PAGE_BYTES

    def enforce(self, connection: sqlite3.Connection) -> None:
        """Makes SQLite keep the hard end on this connection."""
        if self.pages:
            connection.execute(f"PRAGMA max_page_count = {self.pages}").fetchall()

    def look(self, connection: sqlite3.Connection) -> None:
        """Sees how much is used, in microseconds; in a transaction, with what that one has written."""
        if self.pages:
            self.tight = _used(connection) > (self._back if self.tight else self._mark)

    def room(self, connection: sqlite3.Connection, folder: Path) -> int:
        """Bytes that can still be written, on the disk and below the hard end. Raises OSError."""
        free = shutil.disk_usage(folder).free
        return min(free, (self.pages - _used(connection)) * PAGE_BYTES) if self.pages else free

    def check(self) -> None:
        """Raises IngestError `storage_full` while only the reserve is left."""
        if self.tight:
            raise refusal()


def refusal() -> IngestError:
    """What new records are told."""
    return IngestError("storage_full", FULL, retry_after=FULL_RETRY_SECONDS)


def _used(connection: sqlite3.Connection) -> int:
    ((pages,),) = connection.execute("PRAGMA page_count").fetchall()
    ((unused,),) = connection.execute("PRAGMA freelist_count").fetchall()
    return int(pages) - int(unused)
