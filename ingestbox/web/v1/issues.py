"""`/v1/issues`: what waits for a person, and what the person decides: correct, try again, give up."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar, get_args

import msgspec
from msgspec import UNSET, Meta

from ingestbox import strictjson
from ingestbox.clock import iso
from ingestbox.errors import Fault, IngestError
from ingestbox.route import Answer, Parameter, Reply, Route, limit_of
from ingestbox.store import ReadTx, Store, issues, jobs, records
from ingestbox.store.issues import Issue, Wanted
from ingestbox.store.sight import Sight
from ingestbox.store.staged import issue_mark
from ingestbox.web.binding import Request
from ingestbox.web.v1 import fields, lists
from ingestbox.web.v1.parts import Parts
from ingestbox.web.v1.repair import Found, Repair, check_match
from ingestbox.web.v1.rows import Rows
from ingestbox.web.v1.sight import ALL, READERS, REVIEWERS, reading_of, sight_of

S = TypeVar("S", bound=msgspec.Struct)

State = Literal["open", "resolved"]
STATES: tuple[str, ...] = get_args(State)

PATCH_FOR_EDIT: dict[str, Any] = {
    "oneOf": [
        {"properties": {"action": {"const": "edit"}}, "required": ["patch"]},
        {"properties": {"action": {"enum": ["discard", "retry"]}, "patch": False}},
    ]
}
SHOWN_RECORDS = 10
"""Records that an issue shows; the others are to be had at its link."""

ETAG = {"ETag": "Names what can be decided about, for If-Match."}
IF_MATCH = Parameter("If-Match", "The issue's ETag: 412 when it is another one by now.", place="header")
ISSUE_ID = Parameter("id", "The issue's id.", place="path")


class IssueLinks(msgspec.Struct, frozen=True):
    """Where to go on from an issue: paths below the address of the box."""

    record: str
    records: str
    job: str


class IssueRecord(msgspec.Struct, frozen=True):
    """One of an issue's records."""

    id: str
    index: int
    link: str


class IssueBody(msgspec.Struct, frozen=True):
    """One thing wrong with one record, or, in a staged family, with all of a job that fail alike; times are
    ISO 8601."""

    id: str
    state: State
    code: str
    message: str
    field: str | None
    job: str
    record: Annotated[str, Meta(description="The first of its records.")]
    index: Annotated[int, Meta(description="That record's place in its job, from 0.")]
    records: Annotated[int, Meta(ge=0, description="How many it holds or held.")]
    first: Annotated[list[IssueRecord], Meta(description=f"The first {SHOWN_RECORDS} of them.")]
    family: str
    workspace: str
    created_at: str
    resolved_at: str | None
    resolution: Annotated[
        str | None,
        Meta(description="`edit`, `retry`, `discard`, `cancel` of the job; others of staged families."),
    ]
    resolved_by: str | None
    comment: Annotated[str | None, Meta(description="What was said of it.")]
    links: IssueLinks


class IssuePage(msgspec.Struct, frozen=True):
    """A page of issues, newest first."""

    issues: list[IssueBody]
    next_cursor: str | None


