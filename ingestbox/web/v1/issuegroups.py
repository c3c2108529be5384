"""`/v1/issues/groups` and `/v1/issues/{id}/history`: what waits, counted; and who changed what of it."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from ingestbox.clock import iso
from ingestbox.route import Answer, Parameter, Reply, Route, limit_of
from ingestbox.store import audit, issues, parked
from ingestbox.store.issues import Group
from ingestbox.store.trail import ToldLine, told
from ingestbox.web.binding import Request
from ingestbox.web.v1 import lists
from ingestbox.web.v1.issues import ISSUE_ID, SHOWN_RECORDS, Issues, wanted_of
from ingestbox.web.v1.parts import Parts
from ingestbox.web.v1.sight import ALL, READERS, reading_of

HISTORY_LINES = 50
"""Lines of the trail that an issue's history has."""


class IssueKind(msgspec.Struct, frozen=True):
    """Open issues of a job that have the same code."""

    code: str
    open: Annotated[int, Meta(ge=1)]


class IssueGroup(msgspec.Struct, frozen=True):
    """A job with open issues; times are ISO 8601."""

    job: str
    name: str
    family: str
    workspace: str
    created_by: str
    state: Annotated[str, Meta(description="The job's, as in /v1/jobs.")]
    submitted_at: str
    open: Annotated[int, Meta(ge=1, description="Of all the codes that were asked for.")]
    kinds: list[IssueKind]


class IssueGroups(msgspec.Struct, frozen=True):
    """A page of jobs with open issues, newest first."""

    groups: list[IssueGroup]
    next_cursor: str | None


class IssueHistory(msgspec.Struct, frozen=True):
    """What was done to an issue and its records, newest first: lines of the audit trail."""

    audit: list[ToldLine]


class IssueGroupings:
    """Issues of the jobs in sight, by job and code; and what was done to one."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._store = parts.store
        self._issues = Issues(parts)

    def routes(self) -> tuple[Route, ...]:
        """What web binds."""
        return (
            Route(
                "GET",
                "/v1/issues/groups",
                self.groups,
                "What waits for a person, counted",
                READERS,
                description="Jobs with open issues, newest first, and how many of each code. A page may have "
                "fewer jobs than `limit`, or none, and still a `next_cursor`.",
                parameters=(
                    Parameter("job", "This job alone (its public id)."),
                    Parameter("family", "Jobs of this family alone.", lists.one_of(self._parts.families)),
                    Parameter("code", "Issues with this code alone."),
                    *lists.PAGE,
                    ALL,
                ),
                answers=(Answer(IssueGroups),),
                errors=("bad_parameter", "job_not_found"),
            ),
            Route(
                "GET",
                "/v1/issues/{id}/history",
                self.history,
                "Who changed what of an issue",
                READERS,
                description="What the audit trail has of the issue and of the records that it shows first; "
                f"the newest {HISTORY_LINES} lines.",
                parameters=(ISSUE_ID, ALL),
                answers=(Answer(IssueHistory),),
                errors=("bad_parameter", "not_found"),
            ),
        )

    async def groups(self, ask: Request) -> Reply:
        """GET /v1/issues/groups."""
        query = ask.query
        wanted = await wanted_of(
            self._store,
            reading_of(ask, self._parts.families),
            job=query.get("job"),
            family=lists.choice(query, "family", self._parts.families),
            code=query.get("code"),
            open_=True,
        )
        below, limit = lists.below(query), limit_of(query)
        found, last = await self._store.read_with(lambda tx: issues.groups(tx, wanted, below, limit))
        return Reply(IssueGroups([_group(each) for each in found], lists.cursor(last) if last else None))

    async def history(self, ask: Request) -> Reply:
        """GET /v1/issues/{id}/history."""
        issue = await self._issues.find(ask, reading_of(ask, self._parts.families))
        first, _ = await self._store.read_with(lambda tx: issues.first_records(tx, issue, SHOWN_RECORDS))
        lines: list[audit.AuditLine] = []
        for noun, number in [("issue", issue.id), *(("record", rid) for rid in first)]:
            wanted = audit.Wanted(issue.workspace, object=noun, object_id=str(number))
            lines += (await audit.page(self._store, wanted, lists.NEWEST, HISTORY_LINES)).lines
        if issue.lane is not None:
            wanted = audit.Wanted(issue.workspace, object=parked.NOUN, object_id=str(issue.seq))
            of_line = (await audit.page(self._store, wanted, lists.NEWEST, HISTORY_LINES)).lines
            lines += [line for line in of_line if (line.after or {}).get("lane") == issue.lane]
        lines.sort(key=lambda line: -int(line.id))
        return Reply(IssueHistory(await told(self._store, lines[:HISTORY_LINES])))


def _group(group: Group) -> IssueGroup:
    job = group.job
    return IssueGroup(
        job=job.public_id,
        name=job.name,
        family=job.family,
        workspace=job.workspace,
        created_by=job.created_by,
        state=job.state.value,
        submitted_at=iso(job.submitted_ms) or "",
        open=group.open,
        kinds=[IssueKind(code, count) for code, count in group.kinds],
    )
