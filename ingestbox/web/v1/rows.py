"""What people decide about the rows of staged jobs: correcting one, giving up those of an issue, going on.

Rows change while their job waits for a person, or has failed, and at no other time; nothing is processed
before somebody says that the job is to go on.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Sequence
from functools import partial

import msgspec

from ingestbox.enrich.pii import marking
from ingestbox.errors import Fault, IngestError
from ingestbox.family import Family, Process
from ingestbox.model import Chunk, Item, Job, Outcome, index_of
from ingestbox.store import ReadTx, issues, records
from ingestbox.store.issues import Issue
from ingestbox.store.records import Record
from ingestbox.store.refusals import CorrectRow
from ingestbox.store.review import Blocked
from ingestbox.store.staged import (
    EDITS,
    EditIssue,
    EditRows,
    GoOn,
    IssueChange,
    RowEdit,
    issue_mark,
    with_state,
)
from ingestbox.store.undoing import BeginUndo, UndoSlice
from ingestbox.web.binding import Request
from ingestbox.web.v1 import fields, mergepatch
from ingestbox.web.v1.audit import act
from ingestbox.web.v1.parts import Parts
from ingestbox.web.v1.sight import EDITORS, check_role, staging_of

OWN = "_"
"""Members of a row that begin so are the box's: where the row stood, and what was decided about it."""

PLACE, NOTE = "_row", "_note"

DAMAGED = msgspec.json.encode({NOTE: "What was stored of this row was damaged"})
"""What is left of a damaged row once it is given up: with a new checksum it would pass for sound."""


TURN_SECONDS = 5
"""When to come back while another job of the same person makes its objects."""


