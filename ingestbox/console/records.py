"""`/console/records/{id}`: where one record went."""

from __future__ import annotations

import msgspec

from ingestbox.console.curl import seen
from ingestbox.console.job import views_of
from ingestbox.console.parts import Parts
from ingestbox.console.sights import became
from ingestbox.errors import IngestError
from ingestbox.route import Reply
from ingestbox.web.binding import BoundRoute, Request
from ingestbox.web.v1.deliveries import DeliveryBody, DeliveryPage
from ingestbox.web.v1.history import RecordHistory
from ingestbox.web.v1.jobs import JobBody
from ingestbox.web.v1.records import RecordBody
from ingestbox.web.v1.rows import OWN
from ingestbox.web.v1.sight import READERS, REVIEWERS

SHOWN_DELIVERIES = 50

SHOWN_JSON = 200_000
"""Characters of a record's JSON on a page; more of it only a program wants."""


class Records:
    """The page of one record."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def routes(self) -> tuple[BoundRoute, ...]:
        """What web binds."""
        return (self._parts.page("GET", "/records/{id}", self.page, *READERS),)

    async def page(self, ask: Request) -> Reply:
        """GET /console/records/{id}."""
        everyone = ask.query.get("all")
        scope = {"all": everyone}
        inside = self._parts.inside
        try:
            record = await inside.get(ask, "/v1/records/{id}", RecordBody, scope, params=ask.path)
        except IngestError as error:
            if error.code != "damaged":
                raise
            return self._parts.pages.reply(ask, "jobs/damaged.html", status=error.status, error=error)
        job = await inside.get(ask, "/v1/jobs/{id}", JobBody, scope, params={"id": record.job})
        history = await inside.get(ask, "/v1/records/{id}/history", RecordHistory, scope, params=ask.path)
        content, place = _parted(bytes(msgspec.json.encode(record.payload)))
        text = seen(msgspec.json.format(msgspec.json.encode(content), indent=2).decode())
        return self._parts.pages.reply(
            ask,
            "jobs/record.html",
            record=record,
            job=job,
            content=content,
            place_in_file=place,
            json=text if len(text) <= SHOWN_JSON else "",
            history=history,
            deliveries=await self._deliveries(ask, record.id, everyone),
            waits=[issue for issue in record.issues if issue.resolved_at is None],
            settled=[issue for issue in record.issues if issue.resolved_at is not None],
            became=became(self._parts, ask, record.family, record.id) if record.state == "issue" else None,
            objects=views_of(self._parts, record.family, ask.caller),
            everyone=everyone,
        )

    async def _deliveries(self, ask: Request, record: str, everyone: str | None) -> list[DeliveryBody] | None:
        """What was told upstream of it; None for who may not see that."""
        if not ask.caller.may(REVIEWERS):
            return None
        query = {"record": record, "limit": str(SHOWN_DELIVERIES), "all": everyone}
        return (await self._parts.inside.get(ask, "/v1/deliveries", DeliveryPage, query)).deliveries


def _parted(payload: bytes) -> tuple[object, dict[str, object]]:
    """A record without what the box keeps with it, and where it stood in its file."""
    content = msgspec.json.decode(payload)
    if not isinstance(content, dict):
        return content, {}
    place = content.get(f"{OWN}row")
    own = {name: value for name, value in content.items() if not name.startswith(OWN)}
    return own, place if isinstance(place, dict) else {}
