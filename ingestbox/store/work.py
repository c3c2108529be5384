"""Settling a chunk of a job: results, issues, deliveries and progress, while the worker's claim holds."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import msgspec

from ingestbox.clock import iso
from ingestbox.enrich.pii import marking
from ingestbox.family import Distinct, Staging
from ingestbox.model import BESIDE, Job, JobState, Outcome, Put, RecordState, record_id
from ingestbox.store import held, staging
from ingestbox.store.claim import LostClaimError
from ingestbox.store.distinct import Whose, tell_apart
from ingestbox.store.enqueued import count_enqueued
from ingestbox.store.identity import BoxIdentity
from ingestbox.store.unit import Tx, weight_of

PROJECTION_ROWS = 6
"""What putting an object into its family's tables costs, in rows: an empty ticket with a few entities and all
that is counted takes the writer about 80 µs."""

SEARCHED_BYTES = 65_536
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


@dataclass(frozen=True, slots=True)
class Finish:
    """How a job ends, together with its last chunk; a staged one is in review if a row of it failed.
    `nothing`: it fails because nothing came of its records, unless some of them are held."""

    state: JobState
    error: str | None = None
    nothing: bool = False


@dataclass(frozen=True, slots=True)
class Settled:
    """A chunk is on disk. `reopened`: the job was at its end, but some of its records are pending again.
    `held` counts the objects that were put and wait to be accepted; `tallies` are the job's by now."""

    deliveries: int
    reopened: bool = False
    held: int = 0
    tallies: Mapping[str, int] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class Made:
    """What outcomes came to: deliveries, objects that are held, and, of those that were to be, the ones whose
    object is a later record's by now."""

    deliveries: int
    held: int = 0
    overtaken: int = 0


