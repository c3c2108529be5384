"""Claim → process chunks → settle them in order, until the job is done, handed back or lost."""

from __future__ import annotations

import asyncio
import functools
import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from ingestbox.config import Work
from ingestbox.errors import IngestError
from ingestbox.family import Family, Staging
from ingestbox.model import Chunk, Job, Outcome
from ingestbox.pipeline.checking import Checking
from ingestbox.pipeline.claims import Claim, Claims, Progress
from ingestbox.pipeline.filling import Filling
from ingestbox.pipeline.loader import Loader
from ingestbox.pipeline.pieces import Ahead, Piece, read_piece, set_aside
from ingestbox.pipeline.pool import ChildDied, Pool, PoolStopped
from ingestbox.pipeline.retry import LONGEST_MS, STORE_LONGEST_MS, after_death
from ingestbox.store import Store, files, jobs
from ingestbox.store.claim import HORIZON_MS, ClaimJob, FreeExpired, LostClaimError
from ingestbox.store.work import SettleChunk, Settled

log = logging.getLogger(__name__)

Observe = Callable[[str, Mapping[str, int], float], None]
"""Hears of each chunk on disk: its family, how many records had which outcome, and the seconds it took; and
of each check of a staged job, with a negative number for these."""


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
        loader: Loader | None = None,
        ahead: int = 1,
        ring: Callable[[int], None] = lambda _: None,
    ) -> None:
        """`settled(deliveries)` is called on the loop after each chunk that is on disk; so is `observe`.
        `moved(job_id)` is called whenever a job's state or progress has changed on disk. `loader` reads the
        files that jobs came as. `ahead` chunks of one job are processed at once. `ring(job_id)` tells the
        workers of a job that waited for another one."""
        self._store = store
        self._pool = pool
        self._families = families
        self._settings = settings
        self._settled = settled
        self._moved = moved
        self._observe = observe
        self._most_ahead = ahead
        self._held = Claims(store, settings)
        self._filling = Filling(store, self._held, loader, moved)
        self._checking = Checking(store, self._held, pool, settings, moved, ring)
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
        job = await self._store.write(ClaimJob(job_id, owner, self._held.lease_at(), now))
        if job is None:
            return False
        self._moved(job_id)
        claim = Claim(job, owner, Progress.of(job, self._settings.chunk_records))
        try:
            family = self._family(job)
            if family.staging is None:
                return await self._work(family, claim)
            return await self._work_staged(family, family.staging, claim)
        except LostClaimError:
            log.warning(
                "The job is somebody else's now, or cancelled; what was in hand does not count.",
                extra={"job_id": job.public_id},
            )
        except PoolStopped:
            await self._held.hand_back(claim)
        except asyncio.CancelledError:
            await self._held.hand_back(claim)
            raise
        except IngestError as error:
            store_failed = error.code in ("storage_full", "store_unavailable")
            longest = STORE_LONGEST_MS if store_failed else LONGEST_MS
            await self._held.put_off(claim, f"{error.code}: {error.detail}", longest)
        except Exception as error:
            log.exception("The job cannot go on.", extra={"job_id": job.public_id})
            await self._held.put_off(claim, f"internal: {type(error).__name__}")
        self._moved(job_id)
        return False

    def _family(self, job: Job) -> Family:
        family = self._families.get(job.family)
        if family is None:
            raise IngestError("internal", f"This program has no family `{job.family}`.")
        return family

    async def _work_staged(self, family: Family, rule: Staging, claim: Claim) -> bool:
        """Loads and checks a staged job; once all its rows are right, they become objects."""
        while (file := await self._store.read_with(lambda tx: files.state_of(tx, claim.job.id))) is not None:
            if file.done:
                break
            await self._filling.load(family, claim, file, {})
            if self._stopping:
                await self._held.hand_back(claim)
                await self._observe_check(claim.job)
                return False
        passes = await self._checking.passes(rule, family, claim, file)
        await self._observe_check(claim.job)
        if not passes:
            return False
        again = await self._work(family, claim)
        await self._checking.next_turn(claim.job)
        return again

    async def _observe_check(self, before: Job) -> None:
        """Tells how many rows wait for a person, or were given up as copies, that were not when the job was
        claimed."""
        now = await self._store.read_with(lambda tx: jobs.by_id(tx, before.id, None))
        if now is not None:
            found = {"issue": now.issues - before.issues, "discarded": now.discarded - before.discarded}
            self._observe(before.family, {name: max(0, number) for name, number in found.items()}, -1.0)

    async def _work(self, family: Family, claim: Claim) -> bool:
        """Takes the job as far as it goes; whether it is at its end, but to be begun again."""
        ahead = Ahead(self._most_ahead)
        try:
            while True:
                await self._begin(family, claim, ahead)
                if ahead.empty:
                    await self._held.hand_back(claim)
                    return False
                piece, processing = ahead.take()
                settled = await self._finish(claim, piece, processing)
                if settled is None:
                    await ahead.drop()
                elif piece.last:
                    return settled.reopened and not self._stopping
                elif self._stopping:
                    await self._held.hand_back(claim)
                    return False
        finally:
            await ahead.drop()

    async def _begin(self, family: Family, claim: Claim, ahead: Ahead) -> None:
        """Begins to process as much as may be ahead, loading rows of the job's file where they run out;
        nothing, if the box is to stop meanwhile."""
        # After a death one at a time, until chunks are as large as before.
        while ahead.has_room(one=claim.progress.chunk_limit < self._settings.chunk_records):
            now = self._store.clock.monotonic()
            cursor, most = ahead.next_index(claim.progress.cursor), claim.progress.chunk_limit
            piece = await self._store.read_with(
                functools.partial(
                    read_piece,
                    job=claim.job,
                    cursor=cursor,
                    most=most,
                    now=now,
                    context=family.context,
                    most_bytes=family.chunk_bytes,
                )
            )
            if piece.file is None or piece.file.done:
                ahead.begin(piece, asyncio.create_task(self._process(family, piece)))
                continue
            await self._filling.load(family, claim, piece.file, ahead.indices())
            if self._stopping:
                return

    async def _process(self, family: Family, piece: Piece) -> list[Outcome]:
        if not piece.items:
            return []
        chunk = Chunk(family.name, piece.items, piece.job_id, piece.public_id, piece.context, family.pii)
        return await self._pool.run(family.process, chunk, self._settings.chunk_seconds)

    async def _finish(
        self, claim: Claim, piece: Piece, processing: asyncio.Task[list[Outcome]]
    ) -> Settled | None:
        """Settles a piece once it is processed; None when a smaller one is to be tried instead."""
        try:
            outcomes = await self._held.holding(claim, processing)
        except ChildDied as death:
            if not await self._gives_up(claim, piece, death):
                return None
            outcomes = set_aside(piece.items, f"This record ended its worker ({death})")
        try:
            return await self._settle(claim, piece, outcomes)
        except (IngestError, LostClaimError):
            raise
        except Exception as error:
            # What a family made of a record does not fit its table: the record is to blame alone.
            log.exception("Results could not be stored.", extra={"job_id": claim.job.public_id})
            if len(piece.items) > 1:
                claim.progress = replace(claim.progress, chunk_limit=1)
                return None
            reason = f"What was made of this record could not be stored ({type(error).__name__})"
            return await self._settle(claim, piece, set_aside(piece.items, reason))

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
        await self._held.keep(claim)
        return False

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
            lease_at=self._held.lease_at(),
            now_ms=self._store.clock.now_ms(),
            finish=after.finish(claim.job, piece.file) if piece.last else None,
            staging=self._family(claim.job).staging,
            distinct=self._family(claim.job).distinct,
            keys={item.index: item.key for item in piece.items},
        )
        settled = await self._store.write(unit)
        claim.progress = replace(after, tallies=settled.tallies)
        self._settled(settled.deliveries)
        self._moved(claim.job.id)
        if everything:
            issues = settled.held + sum(1 for outcome in everything if outcome.put is None)
            counted = {
                "done": settled.deliveries,
                "superseded": len(everything) - issues - settled.deliveries,
                "issue": issues,
            }
            self._observe(claim.job.family, counted, self._store.clock.monotonic() - piece.read_at)
        return settled
