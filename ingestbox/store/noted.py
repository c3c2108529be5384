"""When keys and users were last used: noted in memory at each use, and written now and then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingestbox.store.unit import Tx

if TYPE_CHECKING:
    from ingestbox.store import Store

SLICE = 500


@dataclass(frozen=True, slots=True)
class NoteTimes:
    """Runs `query` for each (id, Unix milliseconds)."""

    query: str
    times: Sequence[tuple[int, int]]

    @property
    def weight(self) -> int:
        """One row each."""
        return len(self.times)

    def apply(self, tx: Tx) -> None:
        """Writes the times."""
        tx.many(self.query, [{"id": row_id, "now": now_ms} for row_id, now_ms in self.times])


class Noted:
    """The newest time of each id, until it is written."""

    def __init__(self, store: Store, query: str) -> None:
        """`query` writes one, as `:id` and `:now`."""
        self._store = store
        self._query = query
        self._times: dict[int, int] = {}

    def note(self, row_id: int) -> None:
        """It was used now."""
        self._times[row_id] = self._store.clock.now_ms()

    def noted(self, row_id: int) -> int | None:
        """The time that is not written yet, if there is one."""
        return self._times.get(row_id)

    async def flush(self) -> None:
        """Writes what was noted since the last call. What was not written, because the store refuses or the
        caller is cancelled, is kept for the next call. Raises IngestError as a write does."""
        times, self._times = self._times, {}
        rows = list(times.items())
        try:
            for start in range(0, len(rows), SLICE):
                await self._store.write(NoteTimes(self._query, rows[start : start + SLICE]))
        except BaseException:
            self._times = {**times, **self._times}
            raise
