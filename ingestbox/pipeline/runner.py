"""Claim → process a chunk → settle, until the job is done, handed back or lost."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from ingestbox.config import Work
from ingestbox.errors import IngestError
from ingestbox.family import Family
from ingestbox.model import Chunk, Item, Job, JobState, Outcome, checksum, index_of, records_of
from ingestbox.pipeline.pool import ChildDied, Pool, PoolStopped
from ingestbox.pipeline.retry import LONGEST_MS, STORE_LONGEST_MS, after_death, backoff_ms
from ingestbox.store import ReadTx, Store
from ingestbox.store.work import (
    HORIZON_MS,
    ClaimJob,
    Finish,
    FreeExpired,
    KeepClaim,
    LostClaimError,
    ReleaseJob,
    SettleChunk,
    Settled,
)

log = logging.getLogger(__name__)

CHUNK_BYTES = 4 * 1_048_576
"""A chunk holds at most this many bytes of payload (one record at least), whatever its count."""

Observe = Callable[[str, Mapping[str, int], float], None]
"""Hears of each chunk on disk: its family, how many records had which outcome, and the seconds it took."""


@dataclass(frozen=True, slots=True)
class Piece:
    """What was read for one chunk: items to process, and outcomes already known (damaged records)."""

    items: list[Item]
    damaged: list[Outcome]
    next_index: int
    last: bool
    read_at: float  # monotonic seconds


class Runner:
    """Works on jobs, one at a time for each call of `work`."""

    def __init__(
        self,
        store: Store,
        pool: Pool,
        families: Mapping[str, Family],
        settings: Work,
        settled: Callable[[int], None],
        observe: Observe = lambda family, outcomes, seconds: None,
        moved: Callable[[int], None] = lambda _: None,
    ) -> None:
        """`settled(deliveries)` is called on the loop after each chunk that is on disk; so is `observe`.
        `moved(job_id)` is called whenever a job's state or progress has changed on disk."""
        self._store = store
        self._pool = pool
        self._families = families
        self._settings = settings
        self._settled = settled
        self._moved = moved
        self._observe = observe
        self._incarnation = secrets.token_hex(6)
        self._claims = 0
        self._at_work: set[str] = set()
        self._stopping = False

    def stop_claiming(self) -> None:
        """From now on a job is handed back after the chunk in hand."""
        self._stopping = True

    async def due(self, limit: int) -> Sequence[int]:
        """Jobs to ring for: those that nobody works on are freed first, then the oldest that are due."""
        # A claim made from here on waits behind this unit, so that it cannot be taken for one left behind.
        await self._store.write(FreeExpired(self._store.clock.monotonic(), frozenset(self._at_work)))
        rows = await self._store.read(
            "jobs.due", {"now": self._store.clock.now_ms(), "horizon": HORIZON_MS, "limit": limit}
        )
        return [row[0] for row in rows]

    async def work(self, job_id: int) -> None:
        """Claims the job and takes it as far as it goes. What goes wrong is a state of the job afterwards."""
        if self._stopping:
            return
        self._claims += 1
        owner = f"{self._incarnation}.{self._claims}"
        self._at_work.add(owner)
        try:
            while await self._claim_and_work(job_id, owner):
                pass
        finally:
            self._at_work.discard(owner)

    async def _claim_and_work(self, job_id: int, owner: str) -> bool:
        """Whether to do so again: records that were behind became pending while the others were at work."""
        now = self._store.clock.now_ms()
        job = await self._store.write(ClaimJob(job_id, owner, self._lease_at(), now))
        if job is None:
            return False
        self._moved(job_id)
        claim = Claim(job, owner, Progress.of(job, self._settings.chunk_records))
        try:
            return await self._work(claim)
        except LostClaimError:
            log.warning(
                "The job is somebody else's now, or cancelled; what was in hand does not count.",
                extra={"job_id": job.public_id},
            )
        except PoolStopped:
            await self._hand_back(claim)
        except asyncio.CancelledError:
            await self._hand_back(claim)
            raise
        except IngestError as error:
            store_failed = error.code in ("storage_full", "store_unavailable")
            longest = STORE_LONGEST_MS if store_failed else LONGEST_MS
            await self._put_off(claim, f"{error.code}: {error.detail}", longest)
        except Exception as error:
            log.exception("The job cannot go on.", extra={"job_id": job.public_id})
            await self._put_off(claim, f"internal: {type(error).__name__}")
        self._moved(job_id)
        return False

    async def _work(self, claim: Claim) -> bool:
        """Takes the job as far as it goes; whether it is at its end, but to be begun again."""
        job = claim.job
        family = self._families.get(job.family)
        if family is None:
            raise IngestError("internal", f"This program has no family `{job.family}`.")
        while True:
            piece = await self._read(claim)
            try:
                outcomes = await self._process(family, claim, piece)
            except ChildDied as death:
                if not await self._gives_up(claim, piece, death):
                    continue
                outcomes = [_set_aside(piece.items[0], f"This record ended its worker ({death})")]
            try:
                settled = await self._settle(claim, piece, outcomes)
            except (IngestError, LostClaimError):
                raise
            except Exception as error:
                # What a family made of a record does not fit its table: the record is to blame alone.
                log.exception("Results could not be stored.", extra={"job_id": job.public_id})
                if len(piece.items) > 1:
                    claim.progress = replace(claim.progress, chunk_limit=1)
                    continue
                reason = f"What was made of this record could not be stored ({type(error).__name__})"
                settled = await self._settle(claim, piece, [_set_aside(item, reason) for item in piece.items])
            if piece.last:
                return settled.reopened and not self._stopping
            if self._stopping:
                await self._hand_back(claim)
                return False

    async def _read(self, claim: Claim) -> Piece:
        now = self._store.clock.monotonic()
        return await self._store.read_with(lambda tx: _read_piece(tx, claim.job, claim.progress, now))

    async def _process(self, family: Family, claim: Claim, piece: Piece) -> list[Outcome]:
        """The outcomes of the piece's items. The lease is renewed meanwhile: a chunk may wait long for a
        free child, and one that is slow is the time-out's business."""
        if not piece.items:
            return []
        running = asyncio.create_task(
            self._pool.run(family.process, Chunk(claim.job.family, piece.items), self._settings.chunk_seconds)
        )
        try:
            while not running.done():
                await asyncio.wait((running,), timeout=self._settings.lease_seconds / 3)
                if not running.done():
                    await self._keep_claim(claim)
            return running.result()
        finally:
            if not running.done():
                running.cancel()
                await asyncio.wait((running,))

    async def _gives_up(self, claim: Claim, piece: Piece, death: ChildDied) -> bool:
        """Whether the chunk's one record is to be set aside; otherwise a smaller chunk is to be tried."""
        decision = after_death(len(piece.items), claim.progress.deaths)
        log.warning(
            "A child process ended without an answer: %s.",
            death,
            extra={
                "job_id": claim.job.public_id,
                "records": len(piece.items),
                "chunk_limit": decision.chunk_limit,
            },
        )
        claim.progress = replace(claim.progress, chunk_limit=decision.chunk_limit, deaths=decision.deaths)
        if decision.give_up:
            return True
        await self._keep_claim(claim)
        return False

    async def _keep_claim(self, claim: Claim) -> None:
        now = self._store.clock.now_ms()
        await self._store.write(
            KeepClaim(
                claim.job,
                claim.owner,
                claim.progress.chunk_limit,
                claim.progress.deaths,
                self._lease_at(),
                now,
            )
        )

    async def _settle(self, claim: Claim, piece: Piece, outcomes: Sequence[Outcome]) -> Settled:
        everything = [*piece.damaged, *outcomes]
        after = claim.progress.after(everything, piece.next_index, self._settings.chunk_records)
        unit = SettleChunk(
            job=claim.job,
            owner=claim.owner,
            identity=self._store.identity,
            outcomes=everything,
            payloads={item.index: item.payload for item in piece.items},
            old_cursor=claim.progress.cursor,
            cursor=piece.next_index,
            tallies=after.tallies,
            chunk_limit=after.chunk_limit,
            lease_at=self._lease_at(),
            now_ms=self._store.clock.now_ms(),
            finish=after.finish(claim.job) if piece.last else None,
        )
        settled = await self._store.write(unit)
        claim.progress = after
        self._settled(settled.deliveries)
        self._moved(claim.job.id)
        if everything:
            issues = sum(1 for outcome in everything if outcome.put is None)
            counted = {
                "done": settled.deliveries,
                "superseded": len(everything) - issues - settled.deliveries,
                "issue": issues,
            }
            self._observe(claim.job.family, counted, self._store.clock.monotonic() - piece.read_at)
        return settled

    async def _hand_back(self, claim: Claim) -> None:
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

    async def _put_off(self, claim: Claim, reason: str, longest_ms: int = LONGEST_MS) -> None:
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

    def _lease_at(self) -> float:
        return self._store.clock.monotonic() + self._settings.lease_seconds


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is, as far as it is on disk. `deaths` counts those of children since the last success,
    `issues` the records that came to nothing: a person has given some of them up."""

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
            for name, number in outcome.tallies.items():
                tallies[name] = tallies.get(name, 0) + number
        return Progress(
            cursor=cursor,
            issues=self.issues + sum(1 for outcome in outcomes if outcome.fault_code is not None),
            tallies=tallies,
            chunk_limit=min(self.chunk_limit * 2, chunk_records),
            deaths=0,
        )

    def finish(self, job: Job) -> Finish:
        """A job fails only when nothing of it could be processed (contract: feedback, Job)."""
        if job.total and self.issues >= job.total:
            return Finish(JobState.FAILED, "No record could be processed; see errors.")
        return Finish(JobState.COMPLETED)


@dataclass(slots=True)
class Claim:
    """A job that a worker holds, and how far it is."""

    job: Job
    owner: str
    progress: Progress


def _read_piece(tx: ReadTx, job: Job, progress: Progress, now: float) -> Piece:
    """Up to `chunk_limit` pending records from the cursor on, each checked against its checksum."""
    items: list[Item] = []
    damaged: list[Outcome] = []
    size = 0
    next_index = progress.cursor
    rows = tx.each("records.pending", {**records_of(job.id, progress.cursor), "limit": progress.chunk_limit})
    for rid, key, payload, crc in rows:  # key and payload as bytes, whatever became of them
        if items and size + len(payload) > CHUNK_BYTES:
            break
        index = index_of(rid)
        next_index = index + 1
        if checksum(key, payload) == crc:
            items.append(Item(index, key.decode(), payload))
            size += len(payload)
        else:
            damaged.append(_damaged(index))
    taken = len(items) + len(damaged)
    if taken == 0:
        next_index = job.total
    return Piece(items, damaged, next_index, last=taken == 0 or next_index >= job.total, read_at=now)


def _damaged(index: int) -> Outcome:
    return Outcome(
        index,
        fault_code="damaged",
        fault_message="The stored record does not match its checksum; it was not processed.",
    )


def _set_aside(item: Item, reason: str) -> Outcome:
    return Outcome(item.index, fault_code="processing_failed", fault_message=f"{reason}; it was set aside.")
