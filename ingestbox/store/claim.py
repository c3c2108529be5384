"""A worker's claim on a job: taking it, keeping it, giving it back.

Every unit names owner and attempt: what a worker does counts only while the job is still its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ingestbox.model import Job
from ingestbox.store import jobs
from ingestbox.store.unit import Tx

HORIZON_MS = 3_600_000
"""No retry lies further away than this; one that seems to was written under another clock and is due."""


class LostClaimError(Exception):
    """The job is not ours any more: its lease ran out and somebody else has it, or it was cancelled."""


def own(tx: Tx, job: Job, owner: str, counts: Mapping[str, object], lease_at: float, now_ms: int) -> None:
    """Adds to a job's `processed`, `issues` and `discarded` (`counts`, with its new `warnings` or None), and
    renews the claim. Raises LostClaimError."""
    mine = {"id": job.id, "owner": owner, "attempt": job.attempt, "lease_at": lease_at, "now": now_ms}
    if tx.run("jobs.load", {**counts, **mine}) != 1:
        raise LostClaimError(job.public_id)


@dataclass(frozen=True, slots=True)
class ClaimJob:
    """Takes a queued job for `owner` until `lease_at` (seconds of this process's monotonic clock)."""

    job_id: int
    owner: str
    lease_at: float
    now_ms: int
    weight: int = 1

    def apply(self, tx: Tx) -> Job | None:
        """The job, or None when it is not to be had."""
        row = tx.one(
            "jobs.claim",
            {
                "id": self.job_id,
                "owner": self.owner,
                "lease_at": self.lease_at,
                "now": self.now_ms,
                "horizon": HORIZON_MS,
            },
        )
        return None if row is None else jobs.from_row(row)


@dataclass(frozen=True, slots=True)
class KeepClaim:
    """Renews the lease of a worker that lives, and remembers how its chunk shrank. Raises LostClaimError."""

    job: Job
    owner: str
    chunk_limit: int
    deaths: int
    lease_at: float
    now_ms: int
    weight: int = 1

    def apply(self, tx: Tx) -> None:
        """Changes the job's row alone."""
        changed = tx.run(
            "jobs.keep_claim",
            {
                "id": self.job.id,
                "owner": self.owner,
                "attempt": self.job.attempt,
                "chunk_limit": self.chunk_limit,
                "deaths": self.deaths,
                "lease_at": self.lease_at,
                "now": self.now_ms,
            },
        )
        if changed != 1:
            raise LostClaimError(self.job.public_id)


@dataclass(frozen=True, slots=True)
class ReleaseJob:
    """Hands a job back: at once, or to be tried again at `retry_ms`."""

    job: Job
    owner: str
    now_ms: int
    retry_ms: int | None = None
    error: str | None = None
    chunk_limit: int = 0
    deaths: int = 0
    weight: int = 1

    def apply(self, tx: Tx) -> bool:
        """Whether the job was still ours."""
        return (
            tx.run(
                "jobs.release",
                {
                    "id": self.job.id,
                    "owner": self.owner,
                    "attempt": self.job.attempt,
                    "retry_ms": self.retry_ms,
                    "error": self.error,
                    "chunk_limit": self.chunk_limit,
                    "deaths": self.deaths,
                    "now": self.now_ms,
                },
            )
            == 1
        )


@dataclass(frozen=True, slots=True)
class FreeExpired:
    """Frees jobs that nobody works on: their lease ran out, or their owner is none of those `at_work`.

    The latter are left behind when handing a job back fails as well, because the store is in trouble.
    """

    monotonic: float
    at_work: frozenset[str]
    weight: int = 10

    def apply(self, tx: Tx) -> list[int]:
        """Moves them back to `queued`; returns their ids."""
        freed = []
        for job_id, owner, lease_at in tx.all("jobs.owned"):
            if owner not in self.at_work or lease_at < self.monotonic:
                tx.run("jobs.free", {"id": job_id, "owner": owner})
                freed.append(job_id)
        return freed
