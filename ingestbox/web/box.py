"""The box as a family's handlers see it (`family.Box`), over the store and the bell."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from ingestbox import ids
from ingestbox.errors import Fault, IngestError
from ingestbox.family import Ask, Batch, Intake, Reply
from ingestbox.model import Caller, Job, JobState, index_of, records_of
from ingestbox.store import Store, jobs, tidy
from ingestbox.store.backlog import Backlog
from ingestbox.store.intake import (
    AcceptBatch,
    Accepted,
    AddRecords,
    Draft,
    Key,
    OpenJob,
    PublishJob,
    Refused,
    slices,
)
from ingestbox.web.idempotency import key_of


class StoreBox:
    """Scoped access to the ledger. `ring(job_id)` tells the workers about a job that is on disk."""

    def __init__(
        self,
        store: Store,
        ring: Callable[[int], None],
        backlog: Backlog | None = None,
        received: Callable[[str, int], None] = lambda family, records: None,
    ) -> None:
        """`received(family, records)` hears of each batch that is on disk and was not before."""
        self._store = store
        self._received = received
        self._ring = ring
        self._backlog = backlog or Backlog(store, 0)
        self.being_filled: set[str] = set()
        """Public ids of the jobs that requests fill in chunks; the sweep leaves them alone."""

    async def accept(self, ask: Ask, batch: Batch, answer: Callable[[str, int], object]) -> Reply:
        """Stores a batch durably, honouring Idempotency-Key; see `family.Box.accept`."""
        now = self._store.clock.now_ms()
        draft = Draft(ids.time_uuid(now), ask.caller.workspace, ask.caller.subject, now)
        key = key_of(ask)

        def encoded(public_id: str, job_id: int) -> bytes:
            return msgspec.json.encode(answer(public_id, job_id))

        runs = slices(batch.records)
        # Once more: while the bodies of many were read, all of them were let in.
        await self._backlog.admit((key.scope, key.key) if key else None)
        with self._backlog.entering(len(batch.records)):
            if len(runs) == 1:
                outcome = await self._store.write(AcceptBatch(draft, batch, key, encoded), intake=True)
            else:
                # Shielded: a request that goes away must not leave a half-filled job behind.
                filling = asyncio.ensure_future(self._accept_large(draft, batch, runs, key, encoded))
                filling.add_done_callback(lambda done: done.cancelled() or done.exception())  # heard or not
                outcome = await asyncio.shield(filling)
        if isinstance(outcome, Refused):
            raise IngestError(outcome.code, retry_after=1 if outcome.code == "request_in_progress" else None)
        if outcome.replayed:
            return Reply(outcome.body, headers=(("Idempotency-Replayed", "true"),))
        self._ring(outcome.job_id)
        self._received(batch.family, len(batch.records))
        return Reply(outcome.body)

    async def _accept_large(
        self,
        draft: Draft,
        batch: Batch,
        runs: Sequence[tuple[int, Sequence[Intake]]],
        key: Key | None,
        encoded: Callable[[str, int], bytes],
    ) -> Accepted | Refused:
        # Before the job is made: the sweep may see it earlier than this request hears of it.
        self.being_filled.add(draft.public_id)
        try:
            opened = await self._store.write(OpenJob(draft, batch, key), intake=True)
            if isinstance(opened, Refused) or opened.replayed:
                return opened
            return await self._fill(draft, runs, opened.job_id, encoded)
        finally:
            self.being_filled.discard(draft.public_id)

    async def _fill(
        self,
        draft: Draft,
        runs: Sequence[tuple[int, Sequence[Intake]]],
        job_id: int,
        encoded: Callable[[str, int], bytes],
    ) -> Accepted:
        try:
            for first, records in runs:
                await self._store.write(
                    AddRecords(job_id, first, records, draft.now_ms), intake=True, admitted=True
                )
            body = encoded(draft.public_id, job_id)
            await self._store.write(PublishJob(job_id, body, draft.now_ms), intake=True, admitted=True)
        except IngestError:
            with contextlib.suppress(IngestError):  # the sweep does it, should the store refuse this too
                await tidy.discard(self._store, job_id)
            raise
        return Accepted(job_id, body)

    async def job(self, caller: Caller, family: str, public_id: str) -> Job | None:
        """The caller's job, or None when it does not exist or is out of sight."""
        rows = await self._store.read(
            "jobs.by_public_id", {"public_id": public_id, "family": family, "workspace": caller.workspace}
        )
        return jobs.from_row(rows[0]) if rows else None

    async def jobs(self, caller: Caller, family: str, states: Sequence[JobState], limit: int) -> list[Job]:
        """The workspace's newest jobs in these states."""
        return await self._store.read_with(
            lambda tx: jobs.newest(tx, caller.workspace, family, states, limit)
        )

    async def faults(self, job: Job, limit: int) -> list[Fault]:
        """The job's open issues in the order of its records."""
        rows = await self._store.read("issues.of_job", {**records_of(job.id), "limit": limit})
        return [Fault(code, message, index_of(rid), field) for rid, code, message, field in rows]

    async def read(self, query: str, params: Mapping[str, object]) -> list[tuple[Any, ...]]:
        """Rows of a family's own query."""
        return await self._store.read(query, params)
