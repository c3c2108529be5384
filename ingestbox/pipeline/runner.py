"""Claim → process a chunk → settle, until the job is done, handed back or lost."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ingestbox.config import Work
from ingestbox.errors import IngestError
from ingestbox.family import Family
from ingestbox.model import INDEX_BITS, Chunk, Item, Job, JobState, Outcome, checksum, record_id
from ingestbox.pipeline.pool import ChildDied, Pool, PoolStopped
from ingestbox.pipeline.retry import after_death, backoff_ms
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
)

log = logging.getLogger(__name__)

CHUNK_BYTES = 4 * 1_048_576
"""A chunk holds at most this many bytes of payload (one record at least), whatever its count."""

INDEX_MASK = (1 << INDEX_BITS) - 1


@dataclass(frozen=True, slots=True)
class Piece:
    """What was read for one chunk: items to process, and outcomes already known (damaged records)."""

    items: list[Item]
    damaged: list[Outcome]
    next_index: int
    last: bool


class Runner:
    """Works on jobs, one at a time for each call of `work`."""

    def __init__(
        self,
        store: Store,
        pool: Pool,
        families: Mapping[str, Family],
        settings: Work,
        settled: Callable[[int], None],
    ) -> None:
        """`settled(deliveries)` is called on the loop after each chunk that is on disk."""
        self._store = store
        self._pool = pool
        self._families = families
        self._settings = settings
        self._settled = settled
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
            await self._claim_and_work(job_id, owner)
        finally:
            self._at_work.discard(owner)

    async def _claim_and_work(self, job_id: int, owner: str) -> None:
        now = self._store.clock.now_ms()
        job = await self._store.write(ClaimJob(job_id, owner, self._lease_at(), now))
        if job is None:
            return
        progress = Progress(job, self._settings.chunk_records)
        try:
            await self._work(job, owner, progress)
        except LostClaimError:
            log.warning("The job's lease ran out while it was worked on.", extra={"job_id": job.public_id})
        except PoolStopped:
            await self._hand_back(job, owner, progress)
        except asyncio.CancelledError:
            await self._hand_back(job, owner, progress)
            raise
        except IngestError as error:
            await self._put_off(job, owner, progress, f"{error.code}: {error.detail}")
        except Exception as error:
            log.exception("The job cannot go on.", extra={"job_id": job.public_id})
            await self._put_off(job, owner, progress, f"internal: {type(error).__name__}")

    async def _work(self, job: Job, owner: str, progress: Progress) -> None:
        family = self._families.get(job.family)
        if family is None:
            raise IngestError("internal", f"This program has no family `{job.family}`.")
        while True:
            piece = await self._store.read_with(lambda tx: _read_piece(tx, job, progress))
            try:
                outcomes = await self._process(family, job, owner, progress, piece)
            except ChildDied as death:
                if not await self._gives_up(job, owner, progress, piece, death):
                    continue
                outcomes = [_poisoned(piece.items[0], death)]
            await self._settle(job, owner, progress, piece, outcomes)
            if piece.last:
                return
            if self._stopping:
                await self._hand_back(job, owner, progress)
                return

    async def _process(
        self, family: Family, job: Job, owner: str, progress: Progress, piece: Piece
    ) -> list[Outcome]:
        """The outcomes of the piece's items. The lease is renewed meanwhile: a chunk may wait long for a
        free child, and one that is slow is the time-out's business."""
        if not piece.items:
            return []
        running = asyncio.create_task(
            self._pool.run(family.process, Chunk(job.family, piece.items), self._settings.chunk_seconds)
        )
        try:
            while not running.done():
                await asyncio.wait((running,), timeout=self._settings.lease_seconds / 3)
                if not running.done():
                    await self._keep_claim(job, owner, progress)
            return running.result()
        finally:
            if not running.done():
                running.cancel()
                await asyncio.wait((running,))

    async def _gives_up(
        self, job: Job, owner: str, progress: Progress, piece: Piece, death: ChildDied
    ) -> bool:
        """Whether the chunk's one record is to be set aside; otherwise a smaller chunk is to be tried."""
        decision = after_death(len(piece.items), progress.deaths)
        log.warning(
            "A child process ended without an answer: %s.",
            death,
            extra={"job_id": job.public_id, "records": len(piece.items), "chunk_limit": decision.chunk_limit},
        )
        progress.deaths = decision.deaths
        progress.chunk_limit = decision.chunk_limit
        if decision.give_up:
            return True
        await self._keep_claim(job, owner, progress)
        return False

    async def _keep_claim(self, job: Job, owner: str, progress: Progress) -> None:
        now = self._store.clock.now_ms()
        await self._store.write(
            KeepClaim(job, owner, progress.chunk_limit, progress.deaths, self._lease_at(), now)
        )

    async def _settle(
        self, job: Job, owner: str, progress: Progress, piece: Piece, outcomes: Sequence[Outcome]
    ) -> None:
        everything = [*piece.damaged, *outcomes]
        progress.count(everything)
        limit = progress.grown()
        unit = SettleChunk(
            job=job,
            owner=owner,
            identity=self._store.identity,
            outcomes=everything,
            payloads={item.index: item.payload for item in piece.items},
            old_cursor=progress.cursor,
            cursor=piece.next_index,
            tallies=progress.tallies,
            chunk_limit=limit,
            lease_at=self._lease_at(),
            now_ms=self._store.clock.now_ms(),
            finish=progress.finish(job) if piece.last else None,
        )
        deliveries = await self._store.write(unit)
        progress.cursor = piece.next_index
        progress.chunk_limit = limit
        progress.deaths = 0
        self._settled(deliveries)

    async def _hand_back(self, job: Job, owner: str, progress: Progress) -> None:
        """The box stops: the job goes on where it is, at the next start."""
        await self._store.write(
            ReleaseJob(
                job,
                owner,
                self._store.clock.now_ms(),
                chunk_limit=progress.chunk_limit,
                deaths=progress.deaths,
            )
        )

    async def _put_off(self, job: Job, owner: str, progress: Progress, reason: str) -> None:
        """Hands the job back to be tried again later. If even that fails, the sweep frees it."""
        now = self._store.clock.now_ms()
        delay = backoff_ms(job.attempt)
        log.warning(
            "The job is put off.", extra={"job_id": job.public_id, "reason": reason, "retry_in_ms": delay}
        )
        try:
            await self._store.write(
                ReleaseJob(
                    job,
                    owner,
                    now,
                    retry_ms=now + delay,
                    error=reason,
                    chunk_limit=progress.chunk_limit,
                    deaths=progress.deaths,
                )
            )
        except IngestError as error:
            log.warning("The job could not be handed back: %s", error, extra={"job_id": job.public_id})

    def _lease_at(self) -> float:
        return self._store.clock.monotonic() + self._settings.lease_seconds


