"""`/v1/records/{id}` and `/v1/jobs/{id}/records`: what was received, what became of it, and correcting it."""

from __future__ import annotations

from typing import Annotated, Any, Literal, cast, get_args

import msgspec
from msgspec import UNSET, Meta

from ingestbox.clock import iso
from ingestbox.errors import IngestError
from ingestbox.model import Job
from ingestbox.route import Answer, Parameter, Reply, Route, limit_of
from ingestbox.store import ReadTx, files, records
from ingestbox.store.records import Became, Wanted
from ingestbox.web.binding import Request
from ingestbox.web.v1 import lists
from ingestbox.web.v1.jobs import Counts, body_of
from ingestbox.web.v1.parts import Parts
from ingestbox.web.v1.repair import Found, Repair
from ingestbox.web.v1.sight import ALL, JOB_ID, READERS, REVIEWERS, job_of, reading_of, sight_of

State = Literal["pending", "done", "superseded", "issue", "discarded"]
STATES: tuple[str, ...] = get_args(State)

MOST_ISSUES = 2_000
"""Issues shown with one page of records, resolved ones included."""

PAGE_BYTES = 4 * 1_048_576
"""A page with payloads ends once it has this many bytes (one record at least)."""

ETAG = {"ETag": "Names content and state of the record, for If-Match."}
IF_MATCH = Parameter("If-Match", "The record's ETag: 412 when it is another one by now.", place="header")
RECORD_ID = Parameter("id", "The record's id.", place="path")


class RecordIssue(msgspec.Struct, frozen=True):
    """An issue of a record."""

    id: str
    code: str
    message: str
    field: str | None
    created_at: str
    resolved_at: str | None
    resolution: str | None
    resolved_by: str | None
    comment: Annotated[str | None, Meta(description="What was said of it.")]
    lane: Annotated[
        str | None, Meta(description="Of a refused delivery: the lane. The record does not wait on it.")
    ]
    delivery: Annotated[str | None, Meta(description="Of a refused delivery: its number.")]


class RecordRefusal(msgspec.Struct, frozen=True):
    """An upstream that does not take what became of a record."""

    lane: str
    code: str
    message: str
    state: Annotated[
        Literal["parked", "again", "discarded"],
        Meta(description="`again`: it waits to be sent again. `discarded`: a person gave it up."),
    ]
    issue: Annotated[str | None, Meta(description="What people decide about it by.")]


class RecordResult(msgspec.Struct, frozen=True):
    """What a record became: a version of an object, and the delivery that tells upstream of it."""

    kind: str
    object_id: str
    version: int
    delivery: Annotated[
        str,
        Meta(description="Its number. It goes once every lane has had it for `store.delivered_days`."),
    ]
    current: Annotated[bool, Meta(description="Whether the object is still at this version.")]
    refused: Annotated[list[RecordRefusal], Meta(description="By which lanes' upstreams it was refused.")]


class RecordLine(msgspec.Struct, frozen=True):
    """A record in a list. `payload` is there when it was asked for, and null when it is damaged."""

    id: str
    index: Annotated[int, Meta(description="Its place in the job, from 0.")]
    key: Annotated[str, Meta(description="The object's id; empty when the record has none.")]
    state: str
    issues: list[RecordIssue]
    result: RecordResult | None
    line: Annotated[int | None, Meta(description="Of a row of a file: the line that it begins in.")]
    payload: Annotated[Any, Meta(description="The record as it was received, or corrected.")] = UNSET


class RecordPage(msgspec.Struct, frozen=True):
    """A page of a job's records, in the order in which they were received."""

    records: list[RecordLine]
    total: int
    counts: Counts
    next_cursor: str | None


class RecordBody(msgspec.Struct, frozen=True):
    """One record, whole."""

    id: str
    index: int
    key: str
    state: str
    job: str
    family: str
    workspace: str
    payload: Annotated[Any, Meta(description="The record as it was received, or corrected.")]
    issues: list[RecordIssue]
    result: RecordResult | None


