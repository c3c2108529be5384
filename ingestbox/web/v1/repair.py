"""What people decide about records that wait: correcting one (what was read, the patch on it, the family's
word on the outcome, and the write), and trying again, accepting or giving up."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from ingestbox import strictjson
from ingestbox.config import MIB
from ingestbox.errors import Fault, IngestError
from ingestbox.family import Family
from ingestbox.model import Job, RecordState
from ingestbox.store import ReadTx, jobs, records
from ingestbox.store.issues import Issue
from ingestbox.store.parked import MOST_DECIDED
from ingestbox.store.records import Record
from ingestbox.store.refusals import ResolveRefused
from ingestbox.store.review import Action, Blocked, EditRecord, ResolveIssues
from ingestbox.store.sight import Sight
from ingestbox.web.binding import Request
from ingestbox.web.v1 import fields, mergepatch
from ingestbox.web.v1.audit import act
from ingestbox.web.v1.parts import Parts
from ingestbox.web.v1.rows import Rows, check_editor, check_patch
from ingestbox.web.v1.sight import EDITORS, staging_of


class _Told(msgspec.Struct):
    """What a delivery's line has of a result."""

    result: msgspec.Raw = msgspec.Raw(b"")


_told = msgspec.json.Decoder(_Told)

SLICE = 50
"""Issues that one write decides about: it keeps the writer under 20 ms."""

SHOWN_MEMBERS = 20
SHOWN_CHARACTERS = 200
"""What the audit trail keeps of a correction: members that changed, and so much of each. It is never altered
again, so it is no place for whole records."""

THREAD_BYTES = 262_144
"""A correction of so much is made in a thread: 15 MB that nest deep take a second. So is what is hashed."""

_FINAL = frozenset({RecordState.DONE, RecordState.SUPERSEDED})

_TAG = re.compile(r'(?:W/)?"[^"]*"')


@dataclass(frozen=True, slots=True)
class Found:
    """A record in sight, with its job, as they were read together."""

    record: Record
    job: Job

    @property
    def etag(self) -> str:
        """Names the record's content and state (RFC 9110, 8.8.3)."""
        return f'"{self.record.mark}"'


