"""Decisions about many staged rows at once: written slice by slice, each row with an image of what it was, so
that the whole can be taken back.

An operation is called by the id of its line in the audit trail, which is written before any row is changed:
what a crash cuts short can be taken back, or finished by doing it again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from ingestbox.model import RecordState, checksum
from ingestbox.store import records, staging
from ingestbox.store.audit import Act
from ingestbox.store.review import Blocked
from ingestbox.store.staged import EditRows, RowEdit
from ingestbox.store.staging import Hold
from ingestbox.store.unit import Tx, weight_of

SLICE = 64
"""Rows that one unit changes: it keeps the writer under 20 ms."""

SLICE_BYTES = 262_144
"""Payload that one unit rewrites at most (one row at least)."""

EDIT = "rule.edit"
"""What the trail calls the change of a row by an operation."""

RESOLUTION = "rule"
"""How an issue was resolved by one."""

_WAITING, _PENDING, _DISCARDED = (
    state.value for state in (RecordState.ISSUE, RecordState.PENDING, RecordState.DISCARDED)
)


@dataclass(frozen=True, slots=True)
class BeginOperation:
    """A new operation, with its line in the trail; returns its id, which is the line's.

    With `job_id` and `rule_id` it is that of a kept rule, of which a job has one: a second call finds it. Who
    may take it back is `actor`.
    """

    act: Act
    action: str
    noun: str
    object_id: str
    facts: Mapping[str, object]
    actor: str
    job_id: int | None = None
    rule_id: int | None = None
    weight: int = 3

    def apply(self, tx: Tx) -> int:
        """Writes line and row."""
        if self.rule_id is not None:
            found = tx.one("bulk.of_rule", {"job_id": self.job_id, "rule_id": self.rule_id})
            if found is not None:
                return int(found[0])
        self.act.note(tx, self.action, self.noun, self.object_id, after=self.facts)
        row = tx.one(
            "bulk.begin",
            {
                "workspace": self.act.workspace,
                "actor": self.actor,
                "now": self.act.now_ms,
                "job_id": self.job_id,
                "rule_id": self.rule_id,
            },
        )
        assert row is not None  # INSERT … RETURNING gives the row it made
        return int(row[0])


@dataclass(frozen=True, slots=True)
class Planned:
    """A row as an operation leaves it. `kept` is the row that is kept instead of it, with its checksum: once
    that one is another, or given up, this one is left alone."""

    issue_id: int
    edit: RowEdit
    kept: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Ending:
    """An issue all of whose rows were decided about, the last of them in the slice that has it.

    `settled`: what was planned, and went well so far, leaves nothing of it to a person. `facts` are for the
    trail; None: nothing is written there.
    """

    issue_id: int
    settled: bool
    facts: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a slice: of each row the code of what stood in its way, or None; the issues that were
    resolved."""

    rows: Sequence[str | None]
    resolved: frozenset[int]


