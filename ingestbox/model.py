"""The nouns of the box and the moves between their states; no I/O.

A *job* is what one intake request made. It holds *records*, each with an outcome that can be looked up.
A record that a machine cannot finish has an *issue*. A finished record puts a new version of an *object*
(a ticket, a contact …), and each such put is a *delivery* that lanes carry upstream.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping
from enum import StrEnum

import msgspec

INDEX_BITS = 24
"""A record's id is `job_id << INDEX_BITS | index`: one B-tree serves lookup, order and range, and the id
orders records by intake. It bounds a job to 16,777,216 records."""
MAX_RECORDS_PER_JOB = 1 << INDEX_BITS

BESIDE = MAX_RECORDS_PER_JOB - 1
"""The index that objects have which belong to a job, but to none of its records: no job has so many."""


def record_id(job_id: int, index: int) -> int:
    """The id of the record at `index` (from 0) of a job; ids grow with intake."""
    return job_id << INDEX_BITS | index


def index_of(record: int) -> int:
    """The index within its job of the record with this id."""
    return record & (MAX_RECORDS_PER_JOB - 1)


def records_of(job_id: int, first: int = 0) -> dict[str, int]:
    """The ids of a job's records from index `first` on, as the parameters `first` and `beyond` of a query."""
    return {"first": record_id(job_id, first), "beyond": record_id(job_id + 1, 0)}


def checksum(key: bytes, payload: bytes) -> int:
    """The CRC-32 that a stored record carries, over its key (UTF-8) and its payload."""
    return zlib.crc32(payload, zlib.crc32(key))


class Role(StrEnum):
    """What a caller may do; `admin` implies all (contract: common, Identity)."""

    UPLOADER = "uploader"
    EDITOR = "editor"
    ANALYST = "analyst"
    ADMIN = "admin"
    INGEST = "ingest"
    FORWARDER = "forwarder"


DEFAULT_WORKSPACE = "default"
"""Where everything belongs that names no workspace; whose administrators operate the box."""

EVERYWHERE = "*"
"""The workspace of a caller who belongs to all of them."""


class Caller(msgspec.Struct, frozen=True):
    """Who is asking: `subject` is `issuer-name:sub` or `key:<id>`, rows are scoped by `workspace`.

    `email` is what the token says, or empty; it names nobody, and nothing is decided by it.
    """

    subject: str
    workspace: str
    roles: frozenset[str]
    email: str = ""

    def may(self, allowed: frozenset[Role]) -> bool:
        """Whether one of the caller's roles is among `allowed`; an empty set admits every caller."""
        return not allowed or Role.ADMIN in self.roles or not allowed.isdisjoint(self.roles)

    @property
    def operates(self) -> bool:
        """Whether the whole box is the caller's: an administrator of the default workspace, or of all.

        One of another workspace administers that alone.
        """
        return Role.ADMIN in self.roles and self.workspace in (DEFAULT_WORKSPACE, EVERYWHERE)


class JobState(StrEnum):
    """Where a job is. Families give these their own names on the wire; each move is an UPDATE in jobs.sql.

    A job ends with its last pending record: `failed` when every record of it is an open issue or was
    discarded, `completed` otherwise, as when one is held (`Outcome`); open issues do not keep it from ending.
    It is `queued` again as soon as one of its records is pending again (repaired, retried, reprocessed).
    Discarding an issue leaves an ended job as it is; one in `review` ends with its last issue. `cancelled` is
    final: nothing of such a job waits.
    """

    RECEIVING = "receiving"  # its records are still entering the store; invisible
    QUEUED = "queued"
    RUNNING = "running"
    REVIEW = "review"  # waits for a person
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class RecordState(StrEnum):
    """A record's outcome; every accepted record ends in one of the last four."""

    PENDING = "pending"
    DONE = "done"
    SUPERSEDED = "superseded"  # a later intake of the same object was there first
    ISSUE = "issue"  # waits for a person
    DISCARDED = "discarded"


class Notice(msgspec.Struct, frozen=True, omit_defaults=True):
    """A warning: something the client should know although nothing was refused."""

    code: str
    message: str
    index: int | None = None


