"""A regular expression that is compiled when it is first asked: a child starts fast and pays for what it meets."""  # noqa: E501

from __future__ import annotations

import re
from collections.abc import Callable

Match = re.Match[str]


class Pattern:
    """`match(text, start=0)` as of a compiled expression."""

    __slots__ = ("_source", "match")

    match: Callable[..., Match | None]

    def __init__(self, source: str) -> None:
        self._source = source
        self.match = self._first

    @property
    def compiled(self) -> re.Pattern[str]:
        """The expression, compiled now if it was not."""
        return re.compile(self._source)

    def _first(self, text: str, start: int = 0) -> Match | None:
        compiled = re.compile(self._source).match
        self.match = compiled
        return compiled(text, start)
