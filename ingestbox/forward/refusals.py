"""The row of refusals: when it is not the records that are wrong, but the upstream that changed."""

from __future__ import annotations

from collections.abc import Sequence

from ingestbox.store.lanes import Parked

WORDS = "refuses_all"
"""What the lane's reason begins with, before the code."""


class Refusals:
    """Lines refused one after the other, with none delivered in between.

    Once the row is full, no more are parked: the lane pauses, and is probed with one line. It is kept in
    memory alone, so after a restart a row begins anew.
    """

    def __init__(self, most: int) -> None:
        """`most` is how many are parked before the lane pauses."""
        self._most = most
        self._row = 0
        self.probing = False

    @property
    def full(self) -> bool:
        """Whether the next one that is refused pauses the lane."""
        return self._row >= self._most

    def answered(self, lines: int, refused: Sequence[Parked]) -> str | None:
        """An answer about so many lines, some of them refused. Returns the reason to pause for: then it is
        not to be acted on.

        A batch of which nothing was taken counts line by line, also one that was answered with 2xx: an
        upstream that turns down each of a million lines by itself has changed as well.
        """
        if len(refused) < lines:
            self._row = 0
            self.probing = False
        elif refused:
            if self.full:
                self.probing = True
                return f"{WORDS}: {refused[0].code}"
            self._row += len(refused)
        return None
