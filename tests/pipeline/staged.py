"""Staged jobs over a real store and real children: files of contacts taken in, worked on, and looked at."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from ingestbox import families
from ingestbox.config import Work
from ingestbox.family import Batch
from ingestbox.model import Job, record_id
from ingestbox.pipeline.loader import Loader
from ingestbox.pipeline.pool import Pool
from ingestbox.pipeline.runner import Runner
from ingestbox.sheet import Upload
from ingestbox.store import Store, jobs, records, staging
from ingestbox.store.audit import Act
from ingestbox.store.files import AcceptFile, NewFile
from ingestbox.store.intake import Accepted, Draft, Refused
from ingestbox.store.shelf import Shelf
from ingestbox.store.staged import EditRows, GoOn, RowEdit, State
from ingestbox.store.staging import Staged
from ingestbox.store.unit import Tx
from tests.store.support import with_store

HEADER = "email,first_name,last_name,company"

ACT = Act("anna", "default", None, 1)


def line(number: int, **cells: str) -> str:
    """A row that is right, but for what `cells` say."""
    row = {"email": f"p{number}@example.com", "first_name": f"P{number}", "last_name": "Q", "company": "R"}
    return ",".join({**row, **cells}.values())


class Desk:
    """A runner for contacts, and what is asked of it."""

    def __init__(self, store: Store, pool: Pool, shelf: Shelf, work: Work | None = None) -> None:
        self.store, self.shelf = store, shelf
        self.loader = Loader(pool, shelf, Work())
        self.rung: list[int] = []
        self.family = families.load()["contacts"]
        self.runner = Runner(
            store,
            pool,
            {"contacts": self.family},
            work or Work(),
            settled=lambda _: None,
            loader=self.loader,
            ring=self.rung.append,
        )
        self._count = 0

    async def accept(
        self, lines: Sequence[str], *, owner: str = "anna", name: str = "", baseline: bool = False
    ) -> int:
        """A job for a file with these rows, not worked on; 0 for one that was imported already."""
        content = "\n".join([HEADER, *lines, ""]).encode()
        coming = await self.shelf.begin("csv", len(content))
        coming.add(content)
        self._count += 1
        name = name or f"file{self._count}.csv"
        upload = Upload(coming.name, name, len(content), await coming.keep(), b"")
        table = self.family.table
        assert table is not None
        sheet = await self.loader.look(table, upload)
        new = NewFile(
            stored=upload.stored,
            rows_file=sheet.rows_file,
            rows_size=sheet.rows_size,
            blocks=sheet.blocks,
            sha256=hashlib.sha256(content).hexdigest(),
            form=sheet.form,
            plan=sheet.how,
            position=sheet.position,
            about=msgspec.json.encode(sheet.info),
            total=sheet.info.rows,
        )
        draft = Draft(f"j{self._count}", "default", owner, 1)
        batch = Batch("contacts", "csv_upload", name, ())
        unit = AcceptFile(draft, batch, new, None, lambda *_: b"{}", 201, staged=True, baseline=baseline)
        outcome = await self.store.write(unit)
        if isinstance(outcome, Refused):
            assert outcome.code == "already_imported"
            return 0
        assert isinstance(outcome, Accepted)
        return outcome.job_id

    async def work(self, job_id: int) -> Job:
        """The job after all work on it, whatever waited for it included."""
        await self.runner.work(job_id)
        while self.rung:
            await self.runner.work(self.rung.pop())
        return await self.job(job_id)

    async def imported(self, lines: Sequence[str], **options: Any) -> tuple[int, Job]:
        """A file taken in and worked on."""
        job_id = await self.accept(lines, **options)
        return job_id, await self.work(job_id)

    async def job(self, job_id: int) -> Job:
        """A job as it is."""
        job = await self.store.read_with(lambda tx: jobs.by_id(tx, job_id, None))
        assert job is not None
        return job

    async def staged(self, job_id: int) -> Staged:
        """What is known of it as a staged one."""
        found = await self.store.read_with(lambda tx: staging.of_job(tx, job_id))
        assert found is not None
        return found

    async def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of any statement."""
        return await self.store.read_with(lambda tx: tx._connection.execute(sql).fetchall())

    async def states(self, job_id: int) -> list[str]:
        """The states of a job's rows, in order."""
        found = await self.rows(f"SELECT state FROM records WHERE id >> 24 = {job_id} ORDER BY id")
        return [row[0] for row in found]

    async def issues(self, job_id: int) -> list[tuple[str, str, bool, list[int]]]:
        """A job's issues: code, key, whether it is open, the indices of its rows."""
        found = await self.rows(
            "SELECT i.code, i.key, i.resolved_ms IS NULL,"
            " (SELECT json_group_array(l.record_id & 16777215) FROM issue_records AS l"
            " WHERE l.issue_id = i.id)"
            f" FROM issues AS i WHERE i.job_id = {job_id} ORDER BY i.id"
        )
        return [(code, key, bool(open_), sorted(json.loads(ids))) for code, key, open_, ids in found]

    async def contacts(self, owner: str = "anna") -> list[str]:
        """The addresses that an owner has, in order."""
        found = await self.rows(f"SELECT email_key FROM contacts WHERE owner = '{owner}' ORDER BY email_key")
        return [row[0] for row in found]

    async def check_counts(self, job_id: int) -> None:
        """The counts of the job are what a recount gives."""
        job, staged = await self.job(job_id), await self.staged(job_id)
        states = await self.states(job_id)
        assert job.issues == states.count("issue")
        assert job.discarded == states.count("discarded")
        assert job.processed == len(states) - states.count("pending")
        assert staged.open_issues == sum(1 for _, _, open_, _ in await self.issues(job_id) if open_)

    async def edit(self, job_id: int, index: int, state: State = "pending", **cells: str) -> None:
        """A row as a person changes it."""
        rid = record_id(job_id, index)
        record = await self.store.read_with(lambda tx: records.one(tx, rid))
        assert record is not None
        checked = self.family.check(json.dumps({**json.loads(record.payload), **cells}).encode())
        edit = RowEdit(rid, None, checked.key, checked.payload, state, {}, {})
        assert await self.store.write(EditRows([edit], ACT)) == [None]

    async def spoil(self, rid: int) -> None:
        """A row's bytes are others than those that were written."""
        await self.store.write(Run(f"UPDATE records SET crc = crc + 1 WHERE id = {rid}"))

    async def go_on(self, job_id: int) -> Job:
        """The job is checked again, after all work on it."""
        assert await self.store.write(GoOn(job_id, f"j{job_id}", ACT)) is None
        return await self.work(job_id)


@dataclass(frozen=True)
class Run:
    """Any statement."""

    sql: str
    weight: int = 1

    def apply(self, tx: Tx) -> None:
        """Runs it."""
        tx._connection.execute(self.sql)


def at_desk(folder: Path, body: Callable[[Desk], Awaitable[None]], work: Work | None = None) -> None:
    """Runs `body` with a desk on a store of its own."""

    async def inside(store: Store) -> None:
        async with _desk(store, folder, work) as desk:
            await body(desk)

    with_store(folder, inside)


@asynccontextmanager
async def _desk(store: Store, folder: Path, work: Work | None) -> AsyncIterator[Desk]:
    pool, shelf = Pool(1), Shelf(folder)
    await pool.start()
    try:
        yield Desk(store, pool, shelf, work)
    finally:
        await pool.stop(0)
        shelf.close()
