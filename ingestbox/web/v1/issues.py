"""`/v1/issues`: what waits for a person, and what the person decides: correct, try again, give up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeVar, get_args

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ingestbox import strictjson
from ingestbox.clock import iso
from ingestbox.errors import Fault, IngestError
from ingestbox.family import Answer, Parameter, Reply, Route, limit_of
from ingestbox.store import ReadTx, changes, issues, jobs, records
from ingestbox.store.issues import Issue, Wanted
from ingestbox.store.review import Action, Blocked, ResolveIssues
from ingestbox.web.binding import Request
from ingestbox.web.v1 import lists
from ingestbox.web.v1.audit import act
from ingestbox.web.v1.parts import Parts
from ingestbox.web.v1.records import IF_MATCH
from ingestbox.web.v1.repair import Repair, check_match
from ingestbox.web.v1.sight import REVIEWERS, scope

S = TypeVar("S", bound=msgspec.Struct)

State = Literal["open", "resolved"]
STATES: tuple[str, ...] = get_args(State)

MOST_AT_ONCE = 1_000
"""Issues that one bulk call decides about."""

SLICE = 50
"""Of these, issues that one write decides about: it keeps the writer under 20 ms."""

PATCH_FOR_EDIT: dict[str, Any] = {
    "oneOf": [
        {"properties": {"action": {"const": "edit"}}, "required": ["patch"]},
        {"properties": {"action": {"enum": ["discard", "retry"]}, "patch": False}},
    ]
}
EITHER: dict[str, Any] = {"oneOf": [{"required": ["ids"]}, {"required": ["filter"]}]}

ISSUE_ID = Parameter("id", "The issue's id.", place="path")


class IssueLinks(msgspec.Struct, frozen=True):
    """Where to go on from an issue."""

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


class IssueFilter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Open issues, newest first: those of a job, a family, a code."""

    job: str | None = None
    family: str | None = None
    code: str | None = None


