"""The write that a health check makes, to know rather than to assume."""

from __future__ import annotations

from dataclasses import dataclass

from ingestbox.store.writer import Tx


@dataclass(frozen=True, slots=True)
class ProbeWrite:
    """Changes one row and commits it, through the same writer as everything else."""

    now_ms: int
    weight: int = 1

    def apply(self, tx: Tx) -> None:
        """Notes when the store was last probed."""
        tx.run("box.probe", {"now": self.now_ms})