class Rows:
    """Changes rows of staged jobs in sight."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._store = parts.store

    async def only(self, issue: Issue) -> int | None:
        """The id of the one row that waits on the issue; None if there is none, or another."""
        found = await self._left(issue, 2)
        return found[0] if len(found) == 1 else None

    async def waits(self, issue: Issue, rid: int) -> bool:
        """Whether a row waits on the issue."""
        read = partial(issues.waiting, issue_id=issue.id, after=rid - 1, limit=1)
        return (await self._store.read_with(read))[0] == [rid]

    async def _left(self, issue: Issue, most: int) -> list[int]:
        """The ids of the first rows that wait on the issue."""
        found: list[int] = []
        after: int | None = 0
        while after is not None and len(found) < most:
            ids, after = await self._store.read_with(
                partial(issues.waiting, issue_id=issue.id, after=after, limit=most)
            )
            found += ids
        return found[:most]

    async def edit(
        self, ask: Request, job: Job, record: Record, key: str, payload: bytes, sides: _Sides
    ) -> None:
        """Stores a corrected row, which is pending until its job goes on; `sides` are before and after.

        Raises IngestError: job_not_waiting, record_not_waiting, record_changed or, with If-Match,
        precondition_failed.
        """
        before, after = with_state(*sides, record.state, "pending")
        edit = RowEdit(
            record_id=record.id,
            mark=record.mark,
            key=key,
            payload=kept(record, key, payload),
            state="pending",
            before=before,
            after=after,
        )
        (outcome,) = await self._write(ask, job, [edit])
        if outcome is not None:
            raced = outcome.code == "record_changed" and "if-match" in ask.headers
            raise IngestError("precondition_failed" if raced else outcome.code)

    async def correct(
        self,
        ask: Request,
        job: Job,
        record: Record,
        key: str,
        payload: bytes,
        sides: _Sides,
        comment: str | None,
    ) -> None:
        """Gives the object that a row became a new version, which goes upstream in the place of the refused
        one; the job stays at its end.

        Raises IngestError: record_not_waiting, record_changed or, with If-Match, precondition_failed;
        superseded, turn_taken, key_taken, validation_failed.
        """
        staging = staging_of(self._parts, job)
        family = self._parts.families[job.family]
        assert staging is not None  # it is a row of a staged job
        content = kept(record, key, payload)
        item = Item(index_of(record.id), key, content)
        chunk = Chunk(job.family, [item], job.id, job.public_id, pii=family.pii)
        (outcome,) = await asyncio.to_thread(_made, family, chunk)
        if outcome.put is None:
            message = outcome.fault_message or ""
            fault = Fault(outcome.fault_code or "invalid", message, field=outcome.fault_field)
            raise fields.refused([fault])
        by = act(ask, self._store.clock.now_ms()).within(job.workspace)
        done = await self._store.write(
            CorrectRow(
                job=job,
                record_id=record.id,
                mark=record.mark,
                key=key,
                payload=content,
                outcome=outcome,
                staging=staging,
                identity=self._store.identity,
                before=sides[0],
                after=sides[1],
                act=by,
                comment=comment,
            )
        )
        if isinstance(done, Blocked):
            raced = done.code in ("record_changed", "record_not_waiting") and "if-match" in ask.headers
            later = TURN_SECONDS if done.code == "turn_taken" else None
            raise IngestError("precondition_failed" if raced else done.code, retry_after=later)
        self._parts.progress.changed(job.id)
        self._parts.wake()

    async def discard(self, ask: Request, job: Job, issue: Issue, comment: str | None = None) -> None:
        """Gives up all rows that wait on the issue, and closes it; what others change meanwhile stays.

        A call that is cut short has given up some; a repeat goes on. Raises IngestError: forbidden,
        job_not_waiting.
        """
        check_editor(ask)
        await self._give_up(ask, job, issue)
        await self._close(ask, job, issue, comment)

    async def keep(self, ask: Request, job: Job, issue: Issue, rid: int, comment: str | None = None) -> None:
        """The same of all rows but one, which is pending until its job goes on.

        The issue is closed first: of two who keep different rows at once one hears of it. What a crash leaves
        undone is open again when the job has gone on. Raises IngestError: forbidden, job_not_waiting,
        record_not_waiting for a row that does not wait on the issue, record_changed or, with If-Match,
        precondition_failed.
        """
        check_editor(ask)
        waits = await self.waits(issue, rid)
        record = await self._store.read_with(partial(records.one, rid=rid)) if waits else None
        if record is None:
            raise IngestError("record_not_waiting", f"The record {rid} does not wait on this issue.")
        if not record.sound:
            raise IngestError("damaged", f"The stored record {rid} does not match its checksum.")
        mark = issue_mark(issue.id, issue.revision, issue.resolved_ms)
        await self._say(ask, job, issue, IssueChange(resolved=True, comment=comment), frozenset({mark}))
        await self._give_up(ask, job, issue, but=rid)
        before: dict[str, object] = {"state": record.state}
        after: dict[str, object] = {"state": "pending", "issue": str(issue.id)}
        await self.edit(ask, job, record, record.key, record.payload, (before, after))

    async def update(
        self, ask: Request, job: Job, issue: Issue, etag: str | None, comment: str | None = None
    ) -> None:
        """The issue's row is to update what exists under its key; that resolves it. With an `etag` the issue
        has to be this one still.

        Raises IngestError: forbidden, job_not_waiting, issue_not_existing, rows_undecided,
        nothing_to_update, damaged, precondition_failed.
        """
        check_editor(ask)
        marks = None if etag is None else frozenset({etag.strip('"')})
        await self._say(ask, job, issue, IssueChange(resolved=True, comment=comment, updates=True), marks)

    async def settle(
        self, ask: Request, job: Job, issue: Issue, comment: str | None = None, *, moved: bool
    ) -> None:
        """Closes an issue one of whose rows was corrected, if that leaves nothing to a person: of rows that
        repeat each other one may stay. `moved`: the row has another key."""
        staging = staging_of(self._parts, job)
        if staging is None:
            return
        by_key = issue.code in (staging.repeated[0], staging.existing[0])
        left = await self._left(issue, 2)
        if (moved or not by_key) and len(left) <= (1 if issue.code == staging.repeated[0] else 0):
            await self._close(ask, job, issue, comment)

    async def _give_up(self, ask: Request, job: Job, issue: Issue, but: int | None = None) -> None:
        after: int | None = 0
        while after is not None:
            read = partial(_waiting, issue=issue.id, after=after)
            found, after = await self._store.read_with(read)
            edits = [_given_up(each, issue) for each in found if each.id != but]
            outcomes = await self._write(ask, job, edits)
            if any(outcome is not None and outcome.code == "job_not_waiting" for outcome in outcomes):
                raise IngestError("job_not_waiting")

    async def _close(self, ask: Request, job: Job, issue: Issue, comment: str | None = None) -> None:
        """Resolves an issue some of whose rows are corrected instead of given up: if they are wrong still, it
        is open again when the job has gone on."""
        now = await self._store.read_with(lambda tx: issues.one(tx, issue.id, None))
        if now is None or (now.resolved_ms is not None and comment is None):
            return
        resolved = True if now.resolved_ms is None else None
        await self._say(ask, job, issue, IssueChange(resolved=resolved, comment=comment))

    async def _say(
        self,
        ask: Request,
        job: Job,
        issue: Issue,
        change: IssueChange,
        marks: frozenset[str] | None = None,
    ) -> None:
        staging = staging_of(self._parts, job)
        if staging is None:
            return
        by = act(ask, self._store.clock.now_ms()).within(job.workspace)
        outcome = await self._store.write(EditIssue(issue.id, staging, change, by, marks))
        if outcome is not None:
            raced = outcome.code == "record_changed" and "if-match" in ask.headers
            raise IngestError("precondition_failed" if raced else outcome.code, outcome.detail)
        self._parts.progress.changed(job.id)

    async def go_on(self, ask: Request, job: Job) -> None:
        """Has the job's rows checked again. Raises IngestError: job_cancelled, job_active, job_ended."""
        by = act(ask, self._store.clock.now_ms()).within(job.workspace)
        outcome = await self._store.write(GoOn(job.id, job.public_id, by))
        if outcome is not None:
            raise IngestError(outcome.code, outcome.detail)
        self._parts.progress.changed(job.id)
        self._parts.ring(job.id)

    async def undo(self, ask: Request, job: Job) -> None:
        """Takes back what a completed job made. Raises IngestError: job_not_completed, turn_taken."""
        staging = staging_of(self._parts, job)
        if staging is None:
            raise IngestError("job_not_completed", f"Jobs of the family {job.family} cannot be taken back.")
        by = act(ask, self._store.clock.now_ms()).within(job.workspace)
        outcome = await self._store.write(BeginUndo(job.id, job.public_id, by))
        if outcome is not None:
            later = TURN_SECONDS if outcome.code == "turn_taken" else None
            raise IngestError(outcome.code, outcome.detail, retry_after=later)
        self._parts.progress.changed(job.id)
        while await self._store.write(UndoSlice(job.id, staging.kind, self._store.clock.now_ms())) is None:
            pass
        self._parts.progress.changed(job.id)
        self._parts.wake()  # what is removed is told upstream
        for (waiting,) in await self._store.read("undoing.waiting", {"job_id": job.id}):
            self._parts.ring(waiting)

    async def _write(self, ask: Request, job: Job, edits: Sequence[RowEdit]) -> list[Blocked | None]:
        if not edits:
            return []
        by = act(ask, self._store.clock.now_ms()).within(job.workspace)
        outcomes = await self._store.write(EditRows(edits, by))
        self._parts.progress.changed(job.id)
        return outcomes


