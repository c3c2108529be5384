"""A worker's claim on a job: how far the job is, and keeping the claim or giving it back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from ingestbox.config import Work
from ingestbox.errors import IngestError
from ingestbox.model import Job, JobState, Outcome
from ingestbox.pipeline.loader import Pace
from ingestbox.pipeline.retry import LONGEST_MS, backoff_ms
from ingestbox.store import Store
from ingestbox.store.claim import KeepClaim, ReleaseJob
from ingestbox.store.files import FileState
from ingestbox.store.staging import Hold
from ingestbox.store.work import Finish

T = TypeVar("T")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is, as far as it is on disk. `deaths` counts those of children since the last success,
    `issues` the records that came to nothing, or were held before it was claimed: a person has given some of
    them up."""

    cursor: int
    issues: int
    tallies: Mapping[str, int]
    chunk_limit: int
    deaths: int

    @classmethod
    def of(cls, job: Job, chunk_records: int) -> Progress:
        """Where the job was when it was claimed; `chunk_records` is the most of a chunk."""
        limit = min(job.chunk_limit or chunk_records, chunk_records)
        return cls(job.cursor, job.issues + job.discarded, job.tallies, limit, job.deaths)

    def after(self, outcomes: Sequence[Outcome], cursor: int, chunk_records: int) -> Progress:
        """Once these outcomes are on disk: the chunk went well, so the next may be larger."""
        tallies = dict(self.tallies)
        for outcome in outcomes:
            if outcome.fault_code is None:  # what is held counts once it is not
                for name, number in outcome.tallies.items():
                    tallies[name] = tallies.get(name, 0) + number
        return Progress(
            cursor=cursor,
            issues=self.issues + sum(1 for outcome in outcomes if outcome.put is None),
            tallies=tallies,
            chunk_limit=min(self.chunk_limit * 2, chunk_records),
            deaths=0,
        )

    def finish(self, job: Job, file: FileState | None = None) -> Finish:
        """A job fails only when nothing of it could be processed (contract: feedback, Job), or its file could
        not be read to the end."""
        if file is not None and file.error is not None:
            return Finish(JobState.FAILED, file.error)
        if job.total and self.issues >= job.total:
            return Finish(JobState.FAILED, "No record could be processed; see errors.", nothing=True)
        return Finish(JobState.COMPLETED)


@dataclass(slots=True)
class Claim:
    """A job that a worker holds, and how far it is."""

    job: Job
    owner: str
    progress: Progress
    pace: Pace = field(default_factory=Pace)


class Claims:
    """Keeps claims, and gives them back."""

    def __init__(self, store: Store, settings: Work) -> None:
        self._store = store
        self._settings = settings

    def lease_at(self) -> float:
        """When a claim that is renewed now ends (monotonic seconds)."""
        return self._store.clock.monotonic() + self._settings.lease_seconds

    def hold(self, claim: Claim) -> Hold:
        """The claim as the units of a staged job take it; they renew it."""
        return Hold(claim.job, claim.owner, self.lease_at(), self._store.clock.now_ms())

    async def holding(self, claim: Claim, running: asyncio.Task[T]) -> T:
        """Waits for what a child does for the job, and keeps the job meanwhile: a chunk may wait long for a
        free child, and one that is slow is the time-out's business."""
        try:
            while not running.done():
                await asyncio.wait((running,), timeout=self._settings.lease_seconds / 3)
                if not running.done():
                    await self.keep(claim)
            return running.result()
        finally:
            if not running.done():
                running.cancel()
                await asyncio.wait((running,))

    async def keep(self, claim: Claim) -> None:
        """Renews the lease; what is known of deaths is on disk with it. Raises LostClaimError."""
        progress, now = claim.progress, self._store.clock.now_ms()
        await self._store.write(
            KeepClaim(claim.job, claim.owner, progress.chunk_limit, progress.deaths, self.lease_at(), now)
        )

    async def hand_back(self, claim: Claim) -> None:
        """The box stops: the job goes on where it is, at the next start."""
        await self._store.write(
            ReleaseJob(
                claim.job,
                claim.owner,
                self._store.clock.now_ms(),
                chunk_limit=claim.progress.chunk_limit,
                deaths=claim.progress.deaths,
            )
        )

    async def put_off(self, claim: Claim, reason: str, longest_ms: int = LONGEST_MS) -> None:
        """Hands the job back to be tried again later. If even that fails, the sweep frees it."""
        now = self._store.clock.now_ms()
        delay = backoff_ms(claim.job.attempt, longest_ms)
        log.warning(
            "The job is put off.",
            extra={"job_id": claim.job.public_id, "reason": reason, "retry_in_ms": delay},
        )
        try:
            await self._store.write(
                ReleaseJob(
                    claim.job,
                    claim.owner,
                    now,
                    retry_ms=now + delay,
                    error=reason,
                    chunk_limit=claim.progress.chunk_limit,
                    deaths=claim.progress.deaths,
                )
            )
        except IngestError as error:
            log.warning("The job could not be handed back: %s", error, extra={"job_id": claim.job.public_id})
