"""`/console/issues/bulk`: one decision about many issues, with a look at what it does before it is done."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from ingestbox.console.choices import decided, is_unsaid
from ingestbox.console.forms import form, pairs
from ingestbox.console.nav import ADMIN
from ingestbox.console.parts import Parts
from ingestbox.console.selection import Chosen, Selecting, Selection, cells_of, selection_of
from ingestbox.console.show import segment
from ingestbox.errors import IngestError
from ingestbox.model import Role
from ingestbox.route import Reply
from ingestbox.rules import MOST_MEMBERS
from ingestbox.web.binding import BoundRoute, Request
from ingestbox.web.v1.bulk import MOST_AT_ONCE, BulkBody
from ingestbox.web.v1.byrule import RowChange
from ingestbox.web.v1.records import RecordBody

REVIEWERS = frozenset({Role.ANALYST, Role.EDITOR})
SHOWN = 25
"""Rows of a preview with what is in them."""

STANDING = frozenset({"job_active", "job_cancelled", "job_ended", "job_not_found"})
"""Why one import of several does not go on: each is no matter of the others."""

WAITS = (0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 6.4)
"""Seconds between looks at the same decision that is being carried out: somebody pressed twice."""


@dataclass(frozen=True, slots=True)
class ShownRow:
    """A row of a preview, with what is in it now; None when that cannot be shown."""

    change: RowChange
    cells: Mapping[str, object] | None


class BulkPlace:
    """Choosing, looking, doing."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._selecting = Selecting(parts)

    def routes(self) -> tuple[BoundRoute, ...]:
        """What web binds."""
        page = self._parts.page
        return (
            page("GET", "/issues/bulk", self.choose, *REVIEWERS),
            page("POST", "/issues/bulk", self.choose, *REVIEWERS),
            page("POST", "/issues/bulk/preview", self.preview, *REVIEWERS),
            page("POST", "/issues/bulk/do", self.do, *REVIEWERS),
            page("POST", "/issues/bulk/go-on", self.go_on, *REVIEWERS),
        )

    async def choose(self, ask: Request) -> Reply:
        """GET or POST /console/issues/bulk: which rule."""
        chosen = await self._selecting.chosen(ask, selection_of(ask))
        return self._choose(ask, chosen, {})

    async def preview(self, ask: Request) -> Reply:
        """POST /console/issues/bulk/preview."""
        given = form(ask.body)
        chosen = await self._selecting.chosen(ask, selection_of(ask))
        decision, texts = decided(pairs(ask.body)), self._parts.pages.texts["bulk"]
        if decision is None:
            return self._choose(ask, chosen, given, IngestError("validation_failed", texts.choose_first))
        if decision.get("comment") == "":
            return self._choose(ask, chosen, given, IngestError("validation_failed", texts.reason_first))
        if is_unsaid(decision):
            error = IngestError("validation_failed", texts.clean_first(n=MOST_MEMBERS))
            return self._choose(ask, chosen, given, error)
        try:
            return await self._preview(ask, chosen, decision)
        except IngestError as error:
            if error.code != "validation_failed":
                raise
            return self._choose(ask, chosen, given, error)

    async def do(self, ask: Request) -> Reply:
        """POST /console/issues/bulk/do: what the preview showed, or nothing."""
        given, selection = form(ask.body), selection_of(ask)
        decision = _decision(given.get("decision", ""))
        headers = {name: given[name] for name in ("if-match", "idempotency-key") if given.get(name)}
        body = {**decision, **selection.asked()}
        try:
            reply = await self._patiently(ask, body, headers, selection)
        except IngestError as error:
            if error.code != "precondition_failed":
                raise
            chosen = await self._selecting.chosen(ask, selection)
            return await self._preview(ask, chosen, decision, stale=error)
        done = _body_of(reply)
        return self._parts.pages.reply(
            ask,
            "bulk/done.html",
            done=done,
            told=_told(done),
            selection=selection,
            decision=decision,
            rule=decision.get("rule"),
            rule_text=msgspec.json.encode(decision.get("rule")).decode(),
            admin=ADMIN,
            keep={"family": given.get("family", ""), "code": given.get("code_of_all", "")},
        )

    async def go_on(self, ask: Request) -> Reply:
        """POST /console/issues/bulk/go-on: the imports go on."""
        given = form(ask.body)
        jobs = [job for job in given.get("jobs", "").split(",") if job][:MOST_AT_ONCE]
        everyone = {"all": "true"} if given.get("all") == "true" else {}
        stopped: list[IngestError] = []
        for job in jobs:
            route = "/v1/jobs/{id}/reprocess"
            try:
                await self._parts.inside.call(ask, "POST", route, params={"id": job}, query=everyone)
            except IngestError as error:
                if error.code not in STANDING:
                    raise
                stopped.append(error)  # the others go on all the same
        if stopped and len(stopped) == len(jobs):
            raise stopped[0]
        target = f"/console/jobs/{segment(jobs[0])}" if len(jobs) == 1 else "/console/jobs"
        return self._parts.pages.redirect(ask, target, **everyone)

    def _choose(
        self, ask: Request, chosen: Chosen, given: dict[str, str], error: IngestError | None = None
    ) -> Reply:
        fields = [value for name, value in pairs(ask.body) if name == "fields"] if given else []
        status = 200 if error is None else error.status
        return self._parts.pages.reply(
            ask, "bulk/choose.html", status=status, chosen=chosen, given=given, fields=fields, error=error
        )

    async def _preview(
        self, ask: Request, chosen: Chosen, decision: dict[str, Any], stale: IngestError | None = None
    ) -> Reply:
        selection = chosen.selection
        body = {**decision, **selection.asked(), "dry_run": True}
        reply = await self._parts.inside.call(
            ask, "POST", "/v1/issues/bulk", query=selection.query, body=body
        )
        tried = _body_of(reply)
        changes = [row for each in tried.outcomes if each.rows for row in each.rows]
        return self._parts.pages.reply(
            ask,
            "bulk/preview.html",
            status=200 if stale is None else stale.status,
            chosen=chosen,
            tried=tried,
            told=_told(tried),
            rows=await asyncio.gather(*(self._row(ask, each, selection) for each in changes[:SHOWN])),
            shown=len(changes),
            decision=decision,
            decision_text=msgspec.json.encode(decision).decode(),
            rule=decision.get("rule"),
            etag=dict(reply.headers).get("ETag", ""),
            stale=stale,
        )

    async def _row(self, ask: Request, change: RowChange, selection: Selection) -> ShownRow:
        """What is in a row that would be changed."""
        try:
            record = await self._parts.inside.get(
                ask, "/v1/records/{id}", RecordBody, selection.query, params={"id": change.record}
            )
        except IngestError:
            return ShownRow(change, None)  # removed meanwhile
        return ShownRow(change, cells_of(record.payload))

    async def _patiently(
        self, ask: Request, body: object, headers: Mapping[str, str], selection: Selection
    ) -> Reply:
        """The decision's answer, also when the same one is just being carried out."""
        for wait in (*WAITS, None):
            try:
                return await self._parts.inside.call(
                    ask, "POST", "/v1/issues/bulk", query=selection.query, body=body, headers=headers
                )
            except IngestError as error:
                if error.code != "request_in_progress" or wait is None:
                    raise
                await asyncio.sleep(wait)
        raise AssertionError  # the last turn has answered or raised


@dataclass(frozen=True, slots=True)
class Outcome:
    """So many issues came to this."""

    code: str
    count: int
    kind: Literal["good", "waits", "quiet"]


def _told(body: BulkBody) -> list[Outcome]:
    counts = Counter(each.outcome for each in body.outcomes)
    return [Outcome(code, count, _KINDS.get(code, "waits")) for code, count in counts.most_common()]


_KINDS: Mapping[str, Literal["good", "waits", "quiet"]] = {
    "resolved": "good",
    "again": "good",
    "open": "good",
    "changed": "waits",
    "unchanged": "quiet",
}


def _decision(text: str) -> dict[str, Any]:
    """The decision as the preview has written it. Raises IngestError `bad_parameter`."""
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError):
        raise IngestError("bad_parameter", "The form has no decision.") from None


def _body_of(reply: Reply) -> BulkBody:
    assert isinstance(reply.body, BulkBody)  # what the route says it gives
    return reply.body