_Sides = tuple[dict[str, object], dict[str, object]]

SLICE_BYTES = 1_048_576
"""Of rows that one write rewrites, about the most (one row at least)."""


def _made(family: Family, chunk: Chunk) -> list[Outcome]:
    """What the family makes of a row. Rows of staged families take no step of `enrich`: it is done here."""
    module, _, name = family.process.partition(":")
    process: Process = getattr(importlib.import_module(module), name)
    return marking.marked(chunk, process(chunk))


def check_editor(ask: Request) -> None:
    """Raises IngestError `forbidden` unless the caller is an editor."""
    check_role(ask, EDITORS)


def check_patch(patch: bytes) -> None:
    """Raises IngestError `validation_failed` for a patch on what is the box's own."""
    names = [name for name in mergepatch.members_of(patch) if name.startswith(OWN)]
    if names:
        raise fields.refused(
            [Fault("unknown", f"{name[:40]!r} is the box's own", field=name[:40]) for name in names]
        )


def kept(record: Record, key: str, payload: bytes) -> bytes:
    """The corrected row without what was decided about the row as it was: a note always, and of one that has
    another key all but where it stood."""
    members = mergepatch.members_of(payload)
    gone = [
        name
        for name in members
        if name == NOTE or (name.startswith(OWN) and name != PLACE and key != record.key)
    ]
    if not gone:
        return payload
    return msgspec.json.encode({name: value for name, value in members.items() if name not in gone})


def _waiting(tx: ReadTx, issue: int, after: int) -> tuple[list[Record], int | None]:
    """The next rows that wait on the issue, with their content, and the id to go on after: as many as one
    write takes."""
    ids, last = issues.waiting(tx, issue, after, EDITS)
    found: list[Record] = []
    size = 0
    for rid in ids:
        if size > SLICE_BYTES:
            return found, found[-1].id
        record = records.one(tx, rid)
        if record is not None:
            found.append(record)
            size += len(record.payload)
    return found, last


def _given_up(record: Record, issue: Issue) -> RowEdit:
    return RowEdit(
        record_id=record.id,
        mark=record.mark,
        key=record.key if record.sound else "",
        payload=record.payload if record.sound else DAMAGED,
        state="discarded",
        before={"state": record.state},
        after={"state": "discarded", "issue": str(issue.id)},
    )