class Repair:
    """Finds records, corrects them, and settles their issues."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._store = parts.store
        self._rows = Rows(parts)

    async def find(self, rid: int, sight: Sight | None) -> Found:
        """The record, if its job is in sight. Raises IngestError `not_found`."""

        def read(tx: ReadTx) -> Found | None:
            job = jobs.by_id(tx, records.place(rid)[0], sight)
            record = records.one(tx, rid) if job is not None else None
            return None if job is None or record is None else Found(record, job)

        found = await self._store.read_with(read)
        if found is None:
            raise IngestError("not_found", f"There is no record {rid}.")
        return found

    async def edit(
        self,
        ask: Request,
        found: Found,
        patch: bytes,
        etag: str | None = None,
        comment: str | None = None,
    ) -> None:
        """Applies a merge patch to the record, and has it processed again; a row of a staged job waits until
        that goes on. If-Match has to be the record's ETag, or the one given. `comment` is kept by the issues
        of a record that is no such row.

        A record that is done is corrected while an upstream refuses its delivery.

        Raises IngestError: precondition_failed, record_not_waiting, record_changed, duplicate_content,
        job_cancelled, job_not_waiting, job_active, superseded, turn_taken, key_taken, forbidden, damaged,
        malformed_json, validation_failed with every fault of the corrected record, payload_too_large for one
        that no request could have brought.
        """
        record, job = found.record, found.job
        staged = self.staged(job)
        if staged:
            check_editor(ask)
        check_match(ask.headers, etag or found.etag)
        refused = record.state == RecordState.DONE and await self._refused(record.id)
        waits = record.state not in _FINAL if staged else record.state == RecordState.ISSUE
        if not (waits or refused):
            raise IngestError("record_not_waiting", f"The record is {record.state}: it waits on no issue.")
        if not record.sound:
            raise IngestError("damaged", f"The stored record {record.id} does not match its checksum.")
        given = (self._family(job), record.payload, patch, ask.limits.feedback_json_mb * MIB)
        if len(record.payload) + len(patch) < THREAD_BYTES and self._family(job).same is None:
            made = _corrected(*given)
        else:
            made = await asyncio.to_thread(_corrected, *given)
        sides = (made.before, made.after)
        called = self._family(job).subjects is None  # its object is called by its record's key
        if refused and not staged and called and made.key != record.key:
            sentence = "a record that is done keeps its id: send it in once more under another one"
            raise fields.refused([Fault("invalid", sentence)])
        if staged and refused:
            await self._rows.correct(ask, job, record, made.key, made.payload, sides, comment)
            return
        if staged:
            await self._rows.edit(ask, job, record, made.key, made.payload, sides)
            return
        by = act(ask, self._store.clock.now_ms()).within(job.workspace)
        counted = await self._counted(found) if refused else {}
        outcome = await self._store.write(
            EditRecord(
                record.id,
                record.mark,
                made.key,
                made.payload,
                *sides,
                by,
                comment,
                counted,
                job.family,
                made.same,
            )
        )
        if isinstance(outcome, Blocked):
            raced = outcome.code in ("record_changed", "record_not_waiting") and "if-match" in ask.headers
            raise IngestError("precondition_failed" if raced else outcome.code, outcome.detail)
        self._parts.progress.changed(outcome.job_id)
        self._parts.ring(outcome.job_id)

    async def _refused(self, rid: int) -> bool:
        """Whether an upstream refuses a delivery of the record."""
        return bool(await self._store.read("parked.of_record", {"record_id": rid}))

    async def _counted(self, found: Found) -> Mapping[str, int]:
        """What the record was counted as in its job's tallies, when its result was made."""

        def read(tx: ReadTx) -> bytes | None:
            newest = records.became(tx, found.record.id)
            row = None if newest is None else tx.one("deliveries.one", {"seq": newest.seq})
            return None if row is None else row[-2]

        line = await self._store.read_with(read)
        try:
            result = b"" if line is None else bytes(_told.decode(line).result)
            return self._family(found.job).counted(result) if result else {}
        except msgspec.DecodeError:
            return {}  # it is damaged: nobody knows

    async def decide(
        self, chosen: Sequence[Issue], action: Action, ask: Request, comment: str | None = None
    ) -> list[str | None]:
        """Decides slice by slice; for each the code of what stood in the way, or None. `comment` is what the
        issues keep of it; of staged jobs those that are given up. What is not held is not accepted."""
        codes: dict[int, str | None] = {}
        single, refused = [], []
        gone_on: dict[int, str | None] = {}  # by job: each goes on once, however many of its issues are meant
        for each in chosen:
            if action == "accept" and not each.held:  # neither rows of staged jobs nor refused lines are
                codes[each.id] = "issue_not_held"
            elif each.grouped and each.job_id in gone_on:
                codes[each.id] = gone_on[each.job_id]
            elif each.lane is not None:
                refused.append(each)
            elif each.grouped:
                codes[each.id] = await self._decide_rows(each, action, ask, comment)
                if action == "retry":
                    gone_on[each.job_id] = codes[each.id]
            else:
                single.append(each)
        codes.update(await self._decide_refused(refused, action, ask, comment))
        for workspace in dict.fromkeys(each.workspace for each in single):
            here = [each for each in single if each.workspace == workspace]
            by = act(ask, self._store.clock.now_ms()).within(workspace)
            for start in range(0, len(here), SLICE):
                run = here[start : start + SLICE]
                pairs = [(each.id, each.record_id) for each in run]
                outcomes = await self._store.write(ResolveIssues(pairs, action, by, comment))
                for each, outcome in zip(run, outcomes, strict=True):
                    codes[each.id] = outcome.code if isinstance(outcome, Blocked) else None
                for job_id in {each.job_id for each in run if codes[each.id] is None}:
                    self._parts.progress.changed(job_id)
                    if action != "discard":
                        self._parts.ring(job_id)
                if action == "discard":
                    self._parts.wake()  # what is removed is told upstream
        return [codes[each.id] for each in chosen]

    async def _decide_refused(
        self, chosen: Sequence[Issue], action: Action, ask: Request, comment: str | None
    ) -> dict[int, str | None]:
        """The same about issues of refused deliveries: lines are sent again, or given up for a reason."""
        codes: dict[int, str | None] = {}
        fit = []
        for each in chosen:
            codes[each.id] = self._bar(each, action, ask, comment)
            if codes[each.id] is None:
                fit.append(each)
        for start in range(0, len(fit), MOST_DECIDED):
            run = fit[start : start + MOST_DECIDED]
            by = act(ask, self._store.clock.now_ms())
            ids = [each.id for each in run]
            decision = ResolveRefused(ids, "retry" if action == "retry" else "discard", by, comment)
            outcomes = await self._store.write(decision)
            for each, outcome in zip(run, outcomes, strict=True):
                codes[each.id] = outcome.code if isinstance(outcome, Blocked) else None
            done = [each for each in run if codes[each.id] is None]
            for job_id in {each.job_id for each in done}:
                self._parts.progress.changed(job_id)
            if action == "retry":
                for lane in {each.lane for each in done if each.lane is not None}:
                    self._parts.send_again(lane)
        return codes

    def _bar(self, issue: Issue, action: Action, ask: Request, comment: str | None) -> str | None:
        """Why the caller cannot decide so about a refused delivery."""
        family = self._parts.families.get(issue.family)
        if family is not None and family.staging is not None and not ask.caller.may(EDITORS):
            return "forbidden"
        told = any(each.isprintable() and not each.isspace() for each in comment or "")
        return "reason_required" if action == "discard" and not told else None

    async def _decide_rows(
        self, issue: Issue, action: Action, ask: Request, comment: str | None
    ) -> str | None:
        """The same about an issue of a staged job: all of its rows, or that the job goes on."""
        job = await self._store.read_with(lambda tx: jobs.by_id(tx, issue.job_id, None))
        if job is None:
            return "job_not_found"
        try:
            if action == "discard":
                await self._rows.discard(ask, job, issue, comment)
            else:
                await self._rows.go_on(ask, job)
        except IngestError as error:
            if error.status >= 500:
                raise
            return error.code
        return None

    def check_fit(self, found: Found) -> None:
        """Raises IngestError unless the record can be processed as it is: damaged, validation_failed."""
        record = found.record
        if not record.sound:
            raise IngestError("damaged", f"The stored record {record.id} does not match its checksum.")
        faults = self._family(found.job).check(record.payload).faults
        if faults:
            raise IngestError(
                "validation_failed",
                f"The record has to be corrected first: {faults[0].message}.",
                faults=faults,
            )

    def staged(self, job: Job) -> bool:
        """Whether the job's rows wait for each other."""
        return staging_of(self._parts, job) is not None

    def _family(self, job: Job) -> Family:
        family = self._parts.families.get(job.family)
        if family is None:
            raise IngestError("internal", f"This program has no family `{job.family}`.")
        return family