class Job(msgspec.Struct, frozen=True):
    """A job as the store gives it; times are Unix milliseconds.

    `tallies` counts what a family wants counted (for feedback: `sentiment_records`, `entity_records`).
    `cursor` is the index below which no record is pending. `processed` counts the records that are not
    pending; of these `issues` wait for a person and `discarded` were given up.
    """

    id: int
    public_id: str
    family: str
    workspace: str
    created_by: str
    source: str
    name: str
    state: JobState
    total: int
    processed: int
    issues: int
    cursor: int
    tallies: dict[str, int]
    warnings: list[Notice]
    attempt: int
    chunk_limit: int
    deaths: int
    error: str | None
    submitted_ms: int
    started_ms: int | None
    completed_ms: int | None
    updated_ms: int
    discarded: int


class Item(msgspec.Struct, frozen=True, array_like=True):
    """A record as it goes to a family's `process`: its bytes are what the client sent."""

    index: int
    key: str
    payload: bytes


Columns = Mapping[str, str | int | float | None]
"""Named values of a family's projection query, `<family>.put_<kind>`."""


class Put(msgspec.Struct, frozen=True, array_like=True):
    """A new version of an object: what upstream and the family's own table are to hold.

    `result` is JSON; `columns` go into the family's table; `digest` is the hash of a delivery line (see
    `delivery_digest`). Objects of one owner with the same `match` are the same thing, for a family that says
    so (`family.Distinct`). `blobs` are those of the columns that are bytes; where an object is put without
    its process, as from another box, these columns are null. `told` are record and result as they are
    forwarded, where that is not as they are stored (`enrich.pii`): None for one that is forwarded as it is.
    """

    kind: str
    id: str
    result: bytes
    columns: Columns
    digest: str
    match: str = ""
    blobs: Mapping[str, bytes] = {}
    told: tuple[bytes | None, bytes | None] | None = None

    def forwarded(self, record: bytes) -> tuple[bytes, bytes, str]:
        """Record, result and their digest as upstream gets them; `record` is the stored one."""
        if self.told is None or self.told == (None, None):
            return record, self.result, self.digest
        told_record, told_result = self.told
        record = record if told_record is None else told_record
        result = self.result if told_result is None else told_result
        return record, result, delivery_digest(record, result)


class Outcome(msgspec.Struct, frozen=True, array_like=True):
    """What became of one record: a put, or a fault that a person has to look at.

    With both it is *held*: the object is put and can be found, and nothing is told upstream until a person
    accepts it, or it has no fault any more. `tallies` of what is held count once it is not.
    """

    index: int
    put: Put | None = None
    fault_code: str | None = None
    fault_message: str | None = None
    fault_field: str | None = None
    tallies: dict[str, int] = {}

    @property
    def held(self) -> bool:
        """Whether it has both."""
        return self.put is not None and self.fault_code is not None


class Chunk(msgspec.Struct, frozen=True, array_like=True):
    """Consecutive pending records of one job, processed and settled together; `job` is its id, and
    `public_id` the one that its client knows. `context` is what its family's `context` gave, `pii` its
    `Family.pii`."""

    family: str
    items: list[Item]
    job: int = 0
    public_id: str = ""
    context: bytes = b""
    pii: str = "off"


def delivery_digest(record: bytes, result: bytes) -> str:
    """The `hash` of a delivery line: SHA-256 over the JSON bytes of record, a newline, and result."""
    return "sha256:" + hashlib.sha256(record + b"\n" + result).hexdigest()


class LaneTest(msgspec.Struct, frozen=True):
    """What came of knocking at a lane's upstream with a batch that has no lines.

    `reason` says what is wrong, as a lane's does; `status` is the HTTP status of the answer, if it came.
    `ok`: it was reached and let us in, whatever it thinks of empty batches. `meaning` says in a sentence what
    that is, and `remedy` what to do about it, if anything.
    """

    ok: bool
    reason: str | None
    status: int | None
    seconds: float
    meaning: str = ""
    remedy: str = ""
