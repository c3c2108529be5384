"""`/console/issues`: the inbox, what waits for a person by job and kind, and the way back into the import."""

from __future__ import annotations

import msgspec

from ingestbox.console import case
from ingestbox.console.forms import form
from ingestbox.console.nav import READERS
from ingestbox.console.pages import is_htmx
from ingestbox.console.parts import Parts
from ingestbox.console.show import segment
from ingestbox.errors import IngestError
from ingestbox.model import Role
from ingestbox.route import Reply
from ingestbox.web.binding import BoundRoute, Request
from ingestbox.web.v1.issuegroups import IssueGroup, IssueGroups
from ingestbox.web.v1.issues import IssueBody, IssuePage
from ingestbox.web.v1.jobs import JobBody, JobPage

JOBS = 10
"""Jobs on one page."""

FIRST = 5
"""Issues of each kind that are shown of a job."""

KINDS = 8
"""Kinds of a job whose issues are shown; others are counted."""

WHOLE = 50
"""Issues on a page of one kind."""

READY = 50
"""Jobs that are looked through for those that only have to go on."""

AGAIN = frozenset({"job_active", "job_ended", "job_cancelled"})
"""Why a job does not go on; the page itself tells."""


class Shelf(msgspec.Struct, frozen=True):
    """Open issues of a job with one code: how many, the first of them."""

    code: str
    open: int
    issues: list[IssueBody]


class Group(msgspec.Struct, frozen=True):
    """A job with open issues. `allowed`: the reader may decide about them; `others` counts issues of kinds
    that are not shown."""

    job: IssueGroup
    staged: bool
    allowed: bool
    shelves: list[Shelf]
    others: int


class IssuesPlace:
    """The inbox."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._inside = parts.inside

    def routes(self) -> tuple[BoundRoute, ...]:
        """What web binds."""
        page = self._parts.page
        return (
            page("GET", "/issues", self.inbox, *READERS),
            page("POST", "/issues/reprocess", self.reprocess, *READERS),
        )

    async def inbox(self, ask: Request) -> Reply:
        """GET /console/issues."""
        query = {name: value for name, value in ask.query.items() if value}
        query["code"] = self._code(query.get("code", ""))
        return await self._page(ask, query)

    async def reprocess(self, ask: Request) -> Reply:
        """POST /console/issues/reprocess: the rows of an import are checked again, and taken if all is
        right."""
        given = form(ask.body)
        job = given.get("job", "")
        error = None
        try:
            route = "/v1/jobs/{id}/reprocess"
            await self._inside.call(ask, "POST", route, params={"id": job}, query=case.scope(ask))
        except IngestError as problem:
            if problem.code not in AGAIN:
                raise
            error = problem
        query = {"job": job, "did": "reprocess" if error is None else "", **case.scope(ask)}
        if error is None and not is_htmx(ask.headers):
            return self._parts.pages.redirect(ask, "/console/issues", **query)
        return await self._page(ask, query, error)

    async def _page(self, ask: Request, query: dict[str, str], error: IngestError | None = None) -> Reply:
        scope = case.scope(ask)
        state = "resolved" if query.get("state") == "resolved" else "open"
        job = await self._job(ask, query.get("job"), scope)
        one_kind = state == "open" and job is not None and bool(query.get("code"))
        wanted: dict[str, str | None] = {
            **{name: query.get(name) or None for name in ("job", "family", "code", "cursor")},
            **scope,
        }
        groups: list[Group] = []
        flat = IssuePage([], None)
        cursor: str | None = None
        if state == "resolved" or one_kind:
            flat = await self._issues(ask, wanted, state, WHOLE)
            cursor = flat.next_cursor
        if state == "open":
            found = await self._groups(ask, {**wanted, "cursor": None} if one_kind else wanted)
            groups = [
                await self._group(ask, each, scope, flat if one_kind else None) for each in found.groups
            ]
            cursor = cursor if one_kind else found.next_cursor
        family = None if job is None else self._parts.families.get(job.family)
        staged = family is not None and family.staging is not None
        headers = (("HX-Push-Url", self._address(ask, query)),) if ask.method == "POST" else ()
        return self._parts.pages.reply(
            ask,
            "issues/inbox.html",
            status=200 if error is None else error.status,
            headers=headers,
            query=query,
            state=state,
            job=job,
            staged=staged,
            allowed=job is None or case.may_decide(ask.caller, staged=staged),
            groups=groups,
            flat=flat.issues,
            one_kind=one_kind,
            cursor=cursor,
            ready=await self._ready(ask, wanted) if state == "open" and job is None else [],
            families=sorted(self._parts.families),
            administrator=ask.caller.may(frozenset({Role.ADMIN})),
            scope=scope,
            did=query.get("did", ""),
            row_done=query.get("row_done", ""),
            error=error,
            everyone=scope.get("all"),
            objects=family.views[0].name if family is not None and family.views else "",
        )

    def _address(self, ask: Request, query: dict[str, str]) -> str:
        more = "&all=true" if query.get("all") else ""
        return f"{ask.origin.prefix}/console/issues?job={segment(query['job'])}{more}"

    def _code(self, given: str) -> str:
        """A code, also when somebody chose it by its name."""
        kinds = self._parts.pages.texts["issues"].kinds
        named: dict[str, str] = {str(kinds.of(code)).casefold(): code for code in kinds}
        return named.get(given.strip().casefold(), given.strip())

    async def _job(self, ask: Request, job: str | None, scope: dict[str, str]) -> JobBody | None:
        if not job:
            return None
        return await self._inside.get(ask, "/v1/jobs/{id}", JobBody, scope, params={"id": job})

    async def _groups(self, ask: Request, wanted: dict[str, str | None]) -> IssueGroups:
        """A page of jobs; those that are left out make no empty page."""
        found = await self._inside.get(ask, "/v1/issues/groups", IssueGroups, {**wanted, "limit": str(JOBS)})
        while not found.groups and found.next_cursor is not None:
            on = {**wanted, "limit": str(JOBS), "cursor": found.next_cursor}
            found = await self._inside.get(ask, "/v1/issues/groups", IssueGroups, on)
        return found

    async def _issues(self, ask: Request, wanted: dict[str, str | None], state: str, limit: int) -> IssuePage:
        query = {**wanted, "state": state, "limit": str(limit), "values": "true"}
        if state == "open":
            query["order"] = "oldest"
        return await self._inside.get(ask, "/v1/issues", IssuePage, query)

    async def _group(
        self, ask: Request, group: IssueGroup, scope: dict[str, str], whole: IssuePage | None
    ) -> Group:
        family = self._parts.families.get(group.family)
        staged = family is not None and family.staging is not None
        shelves: list[Shelf] = []
        for kind in group.kinds[:KINDS]:
            place: dict[str, str | None] = {"job": group.job, "code": kind.code, **scope}
            page = whole or await self._issues(ask, place, "open", FIRST)
            shelves.append(Shelf(kind.code, kind.open, page.issues))
        others = sum(kind.open for kind in group.kinds[KINDS:])
        return Group(group, staged, case.may_decide(ask.caller, staged=staged), shelves, others)

    async def _ready(self, ask: Request, wanted: dict[str, str | None]) -> list[JobBody]:
        """Imports whose issues are all decided: they only have to go on."""
        query = {"state": "review", "family": wanted["family"], "limit": str(READY), "all": wanted.get("all")}
        page = await self._inside.get(ask, "/v1/jobs", JobPage, query)
        return [each for each in page.jobs if each.staging and not each.staging.open_issues]