@dataclass(frozen=True, slots=True)
class ChangeRows:
    """One slice of an operation. With `hold` a worker has the job, and its claim is what counts; without, the
    job has to wait for a person.

    Raises LostClaimError.
    """

    operation: int
    rows: Sequence[Planned]
    endings: Sequence[Ending]
    act: Act
    resolved_by: str
    hold: Hold | None = None

    @property
    def weight(self) -> int:
        """Of each row itself, its image, its key and its issues; of each issue its own and its line."""
        size = sum([len(row.edit.payload) for row in self.rows])
        return 8 * len(self.rows) + 3 * len(self.endings) + 2 * weight_of(size)

    def apply(self, tx: Tx) -> Done:
        """Changes what can be."""
        codes: list[str | None] = [None if self._kept(tx, row) else "record_changed" for row in self.rows]
        fit = [row for row, code in zip(self.rows, codes, strict=True) if code is None]
        ids = [row.edit.record_id for row in fit]
        images = {rid: tx.one("records.one", {"id": rid}) for rid in ids}
        issues = [row.issue_id for row in self.rows] + [ending.issue_id for ending in self.endings]
        open_before = _open_among(tx, issues, ids)
        edits = [row.edit for row in fit]
        outcomes = iter(self._edit(tx, edits))
        codes = [next(outcomes) if code is None else code for code in codes]
        for row, code in zip(self.rows, codes, strict=True):
            if code is None:
                _keep(tx, self.operation, row, images[row.edit.record_id])
        stuck = {row.issue_id for row, code in zip(self.rows, codes, strict=True) if code is not None}
        for ending in self.endings:
            self._end(tx, ending, settled=ending.settled and ending.issue_id not in stuck)
        resolved = open_before - _open_among(tx, issues, ids)
        for issue_id in resolved:
            tx.run("bulk.keep_issue", {"operation": self.operation, "issue_id": issue_id})
        return Done(codes, frozenset(resolved))

    def _kept(self, tx: Tx, row: Planned) -> bool:
        if row.kept is None:
            return True
        found = tx.one("records.mark", {"id": row.kept[0]})
        return found is not None and found[0] in (_WAITING, _PENDING) and found[1] == row.kept[1]

    def _edit(self, tx: Tx, edits: Sequence[RowEdit]) -> list[str | None]:
        if self.hold is not None:
            return rewrite(tx, self.hold, edits)
        outcomes = EditRows(edits, self.act, EDIT).apply(tx)
        return [each.code if isinstance(each, Blocked) else None for each in outcomes]

    def _end(self, tx: Tx, ending: Ending, *, settled: bool) -> None:
        if settled:
            now = self.act.now_ms
            staging.resolve(tx, ending.issue_id, RESOLUTION, self.resolved_by, None, now)
        if ending.facts is not None:
            facts = {**ending.facts, "operation": str(self.operation)}
            self.act.note(tx, "issue.rule", "issue", ending.issue_id, after=facts)


def rewrite(tx: Tx, hold: Hold, edits: Sequence[RowEdit]) -> list[str | None]:
    """Changes rows of a job that a worker holds; of each the code of what stood in its way, or None. Raises
    LostClaimError."""
    change: Counter[str] = Counter()
    codes: list[str | None] = []
    for edit in edits:
        row = tx.one("records.one", {"id": edit.record_id})
        if row is None:
            codes.append("record_changed")
            continue
        rid, key, state, _, old_crc, issue = row
        if edit.mark is not None and edit.mark != records.mark(state, old_crc, issue):
            codes.append("record_changed")
            continue
        change[state] -= 1
        change[edit.state] += 1
        crc = checksum(edit.key.encode(), edit.payload)
        given = {"id": rid, "key": edit.key, "payload": edit.payload, "crc": crc, "state": edit.state}
        tx.run("staged.rewrite", given)
        tx.run("staging.remove_key", {"job_id": hold.job.id, "key": records.text(key), "record_id": rid})
        tx.run("staged.edited", {"record_id": rid})
        codes.append(None)
    hold.count(tx, processed=-change[_PENDING], issues=change[_WAITING], discarded=change[_DISCARDED])
    return codes


def _keep(tx: Tx, operation: int, row: Planned, image: tuple[object, ...] | None) -> None:
    """The row as it was, and what it is told by now."""
    assert image is not None  # it was changed, so it is there
    edit = row.edit
    _, key, state, payload, *_ = image
    tx.run(
        "bulk.keep",
        {
            "operation": operation,
            "record_id": edit.record_id,
            "issue_id": row.issue_id,
            "key": records.text(key) if isinstance(key, bytes) else key,
            "payload": payload,
            "state": state,
            "discarded": int(edit.state == _DISCARDED),
            "left_crc": checksum(edit.key.encode(), edit.payload),
        },
    )


def _open_among(tx: Tx, issues: Sequence[int], rows: Sequence[int]) -> set[int]:
    """Which of these issues, and of those of these rows, are open."""
    lists = {"issues": msgspec.json.encode(issues).decode(), "rows": msgspec.json.encode(rows).decode()}
    return {row[0] for row in tx.all("bulk.open_among", lists)}
