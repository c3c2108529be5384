"""Intake: a batch becomes a job with its records, and an idempotency key keeps its answer.

An ordinary batch is one unit: job, records, issues and answer commit together. A larger one enters in
chunks under a job that is `receiving` and becomes visible, with its answer, in the last unit.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from ingestbox.errors import IngestError
from ingestbox.family import Batch, Intake, Sifted
from ingestbox.model import MAX_RECORDS_PER_JOB, JobState, RecordState, checksum, record_id, records_of
from ingestbox.store.readers import ReadTx
from ingestbox.store.unit import Tx, weight_of

CHUNK_ROWS = 1_000
CHUNK_BYTES = 1_048_576
"""What one unit inserts at most (one record at least): together they keep it under 20 ms."""

SIFTED_ROWS = 100
"""The same of records that are sifted, each of which takes the writer about 100 µs."""

REMOVE_ROWS = 2_000


Name = tuple[str, str]
"""What an Idempotency-Key is kept under: who used it where (`scope`), and the key."""


@dataclass(frozen=True, slots=True)
class Key:
    """An Idempotency-Key: who used it where (`scope`), and what the request was (`fingerprint`)."""

    scope: str
    key: str
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class Draft:
    """A job about to be made."""

    public_id: str
    workspace: str
    created_by: str
    now_ms: int


@dataclass(frozen=True, slots=True)
class Accepted:
    """The batch is in. `job_id` is 0 for a replay, which made no job."""

    job_id: int
    body: bytes
    replayed: bool = False
    status: int = 200


@dataclass(frozen=True, slots=True)
class Refused:
    """What stands in the way: `request_in_progress`, `idempotency_mismatch`, `already_imported`."""

    code: str


def slices(records: Sequence[Intake], most: int = CHUNK_ROWS) -> list[tuple[int, Sequence[Intake]]]:
    """The records in runs of at most `most` and CHUNK_BYTES, each with the index of its first."""
    found: list[tuple[int, Sequence[Intake]]] = []
    for start in range(0, len(records) or 1, most):
        run = records[start : start + most]
        # One sum for most runs, for the loop has hundreds of thousands of records to go through.
        if sum([len(record.payload) for record in run]) <= CHUNK_BYTES:
            found.append((start, run))
        else:
            found += _small_runs(start, run)
    return found


def _small_runs(first: int, records: Sequence[Intake]) -> list[tuple[int, Sequence[Intake]]]:
    """Runs of CHUNK_BYTES; the first record of all has the index `first`."""
    found: list[tuple[int, Sequence[Intake]]] = []
    start = size = 0
    for position, record in enumerate(records):
        if position > start and size + len(record.payload) > CHUNK_BYTES:
            found.append((first + start, records[start:position]))
            start, size = position, 0
        size += len(record.payload)
    found.append((first + start, records[start:]))
    return found


# Plain strings, because binding an enum's member costs as much again as the rest of its row's insert.
_PENDING, _SUPERSEDED, _ISSUE = (
    state.value for state in (RecordState.PENDING, RecordState.SUPERSEDED, RecordState.ISSUE)
)


def weight_of_records(records: Sequence[Intake]) -> int:
    """What inserting them weighs."""
    return len(records) + weight_of(sum([len(record.payload) for record in records]))


def weight_of_sifted(batch: Batch, records: Sequence[Intake]) -> int:
    """The same of records of a batch, with what sifting them weighs."""
    sifting = 7 * len(records) if batch.sift is not None else 0
    return weight_of_records(records) + sifting


def _taken_away() -> IngestError:
    return IngestError("store_unavailable", "The batch could not be stored whole.", retry_after=2)


def _state(record: Intake) -> str:
    if record.fault is not None:
        return _ISSUE
    return _SUPERSEDED if record.superseded else _PENDING


def _insert_job(tx: Tx, draft: Draft, batch: Batch, state: JobState) -> int:
    settled, issues = _settled(batch.records), _faulty(batch.records)
    return insert_job(tx, draft, batch, state, len(batch.records), settled, issues)


def insert_job(
    tx: Tx, draft: Draft, batch: Batch, state: JobState, total: int, processed: int = 0, issues: int = 0
) -> int:
    """Adds a job of `total` records, of which `processed` are not pending; returns its id."""
    if total > MAX_RECORDS_PER_JOB:
        raise ValueError("a job holds 16,777,216 records at most")
    row = tx.one(
        "jobs.insert",
        {
            "public_id": draft.public_id,
            "family": batch.family,
            "workspace": draft.workspace,
            "created_by": draft.created_by,
            "source": batch.source,
            "name": batch.name,
            "state": state,
            "total": total,
            "processed": processed,
            "issues": issues,
            "warnings": msgspec.json.encode(batch.warnings).decode(),
            "now": draft.now_ms,
        },
    )
    assert row is not None  # INSERT … RETURNING gives the row it made
    job_id = int(row[0])
    if batch.about is not None:
        own = {"job_id": job_id, "public_id": draft.public_id, "now": draft.now_ms}
        whose = {"workspace": draft.workspace, "owner": draft.created_by}
        tx.run(f"{batch.family}.put_job", {"name": batch.name, **batch.about, **own, **whose})
    return job_id


def insert_records(tx: Tx, job_id: int, first: int, records: Sequence[Intake], now_ms: int) -> None:
    """Adds records from index `first` on to a job, with the issues of those that have a fault."""
    insert_rows(tx, job_id, first, records)
    base = record_id(job_id, first)
    faulty = [(offset, record.fault) for offset, record in enumerate(records) if record.fault is not None]
    if faulty:
        tx.many(
            "issues.insert",
            [
                (job_id, base + offset, fault.code, fault.message, fault.field, now_ms)
                for offset, fault in faulty
            ],
        )


def insert_sifted(
    tx: Tx, draft: Draft, batch: Batch, job_id: int, first: int, records: Sequence[Intake]
) -> None:
    """Adds records from index `first` on to a job, as the batch's `sift` gives them back."""
    if batch.sift is None:
        insert_records(tx, job_id, first, records, draft.now_ms)
        return
    whose = Sifted(job_id, draft.workspace, draft.created_by, draft.now_ms)
    kept = batch.sift(tx, whose, first, records)
    if len(kept) != len(records):
        raise ValueError("what is sifted has as many records as before")
    insert_records(tx, job_id, first, kept, draft.now_ms)
    processed = _settled(kept) - _settled(records)
    issues = _faulty(kept) - _faulty(records)
    if processed or issues:
        tx.run("jobs.sifted", {"id": job_id, "processed": processed, "issues": issues})