class Bulk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is decided about many: `ids`, or all that `filter` finds, up to 1,000 in one call."""

    action: Action
    ids: Annotated[list[str], Meta(min_length=1, max_length=MOST_AT_ONCE)] | UnsetType = UNSET
    filter: IssueFilter | UnsetType = UNSET
    dry_run: bool = False


class BulkOutcome(msgspec.Struct, frozen=True):
    """What became of one: `open` in a dry run, `resolved`, or the code of what stands in the way."""

    id: str
    outcome: str


class BulkBody(msgspec.Struct, frozen=True):
    """What became of all. `more`: the filter finds others still; repeat the call."""

    action: Action
    dry_run: bool
    matched: int
    resolved: int
    more: bool
    outcomes: list[BulkOutcome]


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
            Route(
                "POST",
                "/v1/issues/bulk",
                self.bulk,
                "Resolve many issues",
                REVIEWERS,
                body_limit="control_kb",
                description="Each is decided by itself, and its outcome told: `resolved`, or the code of "
                "what stands in the way, such as `validation_failed` for one that needs a correction. A "
                "call that is cut short, or repeated, finds the others open still.",
                body=Annotated[Bulk, Meta(extra_json_schema=EITHER)],
                example={"filter": {"code": "text_required"}, "action": "discard", "dry_run": True},
                parameters=(lists.ALL,),
                answers=(Answer(BulkBody),),
                errors=("bad_parameter", "job_not_found", "malformed_json", "validation_failed"),
            ),
        )

    async def page(self, ask: Request) -> Reply:
        """GET /v1/issues."""
        query = ask.query
        state = lists.choice(query, "state", STATES)
        wanted = await self._wanted(
            scope(ask),
            query.get("job"),
            lists.choice(query, "family", self._parts.families),
            query.get("code"),
            None if state is None else state == "open",
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
        wanted = _read(ask.body, Resolution)
        if (wanted.action == "edit") is not (wanted.patch is not UNSET):
            raise _invalid("patch", "patch belongs to the action edit, which needs it")
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
            (outcome,) = await self._decide([issue], wanted.action, ask)
            if outcome is not None:
                raise IngestError(outcome)
        return await self.one(ask)

    async def bulk(self, ask: Request) -> Reply:
        """POST /v1/issues/bulk."""
        wanted = _read(ask.body, Bulk)
        workspace = scope(ask)
        if (wanted.ids is UNSET) is (wanted.filter is UNSET):
            raise _invalid("ids", "give either ids or filter")
        more = False
        outcomes: dict[str, str] = {}
        if wanted.filter is not UNSET:
            chosen, more = await self._matching(workspace, wanted.filter)
        else:
            assert wanted.ids is not UNSET  # one of the two is given
            ids = list(dict.fromkeys(wanted.ids))
            chosen = await self._named(ids, workspace)
            outcomes = dict.fromkeys(ids, "not_found")
        still = [each for each in chosen if each.resolved_ms is None]
        outcomes.update((str(each.id), "issue_resolved") for each in chosen)
        if wanted.dry_run:
            outcomes.update((str(each.id), "open") for each in still)
        else:
            fit = still
            if wanted.action == "retry":
                fit, unfit = await self._sorted(still)
                outcomes.update((str(each.id), "validation_failed") for each in unfit)
            decided = await self._decide(fit, wanted.action, ask)
            outcomes.update(
                (str(each.id), code or "resolved") for each, code in zip(fit, decided, strict=True)
            )
        return Reply(
            BulkBody(
                action=wanted.action,
                dry_run=wanted.dry_run,
                matched=len(chosen),
                resolved=sum(1 for outcome in outcomes.values() if outcome == "resolved"),
                more=more,
                outcomes=[BulkOutcome(*pair) for pair in outcomes.items()],
            )
        )

    async def _issue(self, ask: Request) -> Issue:
        issue_id, workspace = lists.number(ask.path["id"], "issue"), scope(ask)
        found = await self._store.read_with(lambda tx: issues.one(tx, issue_id, workspace))
        if found is None:
            raise IngestError("not_found", f"There is no issue {issue_id}.")
        return found

    async def _wanted(
        self, workspace: str | None, job: str | None, family: str | None, code: str | None, open_: bool | None
    ) -> Wanted:
        """A filter with the job's id in the store. Raises IngestError `job_not_found`."""
        if job is None:
            return Wanted(workspace, None, family, code, open_)
        found = await self._store.read_with(lambda tx: jobs.find(tx, job, workspace))
        if found is None:
            raise IngestError("job_not_found")
        return Wanted(workspace, found.id, family, code, open_)

    async def _matching(self, workspace: str | None, given: IssueFilter) -> tuple[list[Issue], bool]:
        """The newest open issues that pass the filter, and whether there may be more."""
        wanted = await self._wanted(workspace, given.job, given.family, given.code, True)
        chosen: list[Issue] = []
        below: int | None = lists.NEWEST
        while below is not None and len(chosen) < MOST_AT_ONCE:
            start, room = below, MOST_AT_ONCE - len(chosen)

            def read(tx: ReadTx, start: int = start, room: int = room) -> tuple[list[Issue], int | None]:
                return issues.listed(tx, wanted, start, room)

            found, below = await self._store.read_with(read)
            chosen += found
        return chosen, below is not None

    async def _named(self, ids: Sequence[str], workspace: str | None) -> list[Issue]:
        """Those of the ids that are in sight."""
        numbers = [int(each) for each in ids if each.isascii() and each.isdigit() and len(each) < 19]

        def read(tx: ReadTx) -> list[Issue]:
            found = (issues.one(tx, number, workspace) for number in numbers)
            return [each for each in found if each is not None]

        return await self._store.read_with(read)

    async def _sorted(self, chosen: Sequence[Issue]) -> tuple[list[Issue], list[Issue]]:
        """Those whose records can be processed as they are, and the others, which need a correction."""
        fit: list[Issue] = []
        unfit: list[Issue] = []
        for start in range(0, len(chosen), SLICE):
            run = chosen[start : start + SLICE]

            def read(tx: ReadTx, run: Sequence[Issue] = run) -> list[bool]:
                return [self._is_fit(tx, each) for each in run]

            for each, good in zip(run, await self._store.read_with(read), strict=True):
                (fit if good else unfit).append(each)
        return fit, unfit

    def _is_fit(self, tx: ReadTx, issue: Issue) -> bool:
        row = tx.one("records.payload", {"id": issue.record_id})
        return row is not None and changes.is_fit(self._parts.families.get(issue.family), *row)

    async def _decide(self, chosen: Sequence[Issue], action: Action, ask: Request) -> list[str | None]:
        """Decides slice by slice; for each the code of what stood in the way, or None."""
        codes: dict[int, str | None] = {}
        for workspace in dict.fromkeys(each.workspace for each in chosen):
            here = [each for each in chosen if each.workspace == workspace]
            by = act(ask, self._store.clock.now_ms()).within(workspace)
            for start in range(0, len(here), SLICE):
                run = here[start : start + SLICE]
                pairs = [(each.id, each.record_id) for each in run]
                outcomes = await self._store.write(ResolveIssues(pairs, action, by))
                for each, outcome in zip(run, outcomes, strict=True):
                    codes[each.id] = outcome.code if isinstance(outcome, Blocked) else None
                for job_id in {each.job_id for each in run if codes[each.id] is None}:
                    self._parts.progress.changed(job_id)
                    if action == "retry":
                        self._parts.ring(job_id)
        return [codes[each.id] for each in chosen]


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


def _read(body: bytes, shape: type[S]) -> S:
    """The body as a `shape`. Raises IngestError: malformed_json, validation_failed."""
    given = strictjson.decode(body)
    try:
        return msgspec.convert(given, shape)
    except msgspec.ValidationError as error:
        raise _invalid(None, str(error)) from None


def _invalid(field: str | None, sentence: str) -> IngestError:
    return IngestError("validation_failed", f"{sentence}.", faults=[Fault("invalid", sentence, field=field)])