class Progress:
    """What a worker knows of the job it holds, beyond what it claimed."""

    def __init__(self, job: Job, chunk_records: int) -> None:
        self._most = chunk_records
        self.cursor = job.cursor
        self.tallies = dict(job.tallies)
        self.chunk_limit = min(job.chunk_limit or chunk_records, chunk_records)
        self.deaths = job.deaths
        self.processed = job.processed
        self.issues = job.issues

    def count(self, outcomes: Sequence[Outcome]) -> None:
        """Adds a chunk's outcomes."""
        self.processed += len(outcomes)
        for outcome in outcomes:
            if outcome.fault_code is not None:
                self.issues += 1
            for name, number in outcome.tallies.items():
                self.tallies[name] = self.tallies.get(name, 0) + number

    def grown(self) -> int:
        """The next chunk's limit after one that went well."""
        return min(self.chunk_limit * 2, self._most)

    def finish(self, job: Job) -> Finish:
        """A job fails only when nothing of it could be processed (contract: feedback, Job)."""
        if job.total and self.issues >= job.total:
            return Finish(JobState.FAILED, "No record could be processed; see errors.")
        return Finish(JobState.COMPLETED)


def _read_piece(tx: ReadTx, job: Job, progress: Progress) -> Piece:
    """Up to `chunk_limit` pending records from the cursor on, each checked against its checksum."""
    items: list[Item] = []
    damaged: list[Outcome] = []
    size = 0
    next_index = progress.cursor
    rows = tx.each(
        "records.pending",
        {
            "first": record_id(job.id, progress.cursor),
            "beyond": record_id(job.id + 1, 0),
            "limit": progress.chunk_limit,
        },
    )
    for rid, key, payload, crc in rows:  # key and payload as bytes, whatever became of them
        if items and size + len(payload) > CHUNK_BYTES:
            break
        index = rid & INDEX_MASK
        next_index = index + 1
        if checksum(key, payload) == crc:
            items.append(Item(index, key.decode(), payload))
            size += len(payload)
        else:
            damaged.append(_damaged(index))
    taken = len(items) + len(damaged)
    if taken == 0:
        next_index = job.total
    return Piece(items, damaged, next_index, last=taken == 0 or next_index >= job.total)


def _damaged(index: int) -> Outcome:
    return Outcome(
        index,
        fault_code="damaged",
        fault_message="The stored record does not match its checksum; it was not processed.",
    )


def _poisoned(item: Item, death: ChildDied) -> Outcome:
    return Outcome(
        item.index,
        fault_code="processing_failed",
        fault_message=f"Processing this record ended the worker ({death}); it was set aside.",
    )
