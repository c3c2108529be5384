"""`/console/jobs`: the jobs of all families; those under way look after themselves."""

from __future__ import annotations

import datetime
from collections.abc import Mapping

import msgspec

from ingestbox.clock import iso
from ingestbox.console.outlook import outlook
from ingestbox.console.parts import Parts
from ingestbox.errors import IngestError
from ingestbox.model import Role
from ingestbox.route import Reply
from ingestbox.web.binding import BoundRoute, Request
from ingestbox.web.v1.jobs import SORTS, STATES, JobBody, JobPage

SHOWN = 50
"""Jobs of a page."""

LOOKS = 5
"""How often the API is asked on for one page, when hardly any job passes the filters."""

MOST_LIVE = 100
"""Jobs that are looked at again together."""

WHENS: Mapping[str, int] = {"1h": 1, "24h": 24, "7d": 7 * 24, "30d": 30 * 24}
"""Times that can be chosen, in hours."""

FILTERS = ("q", "family", "state", "source", "when", "since", "until")
"""What narrows the list; `when` is one of WHENS, and stands for a `since`."""

SAMPLE = {"records": [{"id": "T-1", "summary": "The delivery was late", "description": "Still waiting."}]}
"""What the call of an empty page sends."""


class Chosen(msgspec.Struct, frozen=True):
    """What of the jobs is shown: parameters of the page, without those that say nothing."""

    given: dict[str, str]

    @property
    def narrowed(self) -> bool:
        """Whether there may be jobs that are left out."""
        return any(name in self.given for name in FILTERS)

    def query(self, now_ms: int) -> dict[str, str | None]:
        """The parameters of the API."""
        asked: dict[str, str | None] = {
            name: value for name, value in self.given.items() if name not in ("when", "cursor")
        }
        hours = WHENS.get(self.given.get("when", ""))
        if hours is not None:
            asked["since"] = iso(now_ms - hours * 3_600_000)
        return asked


class Jobs:
    """The list of jobs."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def routes(self) -> tuple[BoundRoute, ...]:
        """What web binds."""
        page = self._parts.page
        return (page("GET", "/jobs", self.page), page("GET", "/jobs/live", self.live))

    async def page(self, ask: Request) -> Reply:
        """GET /console/jobs."""
        chosen = Chosen({name: value for name, value in ask.query.items() if value and name in KNOWN})
        if chosen.given.keys() != ask.query.keys():  # a form also sends what nobody filled in
            return self._parts.pages.redirect(ask, ask.url_path, **chosen.given)
        if chosen.given.get("when", "1h") not in WHENS:
            raise IngestError("bad_parameter", f"when must be one of {', '.join(WHENS)}.")
        query = chosen.query(self._parts.clock.now_ms())
        found, cursor = await self._listed(ask, query, chosen.given.get("cursor"))
        return self._parts.pages.reply(
            ask,
            "jobs/list.html",
            jobs=found,
            cursor=cursor,
            chosen=chosen.given,
            narrowed=chosen.narrowed,
            asked=query,
            families=sorted(self._parts.families),
            states=STATES,
            sorts=SORTS,
            whens=list(WHENS),
            days=_days(chosen.given),
            everyone=chosen.given.get("all"),
            administrator=Role.ADMIN in ask.caller.roles,
            live=[job.id for job in found if outlook(job, ask.caller).moving],
            sample=SAMPLE,
        )

    async def _listed(
        self, ask: Request, query: Mapping[str, str | None], cursor: str | None
    ) -> tuple[list[JobBody], str | None]:
        """A page that is full, if there is enough for it within some looks."""
        found: list[JobBody] = []
        for _ in range(LOOKS):
            limits = {"limit": str(SHOWN - len(found)), "cursor": cursor}
            page = await self._parts.inside.get(ask, "/v1/jobs", JobPage, {**query, **limits})
            found += page.jobs
            cursor = page.next_cursor
            if cursor is None or len(found) == SHOWN:
                break
        return found, cursor

    async def live(self, ask: Request) -> Reply:
        """GET /console/jobs/live: rows as they are now, and when to ask again; a piece of the list."""
        everyone = ask.query.get("all")
        ids = [each for each in ask.query.get("ids", "").split(",") if each][:MOST_LIVE]
        found: list[JobBody] = []
        for each in ids:
            try:
                found.append(await job_of(self._parts, ask, each))
            except IngestError as error:
                if error.status != 404:
                    raise
        moving = [job.id for job in found if outlook(job, ask.caller).moving]
        return self._parts.pages.reply(
            ask, "jobs/live.html", jobs=found, live=moving, everyone=everyone, rows=True
        )


KNOWN = frozenset((*FILTERS, "sort", "all", "cursor"))


async def job_of(parts: Parts, ask: Request, public_id: str) -> JobBody:
    """The job, as the page's `all` lets it be seen. Raises IngestError `job_not_found`."""
    query = {"all": ask.query.get("all")}
    return await parts.inside.get(ask, "/v1/jobs/{id}", JobBody, query, params={"id": public_id})


def _days(given: Mapping[str, str]) -> dict[str, str]:
    """The days that a time begins and ends with, as a page shows them; of what is no time, nothing."""
    days: dict[str, str] = {}
    for name in ("since", "until"):
        try:
            moment = datetime.datetime.fromisoformat(given[name])
        except (KeyError, ValueError):
            continue
        if moment.tzinfo is not None:
            days[name] = given[name]
    return days