class Resolution(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is decided: `edit` takes `patch`, a JSON Merge Patch (RFC 7396) on the record's content."""

    action: Literal["discard", "retry", "edit"]
    patch: Annotated[Any, Meta(description="For `edit`: what PATCH /v1/records/{id} takes.")] = UNSET


async def wanted_of(
    store: Store,
    sight: Sight,
    *,
    job: str | None,
    family: str | None,
    code: str | None,
    open_: bool | None,
) -> Wanted:
    """A filter with the job's id in the store. Raises IngestError `job_not_found`."""
    if job is None:
        return Wanted(sight, None, family, code, open_)
    found = await store.read_with(lambda tx: jobs.find(tx, job, sight))
    if found is None:
        raise IngestError("job_not_found")
    return Wanted(sight, found.id, family, code, open_)


def decision(body: bytes, shape: type[S]) -> S:
    """What a person decides, as a `shape`. Raises IngestError: malformed_json, validation_failed."""
    given = strictjson.decode(body)
    try:
        return msgspec.convert(given, shape)
    except msgspec.ValidationError as error:
        raise fields.refused([Fault("invalid", str(error))]) from None


class Issues:
    """The issues of the jobs in sight."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._store = parts.store
        self._repair = Repair(parts)
        self._rows = Rows(parts)

    def routes(self) -> tuple[Route, ...]:
        """What web binds."""
        return (
            Route(
                "GET",
                "/v1/issues",
                self.page,
                "What waits for a person",
                READERS,
                description="Newest first. A page may have fewer issues than `limit`, or none, and still a "
                "`next_cursor`. Who may only upload sees those of their own jobs.",
                parameters=(
                    Parameter("job", "Issues of this job alone (its public id)."),
                    Parameter("family", "Issues of this family alone.", lists.one_of(self._parts.families)),
                    Parameter("code", "Issues with this code alone."),
                    Parameter("state", "`open` or `resolved`; both unless given.", State),
                    *lists.PAGE,
                    ALL,
                ),
                answers=(Answer(IssuePage),),
                errors=("bad_parameter", "job_not_found"),
            ),
            Route(
                "GET",
                "/v1/issues/{id}",
                self.one,
                "One issue",
                READERS,
                parameters=(ISSUE_ID, ALL),
                answers=(Answer(IssueBody, headers=ETAG),),
                errors=("bad_parameter", "not_found"),
            ),
            Route(
                "POST",
                "/v1/issues/{id}/resolve",
                self.resolve,
                "Resolve an issue",
                REVIEWERS,
                body_limit="feedback_json_mb",
                description="`discard` gives the record up; `retry` has it processed once more as it is (422 "
                "when it would not be let in so); `edit` corrects it first. Of two who decide at once one is "
                "told that it is resolved already. In a staged family (contacts) `discard` gives up all rows "
                "that wait on the issue (repeat a call that was cut short), `edit` is for an issue on which "
                "one waits, and `retry` reprocesses the job.",
                body=Annotated[Resolution, Meta(extra_json_schema=PATCH_FOR_EDIT)],
                example={"action": "edit", "patch": {"summary": "The delivery was late"}},
                parameters=(ISSUE_ID, IF_MATCH, ALL),
                answers=(Answer(IssueBody, headers=ETAG),),
                errors=(
                    "bad_parameter",
                    "not_found",
                    "job_not_waiting",
                    "job_active",
                    "job_ended",
                    "malformed_json",
                    "validation_failed",
                    "issue_resolved",
                    "record_not_waiting",
                    "record_changed",
                    "job_cancelled",
                    "precondition_failed",
                    "damaged",
                ),
            ),
        )

    async def page(self, ask: Request) -> Reply:
        """GET /v1/issues."""
        query = ask.query
        state = lists.choice(query, "state", STATES)
        wanted = await wanted_of(
            self._store,
            reading_of(ask, self._parts.families),
            job=query.get("job"),
            family=lists.choice(query, "family", self._parts.families),
            code=query.get("code"),
            open_=None if state is None else state == "open",
        )
        below, limit = lists.below(query), limit_of(query)

        def read(tx: ReadTx) -> tuple[list[IssueBody], int | None]:
            found, last = issues.listed(tx, wanted, below, limit)
            return [_body(tx, each) for each in found], last

        found, last = await self._store.read_with(read)
        return Reply(IssuePage(found, lists.cursor(last) if last else None))

    async def one(self, ask: Request) -> Reply:
        """GET /v1/issues/{id}."""
        return await self._answer(await self._issue(ask, reading_of(ask, self._parts.families)))

    async def resolve(self, ask: Request) -> Reply:
        """POST /v1/issues/{id}/resolve."""
        issue = await self._issue(ask, sight_of(ask, self._parts.families))
        wanted = decision(ask.body, Resolution)
        if (wanted.action == "edit") is not (wanted.patch is not UNSET):
            raise fields.refused(
                [Fault("invalid", "patch belongs to the action edit, which needs it", field="patch")]
            )
        if issue.resolved_ms is not None:
            raise IngestError("issue_resolved")
        found = await self._repair.find(issue.record_id, None)
        etag = _etag(issue, found)
        check_match(ask.headers, etag)
        if wanted.action == "edit":
            patch = bytes(msgspec.json.decode(ask.body, type=_Patch).patch)
            await self._repair.edit(ask, await self._only(issue, found), patch, etag)
        else:
            if wanted.action == "retry" and not issue.grouped:
                self._repair.check_fit(found)
            (outcome,) = await self._repair.decide([issue], wanted.action, ask)
            if outcome is not None:
                raise IngestError(outcome)
        return await self._answer(issue)

    async def _only(self, issue: Issue, first: Found) -> Found:
        """The record that a correction is meant for. Raises IngestError `validation_failed` if the issue is
        about several."""
        if not issue.grouped:
            return first
        rid = await self._rows.only(issue)
        if rid is not None:
            return await self._repair.find(rid, None)
        sentence = "edit is for an issue with one record that waits: correct each by PATCH /v1/records/{id}"
        raise fields.refused([Fault("invalid", sentence, field="action")])

    async def _answer(self, issue: Issue) -> Reply:
        """The issue as it is now, with its ETag."""

        def read(tx: ReadTx) -> tuple[Issue, IssueBody]:
            now = issues.one(tx, issue.id, None) or issue
            return now, _body(tx, now)

        now, body = await self._store.read_with(read)
        return Reply(body, headers=(("ETag", _etag(now, await self._repair.find(now.record_id, None))),))

    async def _issue(self, ask: Request, sight: Sight) -> Issue:
        issue_id = lists.number(ask.path["id"], "issue")
        found = await self._store.read_with(lambda tx: issues.one(tx, issue_id, sight))
        if found is None:
            raise IngestError("not_found", f"There is no issue {issue_id}.")
        return found


class _Patch(msgspec.Struct):
    """The patch as the bytes it is."""

    patch: msgspec.Raw


def _etag(issue: Issue, found: Found) -> str:
    """Of an issue with one record that record's, so that either's is good for both."""
    if not issue.grouped:
        return found.etag
    return f'"{issue_mark(issue.id, issue.revision, issue.resolved_ms)}"'


def _body(tx: ReadTx, issue: Issue) -> IssueBody:
    first, count = issues.first_records(tx, issue, SHOWN_RECORDS)
    job = f"/v1/jobs/{issue.job}"
    return IssueBody(
        id=str(issue.id),
        state="open" if issue.resolved_ms is None else "resolved",
        code=issue.code,
        message=issue.message,
        field=issue.field,
        job=issue.job,
        record=str(issue.record_id),
        index=records.place(issue.record_id)[1],
        records=count,
        first=[IssueRecord(str(rid), records.place(rid)[1], f"/v1/records/{rid}") for rid in first],
        family=issue.family,
        workspace=issue.workspace,
        created_at=iso(issue.created_ms) or "",
        resolved_at=iso(issue.resolved_ms),
        resolution=issue.resolution,
        resolved_by=issue.resolved_by,
        comment=issue.comment,
        links=IssueLinks(f"/v1/records/{issue.record_id}", f"{job}/records?issue={issue.id}", job),
    )
