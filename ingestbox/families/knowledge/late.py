"""Articles whose source was made known too late: they waited as issues, came again, and were taken then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ingestbox.families.knowledge.contents import content_id
from ingestbox.family import Ask
from ingestbox.model import INDEX_BITS, RecordState
from ingestbox.store.review import resolve
from ingestbox.store.staging import SYSTEM
from ingestbox.store.unit import Tx

RESOLUTION = "superseded"

SLICE = 50
"""Issues that one write closes: it keeps the writer under 20 ms."""


@dataclass(frozen=True, slots=True)
class Late:
    """Closes the issues of contents that came again as others (`pairs`: what waits, and what was taken);
    those whose issue somebody decided about stay as they are. Gives the jobs that changed."""

    pairs: Sequence[tuple[int, int]]
    now_ms: int

    @property
    def weight(self) -> int:
        """Record, issue, job and a few rows of its batches."""
        return 7 * len(self.pairs)

    def apply(self, tx: Tx) -> set[int]:
        """Writes it. What was taken is in the batches of what waited, which is in none any more."""
        jobs: set[int] = set()
        for waiting, taken in self.pairs:
            if tx.one("knowledge.waits", {"content": waiting}) is None:
                continue
            tx.run("records.settle", {"state": RecordState.SUPERSEDED.value, "id": waiting})
            resolve(tx, waiting, RESOLUTION, SYSTEM, self.now_ms, f"It came again as {content_id(taken)}")
            job_id = waiting >> INDEX_BITS
            tx.run("jobs.sifted", {"id": job_id, "processed": 0, "issues": -1})
            tx.run("knowledge.join_batches", {"content": taken, "other": waiting})
            tx.run("knowledge.leave_batches", {"content": waiting})
            jobs.add(job_id)
        return jobs


async def close(ask: Ask, pairs: Sequence[tuple[int, int]]) -> None:
    """Closes the issues of what waits, where the same was taken: after that is on disk, so that neither is
    lost. What a crash keeps from it is done when the article comes the next time."""
    for start in range(0, len(pairs), SLICE):
        unit = Late(pairs[start : start + SLICE], ask.box.now_ms())
        for job_id in await ask.box.write(unit):
            ask.box.changed(job_id)
