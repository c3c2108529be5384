"""`/console/jobs/{id}`: one job, how far it is, what became of its records, and what can be done with it."""

from __future__ import annotations

from collections.abc import Mapping

from ingestbox.console.deeds import DEEDS, Deed, deeds
from ingestbox.console.jobs import job_of
from ingestbox.console.outlook import opens, outlook
from ingestbox.console.parts import Parts
from ingestbox.errors import IngestError
from ingestbox.model import Caller
from ingestbox.route import Reply
from ingestbox.web.binding import BoundRoute, Request
from ingestbox.web.v1.jobs import JobBody
from ingestbox.web.v1.records import STATES, RecordLine, RecordPage

SHOWN = 50
"""Records of a page."""

LOOKS = 5
"""How often the API is asked on for one page, when hardly any record is in the state that is asked for."""


class JobPlace:
    """The pages of one job."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def routes(self) -> tuple[BoundRoute, ...]:
        """What web binds."""
        page = self._parts.page
        return (
            page("GET", "/jobs/{id}", self.page),
            page("GET", "/jobs/{id}/progress", self.progress),
            page("GET", "/jobs/{id}/errors.csv", self.errors),
            page("GET", "/jobs/{id}/rows/{place}", self.row),
            page("GET", "/jobs/{id}/{deed}", self.confirm),
            page("POST", "/jobs/{id}/{deed}", self.do),
        )

    async def page(self, ask: Request) -> Reply:
        """GET /console/jobs/{id}."""
        return await self._page(ask)

    async def progress(self, ask: Request) -> Reply:
        """GET /console/jobs/{id}/progress: a piece of a page."""
        job = await self._job(ask)
        settled = () if outlook(job, ask.caller).moving else (("HX-Trigger", "settled"),)
        everyone = ask.query.get("all")
        return self._parts.pages.reply(ask, "jobs/progress.html", headers=settled, job=job, everyone=everyone)

    async def errors(self, ask: Request) -> Reply:
        """GET /console/jobs/{id}/errors.csv, as the API makes it."""
        job = await self._job(ask)
        query = {name: ask.query.get(name) for name in ("rows", "all")}
        route = "/v1/jobs/{id}/errors.csv"
        return await self._parts.inside.call(ask, "GET", route, params={"id": job.id}, query=query)

    async def row(self, ask: Request) -> Reply:
        """GET /console/jobs/{id}/rows/{place}: to the page of the record at a place, from 0."""
        job, place = await self._job(ask), ask.path["place"]
        everyone = ask.query.get("all")
        query = {"limit": "1", "all": everyone}
        page = await self._parts.inside.get(
            ask, "/v1/jobs/{id}/records", RecordPage, query, params={"id": job.id}
        )
        if not (place.isascii() and place.isdigit() and len(place) < 10 and int(place) < job.total):
            raise IngestError("not_found", "There is no such record.")
        first = page.records[0]
        number = int(first.id) - first.index + int(place)  # those of a job follow each other
        return self._parts.pages.redirect(ask, f"/console/records/{number}", all=everyone)

    async def confirm(self, ask: Request) -> Reply:
        """GET /console/jobs/{id}/{deed}: what will happen, for who has no scripts."""
        deed = _deed(ask)
        job = await self._job(ask)
        everyone = ask.query.get("all")
        return self._parts.pages.reply(ask, "jobs/confirm.html", job=job, deed=deed, everyone=everyone)

    async def do(self, ask: Request) -> Reply:
        """POST /console/jobs/{id}/{deed}. What cannot be done any more is said on the job's page."""
        deed = _deed(ask)
        job = await self._job(ask)
        everyone = ask.query.get("all")
        try:
            query = {**deed.query, "all": everyone}
            await self._parts.inside.call(ask, "POST", deed.route, params={"id": job.id}, query=query)
        except IngestError as error:
            if error.status != 409:
                raise
            return await self._page(ask, error)
        return self._parts.pages.redirect(ask, f"/console/jobs/{job.id}", done=deed.name, all=everyone)

    async def _job(self, ask: Request) -> JobBody:
        return await job_of(self._parts, ask, ask.path["id"])

    async def _page(self, ask: Request, error: IngestError | None = None) -> Reply:
        job = await self._job(ask)
        state, everyone = ask.query.get("state") or None, ask.query.get("all")
        may_read = opens(job, ask.caller)
        lines, cursor = await self._records(ask, job, state) if may_read else ([], None)
        done = ask.query.get("done")
        return self._parts.pages.reply(
            ask,
            "jobs/job.html",
            status=200 if error is None else error.status,
            job=job,
            here=f"/console/jobs/{job.id}",
            records=lines,
            cursor=cursor,
            state=state,
            states=STATES,
            may_read=may_read,
            deeds=deeds(job, ask.caller),
            done=done if done in DEEDS else None,
            error=error,
            everyone=everyone,
            objects=views_of(self._parts, job.family, ask.caller),
            lists=lists_of(self._parts, job.family, ask.caller),
        )

    async def _records(
        self, ask: Request, job: JobBody, state: str | None
    ) -> tuple[list[RecordLine], str | None]:
        """A page of the job's records, full if there is enough for it within some looks."""
        found: list[RecordLine] = []
        cursor = ask.query.get("cursor") or None
        for _ in range(LOOKS):
            query = {
                "state": state,
                "all": ask.query.get("all"),
                "limit": str(SHOWN - len(found)),
                "cursor": cursor,
            }
            page = await self._parts.inside.get(
                ask, "/v1/jobs/{id}/records", RecordPage, query, params={"id": job.id}
            )
            found += page.records
            cursor = page.next_cursor
            if cursor is None or len(found) == SHOWN:
                break
        return found, cursor


def _deed(ask: Request) -> Deed:
    """Raises IngestError `not_found`."""
    deed = DEEDS.get(ask.path["deed"])
    if deed is None:
        raise IngestError("not_found", "There is no such page.")
    return deed


def views_of(parts: Parts, family: str, me: Caller) -> Mapping[str, str]:
    """For each kind of object of a family the name of the view that shows it, if this reader may open it."""
    found = parts.families.get(family)
    if found is None:
        return {}
    views = [view for view in found.views if me.may(view.roles)]
    return {kind: view.name for kind in found.kinds for view in views if view.key == f"{kind}_id"}


def lists_of(parts: Parts, family: str, me: Caller) -> list[str]:
    """The grids of a family that show a job's records as a list, which has the job's id as its key."""
    found = parts.families.get(family)
    grids = found.grids if found else ()
    return [grid.name for grid in grids if grid.job == grid.key and me.may(grid.roles)]
