"""The fresh share: after an outage, some batches carry what has come in since, ahead of its turn."""

from __future__ import annotations

BEHIND = 10
"""Full batches that a lane has to be behind for its newest lines to go ahead."""


class Fresh:
    """Whose turn it is, while a lane works from both ends."""

    def __init__(self, share: float) -> None:
        """`share` is that of the batches that are fresh ones; 0 for none."""
        self._share = share
        self._credit = 0.0
        self.wanted = share > 0

    def outage(self) -> None:
        """The lane starts, or delivers again: it may be far behind."""
        self.wanted = self._share > 0

    @property
    def due(self) -> bool:
        """Whether the next batch is to be a fresh one, if there is one."""
        return self._credit >= 1

    def sent(self, *, fresh: bool) -> None:
        """A batch is sent, from either end."""
        self._credit = min(self._credit + self._share, 1 + self._share) - (1 if fresh else 0)