class Records:
    """The records of the jobs in sight."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._store = parts.store
        self._repair = Repair(parts)

    def routes(self) -> tuple[Route, ...]:
        """What web binds."""
        return (
            Route(
                "GET",
                "/v1/jobs/{id}/records",
                self.of_job,
                "A job's records with their outcomes",
                READERS,
                description="In the order in which they were received. With a `state` that few records have "
                "a page may have fewer than `limit`, or none, and still a `next_cursor`. Who may only upload "
                "sees those of their own jobs.",
                parameters=(
                    JOB_ID,
                    Parameter("state", "Records in this state alone.", State),
                    Parameter("issue", "Records of this issue alone (its id).", lists.ID),
                    Parameter("payload", "With each record's content.", bool),
                    *lists.PAGE,
                    ALL,
                ),
                answers=(Answer(RecordPage),),
                errors=("bad_parameter", "job_not_found"),
            ),
            Route(
                "GET",
                "/v1/records/{id}",
                self.one,
                "One record",
                READERS,
                description="Its content is compared with its checksum. The ETag names content and state.",
                parameters=(RECORD_ID, ALL),
                answers=(Answer(RecordBody, headers=ETAG),),
                errors=("bad_parameter", "not_found", "damaged"),
            ),
            Route(
                "PATCH",
                "/v1/records/{id}",
                self.patch,
                "Correct a record that waits on an issue",
                REVIEWERS,
                body_limit="feedback_json_mb",
                media_types=("application/json", "application/merge-patch+json"),
                description="The body is a JSON Merge Patch (RFC 7396) on the record's content. The "
                "corrected record is checked as on its way in: 422 with every fault, and nothing is stored. "
                "Otherwise its issues are resolved, and it is processed once more. Its place among later "
                "records of the same object stays what it was. A row of a staged family (contacts) can be "
                "corrected while its job waits for a person, or has failed, whatever its own state is, but "
                "`done`; it is checked against the others when its job is reprocessed.\n\nA record that is "
                "`done` can be corrected as long as an upstream refuses its delivery: what it becomes then "
                "is delivered by itself, and the refused lines are given up as replaced. A row of a staged "
                "family changes its object at once.",
                body=dict[str, Any],
                example={"summary": "The delivery was late"},
                parameters=(RECORD_ID, IF_MATCH, ALL),
                answers=(Answer(RecordBody, headers=ETAG),),
                errors=(
                    "bad_parameter",
                    "not_found",
                    "malformed_json",
                    "validation_failed",
                    "record_not_waiting",
                    "record_changed",
                    "duplicate_content",
                    "job_cancelled",
                    "job_not_waiting",
                    "job_active",
                    "superseded",
                    "turn_taken",
                    "key_taken",
                    "precondition_failed",
                    "damaged",
                ),
            ),
        )

    async def of_job(self, ask: Request) -> Reply:
        """GET /v1/jobs/{id}/records."""
        job = await job_of(self._parts, ask, reading_of(ask, self._parts.families))
        wanted = Wanted(
            lists.choice(ask.query, "state", STATES),
            lists.chosen(ask.query, "issue"),
            staged=self._repair.staged(job),
        )
        after, limit = lists.position(ask.query, 0), limit_of(ask.query)
        with_payload = lists.flag(ask.query, "payload")

        def read(tx: ReadTx) -> tuple[list[RecordLine], int | None]:
            found = records.listed(tx, job.id, wanted, after, limit)
            of_file = files.facts_of(tx, job.id) is not None
            issues = records.issues_of(tx, [row[0] for row in found.rows], MOST_ISSUES)
            lines: list[RecordLine] = []
            size = 0
            for rid, key, record_state in found.rows:
                content: object = UNSET
                if with_payload:
                    payload = records.payload(tx, rid)
                    size += len(payload or b"")
                    if lines and size > PAGE_BYTES:
                        return lines, int(lines[-1].id)
                    content = None if payload is None else msgspec.Raw(payload)
                lines.append(
                    RecordLine(
                        id=str(rid),
                        index=records.place(rid)[1],
                        key=records.text(key),
                        state=record_state,
                        issues=[_issue(row) for row in issues[rid]],
                        result=_result(records.became(tx, rid)),
                        line=records.line(tx, rid) if of_file else None,
                        payload=content,
                    )
                )
            return lines, found.last

        lines, last = await self._store.read_with(read)
        cursor = lists.cursor(last) if last else None
        return Reply(RecordPage(lines, job.total, body_of(job).counts, cursor))

    async def one(self, ask: Request) -> Reply:
        """GET /v1/records/{id}."""
        rid = lists.number(ask.path["id"], "record")
        return await self._answer(await self._repair.find(rid, reading_of(ask, self._parts.families)))

    async def patch(self, ask: Request) -> Reply:
        """PATCH /v1/records/{id}."""
        rid = lists.number(ask.path["id"], "record")
        sight = sight_of(ask, self._parts.families)
        await self._repair.edit(ask, await self._repair.find(rid, sight), ask.body)
        return await self._answer(await self._repair.find(rid, sight))

    async def _answer(self, found: Found) -> Reply:
        record, job = found.record, found.job
        if not record.sound:
            raise IngestError("damaged", f"The stored record {record.id} does not match its checksum.")

        def read(tx: ReadTx) -> tuple[list[RecordIssue], Became | None]:
            rows = records.issues_of(tx, [record.id], MOST_ISSUES)[record.id]
            return [_issue(row) for row in rows], records.became(tx, record.id)

        issues, became = await self._store.read_with(read)
        return Reply(_body(job, found, issues, became), headers=(("ETag", found.etag),))


def _body(job: Job, found: Found, issues: list[RecordIssue], became: Became | None) -> RecordBody:
    record = found.record
    return RecordBody(
        id=str(record.id),
        index=records.place(record.id)[1],
        key=record.key,
        state=record.state,
        job=job.public_id,
        family=job.family,
        workspace=job.workspace,
        payload=msgspec.Raw(record.payload),
        issues=issues,
        result=_result(became),
    )


def _result(became: Became | None) -> RecordResult | None:
    if became is None:
        return None
    refused = [
        RecordRefusal(
            each.lane,
            each.code,
            each.message,
            cast('Literal["parked", "again", "discarded"]', each.state),
            None if each.issue is None else str(each.issue),
        )
        for each in became.refused
    ]
    return RecordResult(
        became.kind, became.object_id, became.version, str(became.seq), became.current, refused
    )


def _issue(row: tuple[Any, ...]) -> RecordIssue:
    issue_id, _, code, message, field, created_ms, resolved_ms, resolution, resolved_by = row[:9]
    comment, lane, seq = row[9:]
    return RecordIssue(
        id=str(issue_id),
        code=code,
        message=message,
        field=field,
        created_at=iso(created_ms) or "",
        resolved_at=iso(resolved_ms),
        resolution=resolution,
        resolved_by=resolved_by,
        comment=comment,
        lane=lane,
        delivery=None if seq is None else str(seq),
    )