@dataclass(frozen=True, slots=True)
class SettleChunk:
    """Results, issues, deliveries and progress of one chunk, in one transaction.

    `payloads` are the records' bytes by index. `cursor` is the index after the chunk's last record;
    `old_cursor` guards against settling a chunk twice. With `staging` a row whose key (`keys`, by index) an
    object of the owner has got meanwhile fails. With `distinct` each result names the first object that is
    the same thing.
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
    staging: Staging | None = None
    keys: Mapping[int, str] = field(default_factory=dict)
    distinct: Distinct | None = None

    @property
    def weight(self) -> int:
        """Its own row, the object's and the delivery's for each record, and what its projection costs."""
        sizes = [len(payload) for payload in self.payloads.values()]
        waiting = sum(1 for each in self.outcomes if each.held)
        rows = (3 + PROJECTION_ROWS) * len(self.outcomes) + 3 * waiting
        return rows + 2 + weight_of(sum(sizes)) + searched_weight(sizes)

    def apply(self, tx: Tx) -> Settled:
        """Settles the chunk. Raises LostClaimError and changes nothing."""
        own = {"id": self.job.id, "owner": self.owner, "attempt": self.job.attempt, "now": self.now_ms}
        if self.staging is None:
            outcomes, tallies = held.released(tx, self.job.id, self.outcomes, self.tallies)
        else:
            outcomes, tallies = self._as_they_come(tx, self.staging), self.tallies
        faults = sum(1 for outcome in outcomes if outcome.fault_code is not None)
        changed = tx.run(
            "jobs.settle",
            {
                **own,
                "cursor": self.cursor,
                "old_cursor": self.old_cursor,
                "processed": len(outcomes),
                "issues": faults,
                "tallies": msgspec.json.encode(tallies).decode(),
                "chunk_limit": self.chunk_limit,
                "lease_at": self.lease_at,
            },
        )
        if changed != 1:
            raise LostClaimError(self.job.public_id)
        made = self.settle(tx, outcomes)
        settled = Settled(made.deliveries, held=made.held, tallies=tallies)
        if made.overtaken:  # they were counted as waiting
            tx.run("jobs.sifted", {"id": self.job.id, "processed": 0, "issues": -made.overtaken})
        if self.finish is None:
            return settled
        if self.staging is not None:
            tx.one("staging.finish", own)
            return settled
        row = tx.one("jobs.finish", {**own, **self._end(tx, self.finish)})
        return replace(settled, reopened=row is not None and row[0] == JobState.QUEUED)

    def _end(self, tx: Tx, finish: Finish) -> dict[str, str | None]:
        """How the job ends; one did not fail that has something to show for it, though it waits."""
        if finish.nothing and tx.one("issues.held_of_job", {"job_id": self.job.id}) is not None:
            finish = Finish(JobState.COMPLETED)
        return {"state": finish.state, "error": finish.error}

    def _as_they_come(self, tx: Tx, rule: Staging) -> list[Outcome]:
        """The outcomes of staged rows, by what the owner has now: a row whose key an object has that is not
        its own fails, and one whose object is gone becomes an object of its own."""
        scope = {"workspace": self.job.workspace, "owner": self.job.created_by}
        wanted = [self.keys[outcome.index] for outcome in self.outcomes if outcome.put is not None]
        keys = msgspec.json.encode(wanted).decode()
        taken = dict(tx.all(f"{self.job.family}.taken_{rule.kind}", {**scope, "keys": keys}))
        found: list[Outcome] = []
        for outcome in self.outcomes:
            if outcome.put is None or outcome.fault_code is not None:  # rows that wait anyway are not held
                found.append(msgspec.structs.replace(outcome, put=None))
                continue
            key, own = self.keys[outcome.index], str(record_id(self.job.id, outcome.index))
            holder = taken.get(key)
            if holder is None:
                put = msgspec.structs.replace(outcome.put, id=own)
                found.append(msgspec.structs.replace(outcome, put=put))
            elif holder == outcome.put.id:
                found.append(outcome)
            else:
                code, message = rule.existing
                found.append(Outcome(outcome.index, fault_code=code, fault_message=f"{message}: {key}"))
        return found

    def _fail(self, tx: Tx, outcomes: Sequence[Outcome]) -> None:
        """Gives staged rows that came to nothing to the issues of the run that let them through."""
        failing = []
        for outcome in outcomes:
            rid = record_id(self.job.id, outcome.index)
            key = staging.key_of(self.keys.get(outcome.index, ""), rid)
            code, message = outcome.fault_code or "", outcome.fault_message or ""
            failing.append(staging.Failing(rid, code, key, message, outcome.fault_field))
        staged = staging.of_job(tx, self.job.id)
        if failing and staged is not None:
            staging.fail(tx, self.job.id, staged.run, failing, self.now_ms)

    def settle(self, tx: Tx, outcomes: Sequence[Outcome]) -> Made:
        """What the records come to, as a part of another unit: their states, objects, issues and
        deliveries."""
        if self.distinct is not None:
            whose = Whose(self.job.family, self.job.workspace, self.job.created_by)
            outcomes = tell_apart(tx, self.distinct, whose, outcomes, self.payloads)
        states: list[tuple[str, int]] = []
        faulty: list[Outcome] = []
        winners: list[tuple[int, int, Put]] = []
        waiting: list[tuple[int, int, Put]] = []
        overtaken = 0
        versions = self._put_objects(tx, outcomes)
        for outcome in outcomes:
            rid = record_id(self.job.id, outcome.index)
            if outcome.put is None:
                faulty.append(outcome)
            elif (version := versions.get(rid)) is None:
                states.append((_SUPERSEDED, rid))
                overtaken += outcome.held
            elif outcome.held:
                faulty.append(outcome)
                waiting.append((outcome.index, version, outcome.put))
            else:
                states.append((_DONE, rid))
                winners.append((outcome.index, version, outcome.put))
        if self.staging is not None:
            self._fail(tx, faulty)
        else:
            self._set_aside(tx, faulty)
        tx.many("records.settle", states)
        if winners or waiting:
            self._project(tx, [*winners, *waiting])
        if winners:
            Deliver(self.identity, self.job, self.now_ms).all(tx, winners, self.payloads)
        return Made(len(winners), len(waiting), overtaken)

    def _set_aside(self, tx: Tx, outcomes: Sequence[Outcome]) -> None:
        """Records that came to nothing, or are held, wait, each on an issue of its own."""
        job_id = self.job.id
        ids = [record_id(job_id, outcome.index) for outcome in outcomes]
        tx.many("records.settle", [(_ISSUE, rid) for rid in ids])
        issues = [
            {
                "job_id": job_id,
                "record_id": rid,
                "code": outcome.fault_code,
                "message": outcome.fault_message,
                "field": outcome.fault_field,
                "now": self.now_ms,
                "held": int(outcome.put is not None),
            }
            for rid, outcome in zip(ids, outcomes, strict=True)
        ]
        tx.many("issues.set_aside", issues)

    def _put_objects(self, tx: Tx, outcomes: Sequence[Outcome]) -> dict[int, int]:
        """The versions of the objects that are put, by record; one statement for each kind takes a third of
        the time of one for each object."""
        puts: dict[str, list[tuple[str, int]]] = {}
        for outcome in outcomes:
            if outcome.put is not None:
                rid = record_id(self.job.id, outcome.index)
                puts.setdefault(outcome.put.kind, []).append((outcome.put.id, rid))
        query = "objects.put" if self.staging is None else "objects.put_staged"
        versions: dict[int, int] = {}
        for kind, pairs in puts.items():
            scope = {"workspace": self.job.workspace, "family": self.job.family, "kind": kind}
            versions.update(tx.all(query, {**scope, "puts": msgspec.json.encode(pairs).decode()}))
        return versions

    def _project(self, tx: Tx, winners: Sequence[tuple[int, int, Put]]) -> None:
        """Writes the family's own tables, one statement for each kind."""
        rows: dict[str, list[dict[str, object]]] = {}
        for index, version, put in winners:
            rows.setdefault(put.kind, []).append(
                {
                    **put.columns,
                    **put.blobs,
                    "workspace": self.job.workspace,
                    "origin": "",
                    "owner": self.job.created_by,
                    "job": self.job.id,
                    "object_id": put.id,
                    "version": version,
                    "record_id": record_id(self.job.id, index),
                    "job_id": self.job.public_id,
                    "at_ms": self.now_ms,
                    "result": put.result,
                    "record": None,
                    "crc": zlib.crc32(put.result),
                    "lineage": None,
                }
            )
        for kind, params in rows.items():
            own = f"{self.job.family}.put_own_{kind}"
            tx.many(own if tx.has(own) else f"{self.job.family}.put_{kind}", params)