def _settled(records: Sequence[Intake]) -> int:
    return sum(1 for record in records if record.fault or record.superseded)


def _faulty(records: Sequence[Intake]) -> int:
    return sum(1 for record in records if record.fault)


def insert_rows(tx: Tx, job_id: int, first: int, records: Sequence[Intake]) -> None:
    """The records alone."""
    base = record_id(job_id, first)
    tx.many(
        "records.insert",
        [
            (
                base + offset,
                record.key,
                _state(record),
                record.payload,
                checksum(record.key.encode(), record.payload),
            )
            for offset, record in enumerate(records)
        ],
    )


def reserved(tx: Tx | ReadTx, key: Key | None) -> Accepted | Refused | None:
    """What an earlier request with this key decides for this one; None lets it through."""
    if key is None:
        return None
    row = tx.one("idempotency.find", {"scope": key.scope, "key": key.key})
    if row is None:
        return None
    fingerprint, status, body = row
    if fingerprint != key.fingerprint:
        return Refused("idempotency_mismatch")
    if status is None:
        return Refused("request_in_progress")
    return Accepted(0, zlib.decompress(body), replayed=True, status=status)


def reserve(tx: Tx, key: Key, job_id: int, now_ms: int, answer: bytes | None, status: int = 200) -> None:
    """Keeps the key for this job, with its answer once there is one."""
    tx.run(
        "idempotency.insert",
        {
            "scope": key.scope,
            "key": key.key,
            "fingerprint": key.fingerprint,
            "job_id": job_id,
            "status": None if answer is None else status,
            "body": None if answer is None else _packed(answer),
            "now": now_ms,
        },
    )


