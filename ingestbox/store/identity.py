"""Who this box is, to an upstream."""

from __future__ import annotations

from dataclasses import dataclass

from ingestbox import ids


@dataclass(frozen=True, slots=True)
class BoxIdentity:
    """`box` never changes once it was used; `epoch` is renewed when numbers of the old one could be used
    twice."""

    box: str
    epoch: str

    @property
    def since_ms(self) -> int | None:
        """When the epoch began, by the clock of then."""
        return ids.epoch_ms(self.epoch)
