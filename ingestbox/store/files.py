"""Uploaded files in the ledger: a job with its file in one commit, then its rows slice by slice.

The rows of a file become records in the order of the file, by the worker that holds the job; a slice's
records and the place where the next one begins are one transaction. What is not loaded yet counts as pending.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import msgspec

from ingestbox.family import Batch, Intake
from ingestbox.model import Job, JobState, Notice, index_of, records_of
from ingestbox.store import ReadTx, Store, staging
from ingestbox.store.claim import LostClaimError, own
from ingestbox.store.intake import (
    Accepted,
    Draft,
    Key,
    Refused,
    insert_job,
    insert_records,
    reserve,
    reserved,
    weight_of_records,
)
from ingestbox.store.unit import Tx, weight_of

RETIRE_ROWS = 200


@dataclass(frozen=True, slots=True)
class NewFile:
    """An uploaded file that was looked through: see the columns of `files` in its migration."""

    stored: str
    rows_file: str
    rows_size: int
    blocks: bytes
    sha256: str
    form: bytes
    plan: bytes
    position: bytes
    about: bytes
    total: int


@dataclass(frozen=True, slots=True)
class FileState:
    """How far the rows of a job's file are in the ledger, and all that reading on takes."""

    rows_file: str
    rows_size: int
    blocks: bytes
    sha256: str
    form: bytes
    plan: bytes
    position: bytes
    total: int
    loaded: int
    repeated: int
    error: str | None
    loaded_ms: int | None

    @property
    def done(self) -> bool:
        """Whether no more of its rows will come."""
        return self.loaded_ms is not None


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What is told of a job's file; `about` is JSON, `kept` whether it is still in the data folder."""

    about: bytes
    loaded: int
    error: str | None
    kept: bool


def state_of(tx: ReadTx, job_id: int) -> FileState | None:
    """The job's file, or None for a job that did not come as one."""
    row = tx.one("files.to_load", {"job_id": job_id})
    if row is None:
        return None
    rows_file, size, blocks, sha256, form, plan, position, *rest = row
    return FileState(rows_file, size, blocks, sha256, form.encode(), plan.encode(), position.encode(), *rest)


def facts_of(tx: ReadTx, job_id: int) -> FileFacts | None:
    """What is told of the job's file, or None."""
    row = tx.one("files.about", {"job_id": job_id})
    if row is None:
        return None
    about, loaded, error, removed_ms = row
    return FileFacts(about.encode(), loaded, error, removed_ms is None)


def repeats(tx: ReadTx, job: Job, kinds: Iterable[str], keys: Sequence[str]) -> list[int]:
    """The indices of earlier records of the job that have one of these keys, as far as they are processed."""
    asked = {"keys": msgspec.json.encode(keys).decode(), "workspace": job.workspace, "family": job.family}
    span = records_of(job.id)
    return sorted(
        index_of(row[0]) for kind in kinds for row in tx.all("files.repeats", {**asked, **span, "kind": kind})
    )


@dataclass(frozen=True, slots=True)
class AcceptFile:
    """A job and its file in one transaction; its records follow. `answer(public_id, job_id)` is the body of
    the answer, as JSON. `batch` has no records. With `staged` its rows wait for each other."""

    draft: Draft
    batch: Batch
    file: NewFile
    key: Key | None
    answer: Callable[[str, int], bytes]
    status: int = 200
    staged: bool = False
    baseline: bool = False

    @property
    def weight(self) -> int:
        """Three rows, of which the file's can be large."""
        file = self.file
        return 3 + weight_of(len(file.blocks) + len(file.form) + len(file.plan) + len(file.about))

    def apply(self, tx: Tx) -> Accepted | Refused:
        """Stores job, file and answer."""
        if (decided := reserved(tx, self.key)) is not None:
            return decided
        file, now = self.file, self.draft.now_ms
        import_ = {
            "workspace": self.draft.workspace,
            "family": self.batch.family,
            "owner": self.draft.created_by,
            "name": self.batch.name,
            "sha256": file.sha256,
            "baseline": int(self.baseline),
        }
        if self.staged and tx.one("staging.twin", import_) is not None:
            return Refused("already_imported")
        job_id = insert_job(tx, self.draft, self.batch, JobState.QUEUED, file.total)
        tx.run(
            "files.insert",
            {
                "job_id": job_id,
                "stored": file.stored,
                "rows_file": file.rows_file,
                "rows_size": file.rows_size,
                "blocks": file.blocks,
                "sha256": file.sha256,
                "form": file.form.decode(),
                "plan": file.plan.decode(),
                "position": file.position.decode(),
                "about": file.about.decode(),
                "total": file.total,
                "now": now,
            },
        )
        if self.staged:
            tx.run("staging.insert", {**import_, "job_id": job_id})
        body = self.answer(self.draft.public_id, job_id)
        if self.key is not None:
            reserve(tx, self.key, job_id, now, body, self.status)
        return Accepted(job_id, body, status=self.status)