def _packed(answer: bytes) -> bytes:
    """Answers are kept compressed: a list of a thousand outcomes shrinks to a few KiB."""
    return zlib.compress(answer, 1)


@dataclass(frozen=True, slots=True)
class AcceptBatch:
    """A whole batch in one transaction. `answer(public_id, job_id)` is the body of the 200, as JSON."""

    draft: Draft
    batch: Batch
    key: Key | None
    answer: Callable[[str, int], bytes]

    @property
    def weight(self) -> int:
        """Its rows, and the job's."""
        return weight_of_sifted(self.batch, self.batch.records) + 2

    def apply(self, tx: Tx) -> Accepted | Refused:
        """Stores job, records, issues and answer."""
        if (decided := reserved(tx, self.key)) is not None:
            return decided
        job_id = _insert_job(tx, self.draft, self.batch, JobState.QUEUED)
        insert_sifted(tx, self.draft, self.batch, job_id, 0, self.batch.records)
        body = self.answer(self.draft.public_id, job_id)
        if self.key is not None:
            reserve(tx, self.key, job_id, self.draft.now_ms, body)
        return Accepted(job_id, body)


@dataclass(frozen=True, slots=True)
class OpenJob:
    """The first unit of a large batch: the invisible job, with the key reserved."""

    draft: Draft
    batch: Batch
    key: Key | None
    weight: int = 2

    def apply(self, tx: Tx) -> Accepted | Refused:
        """Makes the job; the body comes with PublishJob."""
        if (decided := reserved(tx, self.key)) is not None:
            return decided
        job_id = _insert_job(tx, self.draft, self.batch, JobState.RECEIVING)
        if self.key is not None:
            reserve(tx, self.key, job_id, self.draft.now_ms, None)
        return Accepted(job_id, b"")


@dataclass(frozen=True, slots=True)
class AddRecords:
    """A run of records of a job that is receiving."""

    draft: Draft
    batch: Batch
    job_id: int
    first: int
    records: Sequence[Intake]

    @property
    def weight(self) -> int:
        """Its rows."""
        return weight_of_sifted(self.batch, self.records)

    def apply(self, tx: Tx) -> None:
        """Inserts them. Raises IngestError when the job was taken away meanwhile."""
        if tx.one("jobs.is_receiving", {"id": self.job_id}) is None:
            raise _taken_away()
        insert_sifted(tx, self.draft, self.batch, self.job_id, self.first, self.records)


@dataclass(frozen=True, slots=True)
class PublishJob:
    """The last unit of a large batch: the job becomes visible and its answer is kept."""

    job_id: int
    answer: bytes
    now_ms: int
    weight: int = 2

    def apply(self, tx: Tx) -> None:
        """Moves the job from `receiving` to `queued`. Raises IngestError when it was taken away meanwhile:
        what is not there must not be answered for."""
        if tx.run("jobs.publish", {"id": self.job_id, "now": self.now_ms}) != 1:
            raise _taken_away()
        tx.run("idempotency.answer", {"job_id": self.job_id, "status": 200, "body": _packed(self.answer)})


@dataclass(frozen=True, slots=True)
class DiscardIntake:
    """One slice of removing a job that never became visible; True when nothing of it is left."""

    job_id: int
    weight: int = REMOVE_ROWS

    def apply(self, tx: Tx) -> bool:
        """Removes some records; with the last ones the job goes and its key is free again."""
        if tx.one("jobs.is_receiving", {"id": self.job_id}) is None:
            return True  # it became visible after all, or is gone
        span = records_of(self.job_id)
        if tx.run("records.remove_some", {**span, "limit": REMOVE_ROWS}) == REMOVE_ROWS:
            return False
        tx.run("issues.remove_of_job", span)
        tx.run("idempotency.free", {"job_id": self.job_id})
        tx.run("jobs.remove", {"id": self.job_id})
        return True


@dataclass(frozen=True, slots=True)
class PurgeKeys:
    """Forgets idempotency keys made before a time, a slice at a time; returns how many went."""

    before_ms: int
    weight: int = 500

    def apply(self, tx: Tx) -> int:
        """Removes up to 500 of the oldest."""
        return tx.run("idempotency.purge", {"before": self.before_ms, "limit": 500})
