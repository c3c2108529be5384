"""Work on a job: claim it, settle it chunk by chunk, hand it back or finish it.

Every unit names owner and attempt: what a worker does counts only while the job is still its own.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from ingestbox.clock import iso
from ingestbox.model import Job, JobState, Outcome, Put, RecordState, record_id
from ingestbox.store import jobs
from ingestbox.store.identity import BoxIdentity
from ingestbox.store.writer import Tx, weight_of

HORIZON_MS = 3_600_000
"""No retry lies further away than this; one that seems to was written under another clock and is due."""

PROJECTION_ROWS = 6
"""What putting an object into its family's tables costs, in rows: an empty ticket with a few entities and all
that is counted takes the writer about 80 µs."""

SEARCHED_BYTES = 16_384
"""Of an object, what its full text is made of at most."""

RULES = "1"
"""Version of the rules that made a result; it travels in a delivery's lineage."""


# Plain strings, because binding an enum's member takes SQLite's module longer (see intake.py).
_ISSUE, _SUPERSEDED, _DONE = (
    state.value for state in (RecordState.ISSUE, RecordState.SUPERSEDED, RecordState.DONE)
)


def searched_weight(sizes: Iterable[int]) -> int:
    """What the full text of objects of so many bytes adds to a unit's weight: 1 KiB takes some 110 µs."""
    return sum(min(size, SEARCHED_BYTES) for size in sizes) >> 7


class LostClaimError(Exception):
    """The job is not ours any more: its lease ran out and somebody else has it, or it was cancelled."""


@dataclass(frozen=True, slots=True)
class ClaimJob:
    """Takes a queued job for `owner` until `lease_at` (seconds of this process's monotonic clock)."""

    job_id: int
    owner: str
    lease_at: float
    now_ms: int
    weight: int = 1

    def apply(self, tx: Tx) -> Job | None:
        """The job, or None when it is not to be had."""
        row = tx.one(
            "jobs.claim",
            {
                "id": self.job_id,
                "owner": self.owner,
                "lease_at": self.lease_at,
                "now": self.now_ms,
                "horizon": HORIZON_MS,
            },
        )
        return None if row is None else jobs.from_row(row)


@dataclass(frozen=True, slots=True)
class Finish:
    """How a job ends, together with its last chunk."""

    state: JobState
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Settled:
    """A chunk is on disk. `reopened`: the job was at its end, but some of its records are pending again."""

    deliveries: int
    reopened: bool = False


@dataclass(frozen=True, slots=True)
class SettleChunk:
    """Results, issues, deliveries and progress of one chunk, in one transaction.

    `payloads` are the records' bytes by index. `cursor` is the index after the chunk's last record;
    `old_cursor` guards against settling a chunk twice.
    """

    job: Job
    owner: str
    identity: BoxIdentity
    outcomes: Sequence[Outcome]
    payloads: Mapping[int, bytes]
    old_cursor: int
    cursor: int
    tallies: Mapping[str, int]
    chunk_limit: int
    lease_at: float
    now_ms: int
    finish: Finish | None = None

    @property
    def weight(self) -> int:
        """Its own row, the object's and the delivery's for each record, and what its projection costs."""
        sizes = [len(payload) for payload in self.payloads.values()]
        rows = (3 + PROJECTION_ROWS) * len(self.outcomes)
        return rows + 2 + weight_of(sum(sizes)) + searched_weight(sizes)

    def apply(self, tx: Tx) -> Settled:
        """Settles the chunk. Raises LostClaimError and changes nothing."""
        own = {"id": self.job.id, "owner": self.owner, "attempt": self.job.attempt, "now": self.now_ms}
        changed = tx.run(
            "jobs.settle",
            {
                **own,
                "cursor": self.cursor,
                "old_cursor": self.old_cursor,
                "processed": len(self.outcomes),
                "issues": sum(1 for outcome in self.outcomes if outcome.fault_code is not None),
                "tallies": msgspec.json.encode(self.tallies).decode(),
                "chunk_limit": self.chunk_limit,
                "lease_at": self.lease_at,
            },
        )
        if changed != 1:
            raise LostClaimError(self.job.public_id)
        deliveries = self._settle_records(tx)
        if self.finish is None:
            return Settled(deliveries)
        row = tx.one("jobs.finish", {**own, "state": self.finish.state, "error": self.finish.error})
        return Settled(deliveries, reopened=row is not None and row[0] == JobState.QUEUED)

    def _settle_records(self, tx: Tx) -> int:
        states: list[tuple[str, int]] = []
        issues: list[tuple[object, ...]] = []
        winners: list[tuple[int, int, Put]] = []
        for outcome in self.outcomes:
            rid = record_id(self.job.id, outcome.index)
            if outcome.put is None:
                states.append((_ISSUE, rid))
                issues.append(
                    (
                        self.job.id,
                        rid,
                        outcome.fault_code,
                        outcome.fault_message,
                        outcome.fault_field,
                        self.now_ms,
                    )
                )
                continue
            version = self._put_object(tx, outcome.put, rid)
            if version is None:
                states.append((_SUPERSEDED, rid))
            else:
                states.append((_DONE, rid))
                winners.append((outcome.index, version, outcome.put))
        tx.many("records.settle", states)
        tx.many("issues.insert", issues)
        if winners:
            self._project(tx, winners)
            self._deliver(tx, winners)
        return len(winners)

    def _put_object(self, tx: Tx, put: Put, rid: int) -> int | None:
        row = tx.one("objects.put", (self.job.workspace, self.job.family, put.kind, put.id, rid))
        return None if row is None else int(row[0])

    def _project(self, tx: Tx, winners: Sequence[tuple[int, int, Put]]) -> None:
        """Writes the family's own tables, one statement for each kind."""
        rows: dict[str, list[dict[str, object]]] = {}
        for index, version, put in winners:
            rows.setdefault(put.kind, []).append(
                {
                    **put.columns,
                    "workspace": self.job.workspace,
                    "origin": "",
                    "object_id": put.id,
                    "version": version,
                    "record_id": record_id(self.job.id, index),
                    "job_id": self.job.public_id,
                    "at_ms": self.now_ms,
                    "result": put.result,
                    "record": None,
                    "crc": zlib.crc32(put.result),
                }
            )
        for kind, params in rows.items():
            tx.many(f"{self.job.family}.put_{kind}", params)

    def _deliver(self, tx: Tx, winners: Sequence[tuple[int, int, Put]]) -> None:
        row = tx.one("box.take_seqs", {"n": len(winners)})
        assert row is not None  # the box's row is made with the store
        first = int(row[0])
        lines = DeliveryLines(self.identity, self.job, self.now_ms)
        rows: list[tuple[object, ...]] = []
        for offset, (index, version, put) in enumerate(winners):
            seq = first + offset
            line = lines.put(seq, version, index, put, self.payloads[index])
            rows.append(
                (
                    seq,
                    self.identity.epoch,
                    "put",
                    self.job.workspace,
                    self.job.family,
                    put.kind,
                    put.id,
                    version,
                    record_id(self.job.id, index),
                    self.now_ms,
                    line,
                    zlib.crc32(line),
                )
            )
        tx.many("deliveries.insert", rows)
        tx.run("lanes.count_enqueued", {"n": len(rows)})


