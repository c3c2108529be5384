"""What the sender has to know of a family: where its batches go, and what the answers say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from ingestbox.cli.sending.asking import Asker
from ingestbox.cli.sending.tally import Tally

NO_BOX = " The address of a box is its root, such as http://host:8000."
"""What to do about a 404."""


class Outcome(msgspec.Struct):
    """What became of one record of a batch."""

    index: int
    outcome: str
    message: str = ""


class Taken(msgspec.Struct):
    """A batch that was taken: the id it has from now on, and what became of its records, as far as told."""

    id: str
    outcomes: Sequence[Outcome] = ()


class Service(Protocol):
    """The calls of one family that takes batches of records."""

    path: str
    """Where they are posted."""

    next: Mapping[int, str]
    """What to do about a refusal that is not about the records, by its status."""

    def taken(self, content: bytes) -> Taken:
        """The 200 to a batch. Raises msgspec.DecodeError."""

    async def follow(self, asker: Asker, batch_id: str, places: Sequence[str], tally: Tally) -> None:
        """Returns once all that was taken of a batch is processed; how that went goes to the tally. `places`
        says where each record lies. Raises ClickException."""
