"""Objects that are the same thing: the first of them, and its duplicates (`family.Distinct`).

Which one is the first is decided where an object is put, in the one transaction that does so: the first that
is there, as long as it is. When it goes, or becomes another thing, its duplicates are processed again, slice
by slice, so that one of them becomes the first; a row says how far that is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import msgspec

from ingestbox.family import Distinct, Family
from ingestbox.model import INDEX_BITS, JobState, Outcome, RecordState, delivery_digest, index_of
from ingestbox.store import Store
from ingestbox.store.unit import Tx

SLICE = 200
"""Records that one unit makes pending again: some milliseconds."""

AT_ONCE = 50
"""Departed ones that one round of housekeeping looks after."""


@dataclass(frozen=True, slots=True)
class Whose:
    """Whose objects are told apart."""

    family: str
    workspace: str
    owner: str


def tell_apart(
    tx: Tx, rule: Distinct, whose: Whose, outcomes: Sequence[Outcome], payloads: Mapping[int, bytes]
) -> list[Outcome]:
    """The outcomes with `rule.member` in the result of each object of the kind: the id of the first object
    that is the same thing, or null. `payloads` are the records by index, of which the digest is."""
    matches = sorted({each.put.match for each in outcomes if each.put and each.put.kind == rule.kind})
    if not matches:
        return list(outcomes)
    asked = {"workspace": whose.workspace, "owner": whose.owner}
    known = tx.all(
        f"{whose.family}.firsts_{rule.kind}", {**asked, "matches": msgspec.json.encode(matches).decode()}
    )
    firsts: dict[str, str] = dict(known)
    return [_named(rule, each, firsts, payloads) for each in outcomes]


def _named(
    rule: Distinct, outcome: Outcome, firsts: dict[str, str], payloads: Mapping[int, bytes]
) -> Outcome:
    put = outcome.put
    if put is None or put.kind != rule.kind:
        return outcome
    first = firsts.setdefault(put.match, put.id)
    other = None if first == put.id else first
    # Spliced in: decoding and encoding the result again would take the writer longer than the insert.
    result = b"%s,%s:%s}" % (put.result[:-1], msgspec.json.encode(rule.member), msgspec.json.encode(other))
    named = msgspec.structs.replace(
        put,
        result=result,
        digest=delivery_digest(payloads[outcome.index], result),
        columns={**put.columns, "match": put.match, "duplicate_of": other},
    )
    return msgspec.structs.replace(outcome, put=named)


@dataclass(frozen=True, slots=True)
class Departed:
    """An object that was the first, has duplicates, and is so no more; those up to the record `after` are
    processed again already."""

    family: str
    kind: str
    workspace: str
    owner: str
    object_id: str
    after: int


@dataclass(frozen=True, slots=True)
class Reopened:
    """The jobs whose records are pending again, and up to which record (None: there are no more)."""

    jobs: Sequence[int]
    after: int | None


@dataclass(frozen=True, slots=True)
class ReopenDuplicates:
    """Makes the next duplicates of one that departed pending again. What is not done, or belongs to a
    cancelled job, is passed over."""

    departed: Departed
    now_ms: int
    weight: int = 4 * SLICE

    def apply(self, tx: Tx) -> Reopened:
        """Reopens up to SLICE records, and moves the row that says how far it is."""
        row = asdict(self.departed)
        query = f"{self.departed.family}.followers_{self.departed.kind}"
        found = [rid for (rid,) in tx.all(query, {**row, "limit": SLICE})]
        jobs = self._reopen(tx, found)
        if len(found) < SLICE:
            tx.run("distinct.forget", row)
            return Reopened(jobs, None)
        tx.run("distinct.move", {**row, "after": found[-1]})
        return Reopened(jobs, found[-1])

    def _reopen(self, tx: Tx, found: Sequence[int]) -> list[int]:
        done = {rid for (rid,) in tx.all("distinct.done", {"ids": msgspec.json.encode(found).decode()})}
        by_job: dict[int, list[int]] = {}
        for rid in found:
            if rid in done:
                by_job.setdefault(rid >> INDEX_BITS, []).append(rid)
        touched: list[int] = []
        for job_id, rids in by_job.items():
            state = tx.one("jobs.state", {"id": job_id})
            if state is None or state[0] == JobState.CANCELLED:
                continue
            tx.many("records.settle", [(RecordState.PENDING.value, rid) for rid in rids])
            counts = {"records": len(rids), "issues": 0, "now": self.now_ms}
            tx.run("jobs.reopen", {"id": job_id, "index": index_of(rids[0]), **counts})
            touched.append(job_id)
        return touched


async def go_on(store: Store, families: Mapping[str, Family], ring: Callable[[int], None]) -> None:
    """Has the duplicates of those that departed processed again; `ring(job_id)` is called for their jobs."""
    for row in await store.read("distinct.departed", {"limit": AT_ONCE}):
        departed: Departed | None = Departed(*row)
        while departed is not None and departed.family in families:
            done = await store.write(ReopenDuplicates(departed, store.clock.now_ms()))
            for job_id in done.jobs:
                ring(job_id)
            departed = None if done.after is None else replace(departed, after=done.after)
