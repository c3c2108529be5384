"""How the servers of the analysis do, as the children tell it with their answers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from ingestbox.enrich.facts import Step


class Served(msgspec.Struct, frozen=True, array_like=True):
    """What became of one chunk's texts in a step that a server does: how many it `answered`, how many were
    `left` to the box; and why it is `failing`, a word or two, unless it answers as it should."""

    step: Step
    answered: int
    left: int
    failing: str | None


class ServerState(msgspec.Struct):
    """The same of all chunks since the start; `failing` as the last of them found it."""

    step: Step
    answered: int = 0
    left: int = 0
    failing: str | None = None


class Servers:
    """The state of each server, by the step that it does."""

    def __init__(self, steps: Iterable[Step]) -> None:
        self._states = {step: ServerState(step) for step in steps}

    def note(self, served: Iterable[Served]) -> None:
        """What the answer to a chunk says."""
        for each in served:
            state = self._states[each.step]
            state.answered += each.answered
            state.left += each.left
            state.failing = each.failing

    def states(self) -> Sequence[ServerState]:
        """One for each step that a server does."""
        return list(self._states.values())