@dataclass(frozen=True, slots=True)
class LoadSlice:
    """The next rows of a job's file become records, and the place to go on from moves: both or neither.

    `first` is the index of the first of them. `repeated` have an id that another row has too, of which the
    later one wins. With `warnings` the job's are replaced. With `staged` the rows wait for each other.
    """

    job: Job
    owner: str
    first: int
    records: Sequence[Intake]
    position: bytes
    done: bool
    repeated: int
    warnings: Sequence[Notice] | None
    lease_at: float
    now_ms: int
    staged: bool = False

    @property
    def weight(self) -> int:
        """Its rows, and those of job and file."""
        return weight_of_records(self.records) * (2 if self.staged else 1) + 2

    def apply(self, tx: Tx) -> None:
        """Loads them. Raises LostClaimError and changes nothing."""
        issues = sum(1 for record in self.records if record.fault)
        settled = sum(1 for record in self.records if record.fault or record.superseded)
        warnings = None if self.warnings is None else msgspec.json.encode(self.warnings).decode()
        own(
            tx,
            self.job,
            self.owner,
            {"processed": settled, "issues": issues, "discarded": 0, "warnings": warnings},
            self.lease_at,
            self.now_ms,
        )
        moved = tx.run(
            "files.move",
            {
                "job_id": self.job.id,
                "before": self.first,
                "loaded": self.first + len(self.records),
                "position": self.position.decode(),
                "repeated": self.repeated,
                "loaded_ms": self.now_ms if self.done else None,
            },
        )
        if moved != 1:
            raise LostClaimError(self.job.public_id)
        if self.staged:
            staging.insert(tx, self.job.id, self.first, self.records, self.now_ms)
        else:
            insert_records(tx, self.job.id, self.first, self.records, self.now_ms)


@dataclass(frozen=True, slots=True)
class GiveUpFile:
    """The rest of a file cannot be read, for this reason: its rows are given up, and count so."""

    job: Job
    owner: str
    error: str
    lease_at: float
    now_ms: int
    weight: int = 2

    def apply(self, tx: Tx) -> int:
        """How many rows that were. Raises LostClaimError and changes nothing."""
        lost = give_up(tx, self.job.id, self.error, self.now_ms)
        counts = {"processed": lost, "issues": 0, "discarded": lost, "warnings": None}
        own(tx, self.job, self.owner, counts, self.lease_at, self.now_ms)
        return lost


def give_up(tx: Tx, job_id: int, error: str, now_ms: int) -> int:
    """Says that no more rows of a job's file come; returns how many are missing (0 also without a file)."""
    row = tx.one("files.give_up", {"job_id": job_id, "error": error, "now": now_ms})
    return 0 if row is None else int(row[0])


@dataclass(frozen=True, slots=True)
class RetireFiles:
    """Files that nothing needs any more since before a time, a slice at a time; returns how many."""

    before_ms: int
    now_ms: int
    weight: int = RETIRE_ROWS

    def apply(self, tx: Tx) -> int:
        """Marks up to RETIRE_ROWS of the oldest; the sweep removes them."""
        return tx.run("files.retire", {"before": self.before_ms, "now": self.now_ms, "limit": RETIRE_ROWS})


async def named(store: Store, names: Sequence[str]) -> list[str]:
    """Which of these stored files are still needed, as a row says."""
    rows = await store.read("files.named", {"names": msgspec.json.encode(names).decode()})
    return [row[0] for row in rows]
