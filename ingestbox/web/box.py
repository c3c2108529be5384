"""The box as a family's handlers see it (`family.Box`), over the store and the bell."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from ingestbox import ids
from ingestbox.errors import Fault, IngestError
from ingestbox.family import Ask, Batch, Intake, Work
from ingestbox.model import Caller, Job, JobState, index_of, records_of
from ingestbox.outbound.fetched import Fetched
from ingestbox.route import Reply
from ingestbox.sheet import FileInfo, JobFile, Sheet, Upload
from ingestbox.store import ReadTx, Store, files, jobs, tidy
from ingestbox.store.backlog import Backlog
from ingestbox.store.files import AcceptFile, NewFile
from ingestbox.store.intake import (
    CHUNK_ROWS,
    SIFTED_ROWS,
    AcceptBatch,
    Accepted,
    AddRecords,
    Draft,
    Key,
    Name,
    OpenJob,
    PublishJob,
    Refused,
    reserved,
    slices,
)
from ingestbox.store.shelf import Shelf
from ingestbox.web.idempotency import key_of

T = TypeVar("T")

BYTES_A_SECOND = 20 * 1_048_576
"""About as much of a file is looked through, so that whoever has to wait for it knows for how long."""


@dataclass(frozen=True, slots=True)
class Files:
    """What a box that takes files has: where they lie, and who looks through one for a family, in a child;
    `look` raises what `family.Box.accept_file` does. `staged` are the names of staged families."""

    shelf: Shelf
    look: Callable[[str, Upload], Awaitable[Sheet]]
    staged: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Taking:
    """A file of a request that is to become a job."""

    files: Files
    caller: Caller
    file: Upload
    family: str
    source: str
    key: Key | None
    answer: Callable[[str, int, Sheet], object]
    status: int
    baseline: bool
    about: Callable[[Sheet], Mapping[str, str | int | None]] | None


class StoreBox:
    """Scoped access to the ledger. `ring(job_id)` tells the workers about a job that is on disk."""

    def __init__(
        self,
        store: Store,
        ring: Callable[[int], None],
        backlog: Backlog | None = None,
        received: Callable[[str, int], None] = lambda family, records: None,
        files: Files | None = None,
        moved: Callable[[int], None] = lambda _: None,
        private: frozenset[str] = frozenset(),
        new_ids: Mapping[str, Callable[[int], str]] | None = None,
        compute: Callable[..., Awaitable[bytes]] | None = None,
        fetch: Callable[[str, str, int], Awaitable[Fetched]] | None = None,
    ) -> None:
        """`received(family, records)` hears of each batch that is on disk and was not before, `moved(job_id)`
        of each job that a family has changed. `private` are the names of private families; `new_ids` make
        the public ids of jobs, by family; `compute` and `fetch` are those of `family.Box`."""
        self._store = store
        self._compute = compute
        self._fetch = fetch
        self._received = received
        self._files = files
        self._ring = ring
        self._moved = moved
        self._private = private
        self._new_ids = new_ids or {}
        self._backlog = backlog or Backlog(store, 0)
        self.being_filled: set[str] = set()
        """Public ids of the jobs that requests fill in chunks; the sweep leaves them alone."""
        self._at_files: set[Name] = set()  # the keys of requests whose files are being looked through

    async def accept(self, ask: Ask, batch: Batch, answer: Callable[[str, int], object]) -> Reply:
        """Stores a batch durably, honouring Idempotency-Key; see `family.Box.accept`."""
        draft = self._draft(ask.caller, batch.family)
        key = key_of(ask)

        def encoded(public_id: str, job_id: int) -> bytes:
            return msgspec.json.encode(answer(public_id, job_id))

        runs = slices(batch.records, CHUNK_ROWS if batch.sift is None else SIFTED_ROWS)
        # Once more: while the bodies of many were read, all of them were let in.
        await self._backlog.admit((key.scope, key.key) if key else None)
        with self._backlog.entering(len(batch.records)):
            if len(runs) == 1:
                outcome = await self._stored(AcceptBatch(draft, batch, key, encoded), key)
            else:
                # Shielded: a request that goes away must not leave a half-filled job behind.
                filling = asyncio.ensure_future(self._accept_large(draft, batch, runs, key, encoded))
                filling.add_done_callback(lambda done: done.cancelled() or done.exception())  # heard or not
                outcome = await asyncio.shield(filling)
        return self._reply(outcome, batch.family, len(batch.records))

    def _draft(self, caller: Caller, family: str) -> Draft:
        now = self._store.clock.now_ms()
        public_id = self._new_ids.get(family, ids.time_uuid)(now)
        return Draft(public_id, caller.workspace, caller.subject, now)

    async def _stored(self, unit: AcceptBatch | OpenJob, key: Key | None) -> Accepted | Refused:
        """The batch, or its beginning. A store without room still says what it answered before."""
        try:
            return await self._store.write(unit, intake=True)
        except IngestError as error:
            if error.code != "storage_full" or key is None:
                raise
            known = await self._store.read_with(lambda tx: reserved(tx, key))
            if known is None:
                raise
            return known

    def _reply(self, outcome: Accepted | Refused, family: str, records: int) -> Reply:
        if isinstance(outcome, Refused):
            raise IngestError(outcome.code, retry_after=1 if outcome.code == "request_in_progress" else None)
        if outcome.replayed:
            return Reply(outcome.body, outcome.status, (("Idempotency-Replayed", "true"),))
        self._ring(outcome.job_id)
        self._received(family, records)
        return Reply(outcome.body, outcome.status)

    async def look(self, ask: Ask, family: str) -> Sheet:
        """Looks through the file of the request; see `family.Box.look`."""
        assert self._files is not None
        assert ask.file is not None  # the route takes files, or there would be none to ask about
        return await self._files.look(family, ask.file)

    async def accept_file(
        self,
        ask: Ask,
        family: str,
        source: str,
        answer: Callable[[str, int, Sheet], object],
        status: int = 200,
        *,
        baseline: bool = False,
        about: Callable[[Sheet], Mapping[str, str | int | None]] | None = None,
    ) -> Reply:
        """Stores the file of a request with its job, honouring Idempotency-Key; see
        `family.Box.accept_file`."""
        assert self._files is not None
        assert ask.file is not None  # the route takes files, or there would be none to ask about
        file = ask.file
        key = key_of(ask, file.content)
        taking = _Taking(self._files, ask.caller, file, family, source, key, answer, status, baseline, about)
        if key is None:
            return await self._take_file(taking)
        if known := await self._store.read_with(lambda tx: reserved(tx, key)):
            return self._reply(known, family, 0)
        name = (key.scope, key.key)
        if name in self._at_files:
            seconds = 1 + file.size // BYTES_A_SECOND
            raise IngestError("request_in_progress", retry_after=seconds)
        self._at_files.add(name)
        try:
            return await self._take_file(taking)
        finally:
            self._at_files.discard(name)

    async def _take_file(self, taking: _Taking) -> Reply:
        file, key = taking.file, taking.key
        sheet = await taking.files.look(taking.family, file)
        draft = self._draft(taking.caller, taking.family)

        def encoded(public_id: str, job_id: int) -> bytes:
            return msgspec.json.encode(taking.answer(public_id, job_id, sheet))

        new = NewFile(
            stored=file.stored,
            rows_file=sheet.rows_file,
            rows_size=sheet.rows_size,
            blocks=sheet.blocks,
            sha256=file.sha256,
            form=sheet.form,
            plan=sheet.how,
            position=sheet.position,
            about=msgspec.json.encode(sheet.info),
            total=sheet.info.rows,
        )
        about = None if taking.about is None else taking.about(sheet)
        batch = Batch(taking.family, taking.source, file.name, (), sheet.notices, about)
        await self._backlog.admit((key.scope, key.key) if key else None)
        # Shielded: a request that goes away must not take a file from under its job.
        staged = taking.family in taking.files.staged
        unit = AcceptFile(draft, batch, new, key, encoded, taking.status, staged, taking.baseline)
        storing = asyncio.ensure_future(self._store_file(taking.files.shelf, file, unit))
        storing.add_done_callback(lambda done: done.cancelled() or done.exception())  # heard or not
        return self._reply(await asyncio.shield(storing), taking.family, new.total)

    async def _store_file(self, shelf: Shelf, file: Upload, unit: AcceptFile) -> Accepted | Refused:
        """The commit. From here on the file is in these hands, not in those of its request."""
        file.kept = True
        try:
            with self._backlog.entering(unit.file.total):
                outcome = await self._store.write(unit, intake=True)
        except BaseException:
            shelf.release(file.stored)  # a write that failed may be there after all: the sweep looks
            raise
        if isinstance(outcome, Refused) or outcome.replayed:
            await shelf.remove(file.stored)
        else:
            shelf.release(file.stored)
        return outcome

    async def compute(
        self, function: str, data: bytes, *, stepped: bool = False, seconds: float | None = None
    ) -> bytes:
        """Asks a function in a child; see `family.Box.compute`."""
        assert self._compute is not None  # a box that serves has children
        return await self._compute(function, data, stepped=stepped, seconds=seconds)

    async def fetch(self, url: str, user_agent: str, most_bytes: int) -> Fetched:
        """Fetches a page; see `family.Box.fetch`."""
        assert self._fetch is not None  # a box that serves fetches
        return await self._fetch(url, user_agent, most_bytes)

    async def file(self, job: Job) -> JobFile | None:
        """The file that a job came as, or None."""
        facts = await self._store.read_with(lambda tx: files.facts_of(tx, job.id))
        return None if facts is None else job_file(facts)

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
            opened = await self._stored(OpenJob(draft, batch, key), key)
            if isinstance(opened, Refused) or opened.replayed:
                return opened
            return await self._fill(draft, batch, runs, opened.job_id, encoded)
        finally:
            self.being_filled.discard(draft.public_id)

    async def _fill(
        self,
        draft: Draft,
        batch: Batch,
        runs: Sequence[tuple[int, Sequence[Intake]]],
        job_id: int,
        encoded: Callable[[str, int], bytes],
    ) -> Accepted:
        try:
            for first, records in runs:
                await self._store.write(
                    AddRecords(draft, batch, job_id, first, records), intake=True, admitted=True
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
        found = jobs.from_row(rows[0]) if rows else None
        hidden = found is not None and family in self._private and found.created_by != caller.subject
        return None if hidden else found

    async def jobs(self, caller: Caller, family: str, states: Sequence[JobState], limit: int) -> list[Job]:
        """The newest jobs in these states: the workspace's, or, of a private family, the caller's own."""
        workspace, subject = caller.workspace, caller.subject
        if family in self._private:
            return await self._store.read_with(
                lambda tx: jobs.newest_of(tx, workspace, family, subject, states, limit)
            )
        return await self._store.read_at_once(lambda tx: jobs.newest(tx, workspace, family, states, limit))

    async def faults(self, job: Job, limit: int) -> list[Fault]:
        """The job's open issues in the order of its records."""
        rows = await self._store.read("issues.of_job", {**records_of(job.id), "limit": limit})
        return [Fault(code, message, index_of(rid), field) for rid, code, message, field in rows]

    async def read(self, query: str, params: Mapping[str, object]) -> list[tuple[Any, ...]]:
        """Rows of a family's own query."""
        return await self._store.read(query, params)

    async def read_with(self, function: Callable[[ReadTx], T]) -> T:
        """Several reads of one moment."""
        return await self._store.read_at_once(function)

    async def read_apart(self, function: Callable[[ReadTx], T]) -> T:
        """Reads that are narrowed by a condition."""
        return await self._store.read_apart(function)

    def creation(self, ask: Ask) -> Key | None:
        """What an Idempotency-Key makes of a creation."""
        return key_of(ask)

    async def write(self, unit: Work[T]) -> T:
        """A unit of a family's own."""
        return await self._store.write(unit)

    def changed(self, job_id: int, *, ring: bool = False) -> None:
        """Tells those who watch a job, and with `ring` the workers."""
        self._moved(job_id)
        if ring:
            self._ring(job_id)

    def now_ms(self) -> int:
        """The store's clock."""
        return self._store.clock.now_ms()


def job_file(facts: files.FileFacts) -> JobFile:
    """What is told of a job's file."""
    info = msgspec.structs.asdict(msgspec.json.decode(facts.about, type=FileInfo))
    return JobFile(**info, loaded=facts.loaded, kept=facts.kept, error=facts.error)
