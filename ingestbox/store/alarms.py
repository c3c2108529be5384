"""Alarms that are raised, and the notices of them that are still to be delivered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import msgspec

from ingestbox.store.unit import Tx

if TYPE_CHECKING:
    from ingestbox.store import Store


class Raised(msgspec.Struct, frozen=True):
    """An alarm that is raised: since when (Unix milliseconds), and why, as a sentence for the operator."""

    name: str
    detail: str
    since_ms: int


class Notice(msgspec.Struct, frozen=True):
    """A change of an alarm's state that the webhook is to hear of.

    `id` is the same at every try, so that the receiver can tell a repeat; `since_ms` is when the alarm was
    raised, `at_ms` when its state changed.
    """

    id: str
    alarm: str
    state: Literal["raised", "cleared"]
    detail: str
    since_ms: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class SaveAlarms:
    """Replaces what is stored by what is so now: a few rows, at most two for each alarm there can be."""

    raised: Sequence[Raised]
    notices: Sequence[Notice]

    @property
    def weight(self) -> int:
        """Its rows, and those of before."""
        return 2 * (len(self.raised) + len(self.notices)) + 2

    def apply(self, tx: Tx) -> None:
        """Writes all of them anew."""
        tx.run("alarms.forget")
        tx.run("alarms.forget_notices")
        tx.many("alarms.keep", [msgspec.structs.asdict(each) for each in self.raised])
        tx.many(
            "alarms.keep_notice",
            [
                {**msgspec.structs.asdict(each), "position": place}
                for place, each in enumerate(self.notices, start=1)
            ],
        )


async def load(store: Store) -> tuple[list[Raised], list[Notice]]:
    """What was stored last. Raises IngestError `store_unavailable`."""
    return await store.read_with(
        lambda tx: (
            [Raised(*row) for row in tx.all("alarms.raised")],
            [Notice(*row) for row in tx.all("alarms.notices")],
        )
    )
