"""What has been found out about a piece of text between two blanks, remembered for the texts to come.

Most of a text's pieces were in the texts before it. Looked up, one costs some 50 ns; looked at, far more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

T = TypeVar("T")

PIECES: Final = 16_384
"""Most pieces remembered at a time, unless said otherwise; junk cannot squat among them."""

LONGEST: Final = 24
"""Characters of the longest piece that is remembered; with the limit above, hostile input can make the
largest memory, that of the entities' pieces, take some 20 MB."""


class Memory(dict[str, T]):
    """Piece to what `learn` says of it, filled on demand: at most `most` pieces, of at most `longest`
    characters, and such as `keep` (what was learnt) does not refuse. When half as many have come, those that
    came before are forgotten that were not asked for since.

    A value depends on its key alone, so threads may race on it and forgetting changes only the time taken.
    """

    def __init__(
        self,
        learn: Callable[[str], T],
        *,
        most: int = PIECES,
        longest: int = LONGEST,
        keep: Callable[[T], bool] | None = None,
    ) -> None:
        super().__init__()
        self._learn = learn
        self._half = most // 2
        self._before: dict[str, T] = {}
        self._longest = longest
        self._keep = keep

    def __missing__(self, piece: str) -> T:
        before = self._before
        if piece in before:
            learnt = before[piece]
            if len(self) < self._half:
                self[piece] = learnt
                return learnt
        else:
            learnt = self._learn(piece)
        if len(piece) <= self._longest and (self._keep is None or self._keep(learnt)):
            if len(self) >= self._half:
                self._before = dict(self)
                self.clear()
            self[piece] = learnt
        return learnt