class DeliveryLines:
    """Makes the lines of one chunk (contract: forwarding, What is forwarded).

    Everything that is the same for all lines is encoded once; record and result are spliced in as the
    bytes they are.
    """

    def __init__(self, identity: BoxIdentity, job: Job, now_ms: int) -> None:
        encode = msgspec.json.encode
        self._head = b'{"box":%s,"epoch":%s,"seq":' % (encode(identity.box), encode(identity.epoch))
        self._scope = b',"workspace":%s,"family":%s,"kind":' % (encode(job.workspace), encode(job.family))
        self._tail = b',"owner":%s,"job_id":%s,"at":%s,"hash":' % (
            encode(job.created_by),
            encode(job.public_id),
            encode(iso(now_ms)),
        )
        self._file = encode(job.name)

    def put(self, seq: int, version: int, index: int, put: Put, record: bytes) -> bytes:
        """The line for a new version of an object; `row` of its lineage is the record's index."""
        encode = msgspec.json.encode
        return b"".join(
            (
                self._head,
                b'%d,"op":"put","version":%d' % (seq, version),
                self._scope,
                encode(put.kind),
                b',"id":',
                encode(put.id),
                self._tail,
                encode(put.digest),
                b',"record":',
                record,
                b',"result":',
                put.result,
                b',"lineage":{"file":%s,"row":%d,"rules":"%s"}}' % (self._file, index, RULES.encode()),
            )
        )


@dataclass(frozen=True, slots=True)
class KeepClaim:
    """Renews the lease of a worker that lives, and remembers how its chunk shrank. Raises LostClaimError."""

    job: Job
    owner: str
    chunk_limit: int
    deaths: int
    lease_at: float
    now_ms: int
    weight: int = 1

    def apply(self, tx: Tx) -> None:
        """Changes the job's row alone."""
        changed = tx.run(
            "jobs.keep_claim",
            {
                "id": self.job.id,
                "owner": self.owner,
                "attempt": self.job.attempt,
                "chunk_limit": self.chunk_limit,
                "deaths": self.deaths,
                "lease_at": self.lease_at,
                "now": self.now_ms,
            },
        )
        if changed != 1:
            raise LostClaimError(self.job.public_id)


@dataclass(frozen=True, slots=True)
class ReleaseJob:
    """Hands a job back: at once, or to be tried again at `retry_ms`."""

    job: Job
    owner: str
    now_ms: int
    retry_ms: int | None = None
    error: str | None = None
    chunk_limit: int = 0
    deaths: int = 0
    weight: int = 1

    def apply(self, tx: Tx) -> bool:
        """Whether the job was still ours."""
        return (
            tx.run(
                "jobs.release",
                {
                    "id": self.job.id,
                    "owner": self.owner,
                    "attempt": self.job.attempt,
                    "retry_ms": self.retry_ms,
                    "error": self.error,
                    "chunk_limit": self.chunk_limit,
                    "deaths": self.deaths,
                    "now": self.now_ms,
                },
            )
            == 1
        )


@dataclass(frozen=True, slots=True)
class FreeExpired:
    """Frees jobs that nobody works on: their lease ran out, or their owner is none of those `at_work`.

    The latter are left behind when handing a job back fails as well, because the store is in trouble.
    """

    monotonic: float
    at_work: frozenset[str]
    weight: int = 10

    def apply(self, tx: Tx) -> list[int]:
        """Moves them back to `queued`; returns their ids."""
        freed = []
        for job_id, owner, lease_at in tx.all("jobs.owned"):
            if owner not in self.at_work or lease_at < self.monotonic:
                tx.run("jobs.free", {"id": job_id, "owner": owner})
                freed.append(job_id)
        return freed
