"""Checking a staged job, whose rows wait for each other (`comparing`). Only when nothing of it waits for a
person, and it is its owner's turn, its rows become objects; see `store.staging`."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from dataclasses import replace

from ingestbox.config import Work
from ingestbox.family import Family, Staging
from ingestbox.model import Job, JobState, records_of
from ingestbox.pipeline.claims import Claim, Claims
from ingestbox.pipeline.comparing import Comparing
from ingestbox.pipeline.pool import Pool
from ingestbox.store import Store, rules, staging
from ingestbox.store.claim import LostClaimError, ReleaseJob
from ingestbox.store.files import FileState
from ingestbox.store.staging import (
    SLICE,
    WINDOW,
    BeginCheck,
    GiveTurnBack,
    Leave,
    ReleaseRows,
    ResolveSettled,
    TakeTurn,
)


class Checking:
    """Checks jobs, for the worker that holds them."""

    def __init__(
        self,
        store: Store,
        claims: Claims,
        pool: Pool,
        settings: Work,
        moved: Callable[[int], None],
        ring: Callable[[int], None],
    ) -> None:
        """`moved(job_id)` hears of each state that a job gets into here, `ring(job_id)` tells the workers of
        one that waited for another."""
        self._store = store
        self._claims = claims
        self._rows = Comparing(store, claims, pool, settings)
        self._moved = moved
        self._ring = ring

    async def passes(self, rule: Staging, family: Family, claim: Claim, file: FileState | None) -> bool:
        """Checks a job whose rows are all here; whether they may become objects now, it being this job's
        turn. Otherwise the claim is given back: the job waits for a person, or for its turn.

        Raises LostClaimError, PoolStopped, IngestError.
        """
        staged = await self._store.read_with(lambda tx: staging.of_job(tx, claim.job.id))
        if staged is None:
            raise LostClaimError(claim.job.public_id)
        if file is not None and file.error is not None and staged.phase == "loading":
            return await self._leave(claim, JobState.FAILED, file.error)
        run, query = staged.run, f"{family.name}.existing_{rule.kind}"
        if staged.phase not in ("turn", "consolidating"):
            run = await self._store.write(BeginCheck(self._claims.hold(claim)))
            await self._rows.recheck(rule, claim, run, loaded=staged.phase == "loading")
            await self._rows.compare(rule, claim, run)
            if await self._fails(claim, run):  # a person is needed, and is to see everything at once
                await self._rows.look_up(rule, query, claim, run, baseline=staged.baseline)
                await self._settle(claim, run)
                if await self._ruled(family, claim):
                    return await self.passes(rule, family, claim, file)
                return await self._leave(claim, JobState.REVIEW)
        if not await self._store.write(TakeTurn(self._claims.hold(claim))):
            return await self._wait(claim)
        if staged.phase != "consolidating":
            claim.progress = replace(claim.progress, cursor=0)
        await self._rows.look_up(rule, query, claim, run, baseline=staged.baseline)
        await self._settle(claim, run)
        if await self._fails(claim, run):
            await self._store.write(GiveTurnBack(self._claims.hold(claim)))
            await self.next_turn(claim.job)
            if await self._ruled(family, claim):
                return await self.passes(rule, family, claim, file)
            return await self._leave(claim, JobState.REVIEW)
        return True

    async def _ruled(self, family: Family, claim: Claim) -> bool:
        """Whether rules that the owner keeps changed rows, so that all are to be checked again; they do so in
        two rounds at most."""
        known = {family.name: family}
        applying = rules.apply_kept(self._store, known, claim.job, lambda: self._claims.hold(claim))
        return await self._claims.holding(claim, asyncio.create_task(applying))

    async def next_turn(self, job: Job) -> None:
        """Rings for the oldest job that waits for its turn behind this one; that one does so for the next."""
        scope = {"workspace": job.workspace, "family": job.family, "owner": job.created_by}
        for (job_id,) in await self._store.read("staging.next_turn", scope):
            self._ring(job_id)

    async def _leave(self, claim: Claim, state: JobState, error: str | None = None) -> bool:
        await self._store.write(Leave(self._claims.hold(claim), state, error))
        self._moved(claim.job.id)
        return False

    async def _wait(self, claim: Claim) -> bool:
        """Whoever has the turn rings for this job at its end; the sweep does so too."""
        await self._store.write(ReleaseJob(claim.job, claim.owner, self._store.clock.now_ms()))
        self._moved(claim.job.id)
        return False

    async def _fails(self, claim: Claim, run: int) -> bool:
        rows = await self._store.read("staging.fails", {**records_of(claim.job.id), "run": run})
        return bool(rows)

    async def _settle(self, claim: Claim, run: int) -> None:
        """Rows and issues that nothing is wrong with in this run are free."""
        job_id = claim.job.id
        for start in range(0, claim.job.total, WINDOW):
            right = functools.partial(staging.right_again, job_id=job_id, run=run, start=start)
            rows = await self._store.read_with(right)
            for at in range(0, len(rows), SLICE):
                await self._store.write(ReleaseRows(self._claims.hold(claim), rows[at : at + SLICE]))
        after: int | None = 0
        while after is not None:
            over = functools.partial(staging.settled_issues, job_id=job_id, run=run, after=after)
            issues, after = await self._store.read_with(over)
            for at in range(0, len(issues), SLICE):
                await self._store.write(ResolveSettled(self._claims.hold(claim), issues[at : at + SLICE]))