@dataclass(frozen=True, slots=True)
class Deliver:
    """Tells upstream of objects of one job that have new versions."""

    identity: BoxIdentity
    job: Job
    now_ms: int

    def all(self, tx: Tx, puts: Sequence[tuple[int, int, Put]], payloads: Mapping[int, bytes]) -> None:
        """A delivery for each (index, version, put), some of them; `payloads` are the records' by index."""
        row = tx.one("box.take_seqs", {"n": len(puts)})
        assert row is not None  # the box's row is made with the store
        first, job = int(row[0]), self.job
        lines = DeliveryLines(self.identity, job, self.now_ms, redacted=job.family in tx.redacted)
        rows: list[tuple[object, ...]] = []
        sizes: list[int] = []
        for offset, (index, version, put) in enumerate(puts):
            seq = first + offset
            line = lines.put(seq, version, index, put, payloads[index])
            sizes.append(len(line))
            rows.append(
                (
                    seq,
                    self.identity.epoch,
                    "put",
                    job.workspace,
                    job.family,
                    put.kind,
                    put.id,
                    version,
                    record_id(job.id, index),
                    self.now_ms,
                    line,
                    zlib.crc32(line),
                )
            )
        tx.many("deliveries.insert", rows)
        count_enqueued(
            tx,
            [
                (job.workspace, job.family, put.kind, "put", False, size)
                for (_, _, put), size in zip(puts, sizes, strict=True)
            ],
        )


class DeliveryLines:
    """Makes the lines of one chunk (contract: forwarding, What is forwarded).

    Everything that is the same for all lines is encoded once; record and result are spliced in as the
    bytes they are. With `redacted` personal data is hidden in them: in the way that their puts say, if they
    do.
    """

    def __init__(self, identity: BoxIdentity, job: Job, now_ms: int, *, redacted: bool = False) -> None:
        encode = msgspec.json.encode
        self._redacted = redacted
        self._head = b'{"box":%s,"epoch":%s,"seq":' % (encode(identity.box), encode(identity.epoch))
        self._scope = b',"workspace":%s,"family":%s,"kind":' % (encode(job.workspace), encode(job.family))
        self._tail = b',"owner":%s,"job_id":%s,"at":%s,"hash":' % (
            encode(job.created_by),
            encode(job.public_id),
            encode(iso(now_ms)),
        )
        self._file = encode(marking.hidden(job.name) if redacted else job.name)

    def put(self, seq: int, version: int, index: int, put: Put, record: bytes) -> bytes:
        """The line for a new version of an object; `row` of its lineage is the record's index, if it is of
        one."""
        encode = msgspec.json.encode
        if self._redacted and put.told is None:
            put = msgspec.structs.replace(put, told=marking.told(record, put.result))
        told_record, told_result, digest = put.forwarded(record)
        row = b"" if index == BESIDE else b',"row":%d' % index
        return b"".join(
            (
                self._head,
                b'%d,"op":"put","version":%d' % (seq, version),
                self._scope,
                encode(put.kind),
                b',"id":',
                encode(put.id),
                self._tail,
                encode(digest),
                b',"record":',
                told_record,
                b',"result":',
                told_result,
                b',"lineage":{"file":%s%s,"rules":"%s"}}' % (self._file, row, RULES.encode()),
            )
        )