def check_match(headers: Mapping[str, str], etag: str) -> None:
    """Raises IngestError `precondition_failed` unless If-Match is absent or names what was read.

    A weak tag never matches (RFC 9110, 13.1.1).
    """
    given = headers.get("if-match")
    if given is not None and given.strip() != "*" and etag not in _TAG.findall(given):
        raise IngestError("precondition_failed")


@dataclass(frozen=True, slots=True)
class _Corrected:
    """A record as it is to be, and what the audit trail keeps of the correction."""

    key: str
    payload: bytes
    before: dict[str, object]
    after: dict[str, object]
    same: bytes | None


def _corrected(family: Family, payload: bytes, patch: bytes, limit: int) -> _Corrected:
    """The patch on the record, if the family lets the outcome in, and it has at most `limit` bytes."""
    strictjson.decode(patch)
    merged = mergepatch.merge(payload, patch)
    if len(merged) > limit:
        raise IngestError("payload_too_large", f"The corrected record is over the limit of {limit} bytes.")
    if family.staging is not None:
        check_patch(patch)
    checked = family.check(merged)
    if checked.faults:
        raise IngestError(
            "validation_failed",
            f"The corrected record is not valid: {checked.faults[0].message}.",
            faults=checked.faults,
        )
    same = None if family.same is None else family.same(checked.payload)
    return _Corrected(checked.key, checked.payload, *_changed(payload, checked.payload), same)


def _changed(before: bytes, after: bytes) -> tuple[dict[str, object], dict[str, object]]:
    """The members that differ, shortened, as they were and as they are."""
    old, new = mergepatch.members_of(before), mergepatch.members_of(after)
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    shown = names[:SHOWN_MEMBERS]
    sides = tuple(
        {name[:SHOWN_CHARACTERS]: _short(bytes(side[name])) for name in shown if name in side}
        for side in (old, new)
    )
    return sides[0], sides[1]


def _short(text: bytes) -> object:
    if len(text) <= SHOWN_CHARACTERS:
        return strictjson.decode(text)
    return text[:SHOWN_CHARACTERS].decode("utf-8", "ignore") + "…"
