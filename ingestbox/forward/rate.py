"""A lane's rate: lines and bytes a second, on the clock that does not jump."""

from __future__ import annotations


class Rate:
    """After each batch a pause as long as the rate allows for it (a token bucket that holds one batch).

    So a batch larger than a second's worth goes, too, and nothing is saved up while there is nothing to send.
    """

    def __init__(self, lines: int, kilobytes: int) -> None:
        """Most of each in a second; 0 for as fast as it goes."""
        self._lines = lines
        self._bytes = kilobytes * 1024
        self.due = 0.0

    def spend(self, now: float, lines: int, size: int) -> None:
        """A batch was sent at a monotonic time, `size` in bytes as sent; `due` is when the next may go."""
        seconds = max(lines / self._lines if self._lines else 0.0, size / self._bytes if self._bytes else 0.0)
        self.due = max(now, self.due) + seconds
