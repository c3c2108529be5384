"""`/v1/issues`: what waits for a person, and what the person decides: correct, try again, give up."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar, get_args

import msgspec
from msgspec import UNSET, Meta

from ingestbox import strictjson
from ingestbox.clock import iso
from ingestbox.errors import Fault, IngestError
from ingestbox.family import Answer, Parameter, Reply, Route, limit_of
from ingestbox.store import Store, issues, jobs, records
from ingestbox.store.issues import Issue, Wanted
from ingestbox.web.binding import Request
from ingestbox.web.v1 import fields, lists
from ingestbox.web.v1.parts import Parts
from ingestbox.web.v1.records import IF_MATCH
from ingestbox.web.v1.repair import Repair, check_match
from ingestbox.web.v1.sight import REVIEWERS, scope

S = TypeVar("S", bound=msgspec.Struct)

State = Literal["open", "resolved"]
STATES: tuple[str, ...] = get_args(State)

PATCH_FOR_EDIT: dict[str, Any] = {
    "oneOf": [
        {"properties": {"action": {"const": "edit"}}, "required": ["patch"]},
        {"properties": {"action": {"enum": ["discard", "retry"]}, "patch": False}},
    ]
}
ISSUE_ID = Parameter("id", "The issue's id.", place="path")


class IssueLinks(msgspec.Struct, frozen=True):
    """Where to go on from an issue: paths below the address of the box."""

    record: str
    job: str


class IssueBody(msgspec.Struct, frozen=True):
    """One thing wrong with one record; times are ISO 8601."""

    id: str
    state: State
    code: str
    message: str
    field: str | None
    job: str
    record: str
    index: Annotated[int, Meta(description="The record's place in its job, from 0.")]
    family: str
    workspace: str
    created_at: str
    resolved_at: str | None
    resolution: Annotated[str | None, Meta(description="`edit`, `retry`, `discard`, or `cancel` of the job.")]
    resolved_by: str | None
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
    workspace: str | None,
    *,
    job: str | None,
    family: str | None,
    code: str | None,
    open_: bool | None,
) -> Wanted:
    """A filter with the job's id in the store. Raises IngestError `job_not_found`."""
    if job is None:
        return Wanted(workspace, None, family, code, open_)
    found = await store.read_with(lambda tx: jobs.find(tx, job, workspace))
    if found is None:
        raise IngestError("job_not_found")
    return Wanted(workspace, found.id, family, code, open_)


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

    def routes(self) -> tuple[Route, ...]:
        """What web binds."""
        return (
            Route(
                "GET",
                "/v1/issues",
                self.page,
                "What waits for a person",
                REVIEWERS,
                description="Newest first. With a filter a page may have fewer issues than `limit`, or none, "
                "and still a `next_cursor`.",
                parameters=(
                    Parameter("job", "Issues of this job alone (its public id)."),
                    Parameter("family", "Issues of this family alone.", lists.one_of(self._parts.families)),
                    Parameter("code", "Issues with this code alone."),
                    Parameter("state", "`open` or `resolved`; both unless given.", State),
                    *lists.PAGE,
                    lists.ALL,
                ),
                answers=(Answer(IssuePage),),
                errors=("bad_parameter", "job_not_found"),
            ),
            Route(
                "GET",
                "/v1/issues/{id}",
                self.one,
                "One issue",
                REVIEWERS,
                parameters=(ISSUE_ID, lists.ALL),
                answers=(Answer(IssueBody),),
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
                "told that it is resolved already.",
                body=Annotated[Resolution, Meta(extra_json_schema=PATCH_FOR_EDIT)],
                example={"action": "edit", "patch": {"summary": "The delivery was late"}},
                parameters=(ISSUE_ID, IF_MATCH, lists.ALL),
                answers=(Answer(IssueBody),),
                errors=(
                    "bad_parameter",
                    "not_found",
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
            scope(ask),
            job=query.get("job"),
            family=lists.choice(query, "family", self._parts.families),
            code=query.get("code"),
            open_=None if state is None else state == "open",
        )
        below, limit = lists.below(query), limit_of(query)
        found, last = await self._store.read_with(lambda tx: issues.listed(tx, wanted, below, limit))
        return Reply(IssuePage([_body(each) for each in found], lists.cursor(last) if last else None))

    async def one(self, ask: Request) -> Reply:
        """GET /v1/issues/{id}."""
        return Reply(_body(await self._issue(ask)))

    async def resolve(self, ask: Request) -> Reply:
        """POST /v1/issues/{id}/resolve."""
        issue = await self._issue(ask)
        wanted = decision(ask.body, Resolution)
        if (wanted.action == "edit") is not (wanted.patch is not UNSET):
            raise fields.refused(
                [Fault("invalid", "patch belongs to the action edit, which needs it", field="patch")]
            )
        if issue.resolved_ms is not None:
            raise IngestError("issue_resolved")
        found = await self._repair.find(issue.record_id, None)
        if wanted.action == "edit":
            patch = bytes(msgspec.json.decode(ask.body, type=_Patch).patch)
            await self._repair.edit(ask, found, patch)
        else:
            check_match(ask.headers, found)
            if wanted.action == "retry":
                self._repair.check_fit(found)
            (outcome,) = await self._repair.decide([issue], wanted.action, ask)
            if outcome is not None:
                raise IngestError(outcome)
        return await self.one(ask)

    async def _issue(self, ask: Request) -> Issue:
        issue_id, workspace = lists.number(ask.path["id"], "issue"), scope(ask)
        found = await self._store.read_with(lambda tx: issues.one(tx, issue_id, workspace))
        if found is None:
            raise IngestError("not_found", f"There is no issue {issue_id}.")
        return found


class _Patch(msgspec.Struct):
    """The patch as the bytes it is."""

    patch: msgspec.Raw


def _body(issue: Issue) -> IssueBody:
    return IssueBody(
        id=str(issue.id),
        state="open" if issue.resolved_ms is None else "resolved",
        code=issue.code,
        message=issue.message,
        field=issue.field,
        job=issue.job,
        record=str(issue.record_id),
        index=records.place(issue.record_id)[1],
        family=issue.family,
        workspace=issue.workspace,
        created_at=iso(issue.created_ms) or "",
        resolved_at=iso(issue.resolved_ms),
        resolution=issue.resolution,
        resolved_by=issue.resolved_by,
        links=IssueLinks(f"/v1/records/{issue.record_id}", f"/v1/jobs/{issue.job}"),
    )
