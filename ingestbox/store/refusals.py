"""What a person decides about issues of refused deliveries: the line is sent again, or given up; or the
record behind it is corrected.

A record of an ordinary family is corrected and goes its way once more (`review.EditRecord`). A row of a
staged one became an object with the others of its job, which is at its end: its correction is a new version
of that object at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from ingestbox.family import Staging
from ingestbox.model import Job, Outcome, RecordState, checksum, index_of
from ingestbox.store import parked, records
from ingestbox.store.audit import Act
from ingestbox.store.identity import BoxIdentity
from ingestbox.store.parked import DecideParked
from ingestbox.store.review import Blocked, Decided, correctable
from ingestbox.store.unit import Tx, weight_of
from ingestbox.store.work import PROJECTION_ROWS, SettleChunk, searched_weight

OFF = "off"
"""The state of a lane that is not configured any more."""


@dataclass(frozen=True, slots=True)
class ResolveRefused:
    """Decides about issues of refused deliveries, at most `parked.MOST_DECIDED` of them; one outcome each, in
    order. `retry` sends the line again: the issue is closed when the upstream takes it. `reason` is why one
    is given up."""

    issues: Sequence[int]
    action: Literal["discard", "retry"]
    act: Act
    reason: str | None = None

    @property
    def weight(self) -> int:
        """The line, its index, the issue and what is counted of it, and the trail's line."""
        return 1 + 6 * len(self.issues)

    def apply(self, tx: Tx) -> list[Decided | Blocked]:
        """Writes what can be. Blocked: issue_resolved, lane_off."""
        ids = msgspec.json.encode(list(self.issues)).decode()
        outcomes: dict[int, Decided | Blocked] = {}
        seqs: dict[str, list[int]] = {}
        for issue, lane, seq, rid, lane_state in tx.all("parked.refusals", {"ids": ids}):
            if self.action == "retry" and lane_state in (None, OFF):
                outcomes[issue] = Blocked("lane_off")
            else:
                outcomes[issue] = Decided(records.place(rid)[0])
                seqs.setdefault(lane, []).append(seq)
        decision: parked.Decided = "again" if self.action == "retry" else "discarded"
        for lane, chosen in seqs.items():
            DecideParked(lane, chosen, decision, self.act, self.reason).apply(tx)
        return [outcomes.get(issue, Blocked("issue_resolved")) for issue in self.issues]


@dataclass(frozen=True, slots=True)
class CorrectRow:
    """A corrected row of a staged job that is done: the object that it became gets a new version, which is a
    delivery of its own; the refused lines of the row are given up as replaced.

    `outcome` is what the family makes of the row as it is to be. Job, counts and state stay what they are.
    """

    job: Job
    record_id: int
    mark: str
    key: str
    payload: bytes
    outcome: Outcome
    staging: Staging
    identity: BoxIdentity
    before: Mapping[str, object]
    after: Mapping[str, object]
    act: Act
    comment: str | None = None

    @property
    def weight(self) -> int:
        """The row, the object with its index of words, the delivery, and the lines that are given up."""
        size = len(self.payload)
        return 25 + PROJECTION_ROWS + 2 * weight_of(size) + searched_weight((size,))

    def apply(self, tx: Tx) -> Decided | Blocked:
        """Writes all of it. Blocked: record_not_waiting, record_changed, superseded, turn_taken while imports
        of the same owner are made or taken back, and the code of a key that another object has."""
        row = tx.one("records.mark", {"id": self.record_id})
        if row is None or row[0] != RecordState.DONE:
            return Blocked("record_not_waiting")
        if records.mark(*row) != self.mark:
            return Blocked("record_changed")
        target = correctable(tx, self.record_id)
        if isinstance(target, Blocked):
            return target
        if tx.one("parked.turn_taken", {"job_id": self.job.id}) is not None:
            return Blocked("turn_taken")
        put = self.outcome.put
        assert put is not None  # the family let the row in
        scope = {"workspace": self.job.workspace, "owner": self.job.created_by}
        keys = msgspec.json.encode([self.key]).decode()
        taken = dict(tx.all(f"{self.job.family}.taken_{self.staging.kind}", {**scope, "keys": keys}))
        if taken.get(self.key, target.object_id) != target.object_id:
            return Blocked("key_taken")
        index = index_of(self.record_id)
        crc = checksum(self.key.encode(), self.payload)
        tx.run(
            "staged.rewrite",
            {
                "id": self.record_id,
                "key": self.key,
                "payload": self.payload,
                "crc": crc,
                "state": RecordState.DONE.value,
            },
        )
        parked.replace(tx, self.record_id, self.act, self.comment)
        outcome = msgspec.structs.replace(self.outcome, put=msgspec.structs.replace(put, id=target.object_id))
        self._settle(outcome, index).settle(tx, [outcome])
        self.act.note(tx, "record.edit", "record", self.record_id, before=self.before, after=self.after)
        return Decided(self.job.id)

    def _settle(self, outcome: Outcome, index: int) -> SettleChunk:
        """What makes objects and deliveries of outcomes; the claim of a worker it has not."""
        return SettleChunk(
            job=self.job,
            owner="",
            identity=self.identity,
            outcomes=[outcome],
            payloads={index: self.payload},
            old_cursor=0,
            cursor=0,
            tallies={},
            chunk_limit=0,
            lease_at=0.0,
            now_ms=self.act.now_ms,
            staging=self.staging,
            keys={index: self.key},
        )
