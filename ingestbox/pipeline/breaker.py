"""A breaker: who has failed is left alone for a while, then tried once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

REST_SECONDS: Final = 30.0
"""How long who has failed is left alone."""


class Breaker:
    """Closed: everything is admitted. Open: nothing is, for `REST_SECONDS`; then one try decides."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._opened: float | None = None

    @property
    def admits(self) -> bool:
        """Whether anything may be asked now."""
        return self._opened is None or self._monotonic() - self._opened >= REST_SECONDS

    @property
    def tries(self) -> bool:
        """Whether what is asked now is the one try after a rest."""
        return self._opened is not None and self.admits

    def open(self) -> bool:
        """After a failure; whether it is the first one."""
        first = self._opened is None
        self._opened = self._monotonic()
        return first

    def close(self) -> bool:
        """After a success; whether failures were before it."""
        was_open = self._opened is not None
        self._opened = None
        return was_open
