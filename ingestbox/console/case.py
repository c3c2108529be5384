"""An issue with all that its page shows: its job, its rows, what they are compared with, its form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ingestbox.console import repairing
from ingestbox.console.comparison import Comparison, comparison, members_as_text, row_as_text
from ingestbox.console.parts import Parts
from ingestbox.console.repairing import Field, Place
from ingestbox.errors import IngestError
from ingestbox.model import Caller
from ingestbox.route import Reply
from ingestbox.store.trail import ToldLine
from ingestbox.view import OTHERS, Existing, Form
from ingestbox.web.binding import Request
from ingestbox.web.v1.deliveries import DeliveryWhole
from ingestbox.web.v1.issuegroups import IssueHistory
from ingestbox.web.v1.issues import IssueBody, IssueDelivery
from ingestbox.web.v1.jobs import JobBody
from ingestbox.web.v1.mergepatch import members_of
from ingestbox.web.v1.records import RecordBody, RecordPage
from ingestbox.web.v1.sight import EDITORS, REVIEWERS

SHOWN = 20
"""Rows that are compared at a time."""

RECORD = Form("record")
"""The form of what no family says anything of."""

_OF_LINES = {"save": "corrected", "retry": "resend", "discard": "give_up"}
"""What is told of decisions about refused deliveries."""

ENDED = frozenset({"completed", "failed", "cancelled"})


class Case(msgspec.Struct, kw_only=True):
    """An issue as its page shows it.

    `fields` are there when one record is to be repaired (`record`, with its ETag in `retag`); `comparison`
    when it is one of several rows, or one and what exists. `editable`: a person may change something now.
    `sent` is the line that an upstream refused, of such an issue.
    """

    issue: IssueBody
    etag: str
    job: JobBody
    form: Form
    staged: bool
    allowed: bool
    editable: bool
    record: RecordBody | None = None
    retag: str = ""
    fields: list[Field] | None = None
    hidden: int = 0
    place: Place = msgspec.field(default_factory=Place)
    comparison: Comparison | None = None
    object: dict[str, str] | None = None
    suggestion: str | None = None
    damaged: bool = False
    several: bool = False
    sent: dict[str, Any] | None = None

    @property
    def kind(self) -> str:
        """The name of its form."""
        return "choose" if self.several and self.record is None else self.form.kind

    @property
    def open(self) -> bool:
        """Whether it waits."""
        return self.issue.state == "open"

    @property
    def busy(self) -> bool:
        """Whether its job is being worked on, so that nobody may change anything."""
        return self.staged and self.issue.delivery is None and self.job.state in ("queued", "running")

    @property
    def number(self) -> int:
        """The row that is shown, as people count."""
        return (self.issue.index if self.record is None else self.record.index) + 1


def scope(ask: Request) -> dict[str, str]:
    """What is handed on from page to page: that an administrator looks at everybody's."""
    return {"all": "true"} if ask.query.get("all") == "true" else {}


def did(given: Mapping[str, str], done: IssueBody) -> dict[str, str]:
    """What is told of a decision on the next page."""
    word = given.get("do", "")
    if done.delivery is not None:
        word = _OF_LINES.get(word, word)
    return {"did": "save" if word == "use" else word, "row_done": given.get("at") or str(done.index + 1)}


class Cases:
    """Reads issues with what belongs to them, through the API."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._inside = parts.inside

    async def issue(self, ask: Request, issue: str) -> tuple[IssueBody, str]:
        """The issue and its ETag. Raises IngestError `not_found`."""
        reply = await self._inside.call(ask, "GET", "/v1/issues/{id}", params={"id": issue}, query=scope(ask))
        assert isinstance(reply.body, IssueBody)  # what the route says it gives
        return reply.body, _etag(reply)

    async def history(self, ask: Request, issue: str) -> list[ToldLine]:
        """Who changed what of it."""
        route = "/v1/issues/{id}/history"
        return (await self._inside.get(ask, route, IssueHistory, scope(ask), params={"id": issue})).audit

    async def of(self, ask: Request, issue: str, *, row: str | None = None) -> Case:
        """The issue with all that its page shows; `row` is the one of several that is to be changed.

        Raises IngestError `not_found`.
        """
        body, etag = await self.issue(ask, issue)
        job = await self._inside.get(ask, "/v1/jobs/{id}", JobBody, scope(ask), params={"id": body.job})
        family = self._parts.families.get(job.family)
        forms = {} if family is None else family.forms
        staged = family is not None and family.staging is not None
        found = Case(
            issue=body,
            etag=etag,
            job=job,
            form=forms.get(body.code) or forms.get(OTHERS) or RECORD,
            staged=staged,
            allowed=may_decide(ask.caller, staged=staged),
            editable=False,
            several=body.records > 1,
        )
        if found.several:
            found.comparison = await self._rows(ask, found)
        if row is not None or not found.several:
            await self._record(ask, found, row or body.record)
        waits = job.state in ("review", "failed") if staged else found.record is None or _waits(found.record)
        found.editable = found.allowed and waits and (found.open or (staged and found.record is not None))
        if body.delivery is not None:
            await self._refused(ask, found, body.delivery)
        return found

    async def _refused(self, ask: Request, found: Case, delivery: IssueDelivery) -> None:
        """What belongs to a refused delivery: the line, and a form for the record while a correction of it
        would be a newer version."""
        found.form = Form("refused", found.form.fields)
        done = found.record is not None and found.record.state == "done"
        moot = delivery.superseded or delivery.op != "put"
        found.editable = found.allowed and found.open and done and not moot
        if found.record is not None and not found.staged:
            _keep_id(found.fields or [], found.record.key)
        try:
            line = await self._inside.get(
                ask, "/v1/deliveries/{seq}", DeliveryWhole, scope(ask), params={"seq": delivery.seq}
            )
        except IngestError as error:
            if error.status >= 500 and error.code != "damaged":
                raise
            return
        found.sent = msgspec.json.decode(msgspec.json.encode(line.line))

    async def _record(self, ask: Request, found: Case, row: str) -> None:
        """Reads the record that is to be repaired, with its form."""
        try:
            reply = await self._inside.call(
                ask, "GET", "/v1/records/{id}", params={"id": row}, query=scope(ask)
            )
        except IngestError as error:
            if error.code != "damaged":
                raise
            found.damaged = True
            return
        assert isinstance(reply.body, RecordBody)  # what the route says it gives
        record = reply.body
        if record.job != found.issue.job:
            raise IngestError("not_found", f"The record {row[:40]} is none of this issue.")
        payload = bytes(record.payload)
        found.record, found.retag = record, _etag(reply)
        found.place = repairing.place_of(payload)
        first = found.issue.field or (found.form.existing.field if found.form.existing else None)
        found.fields, found.hidden = repairing.shown(payload, _asked_for(found), first, own=found.staged)
        if found.form.kind == "email":
            found.suggestion = self._suggestion(found, payload)
        if found.form.existing is not None and found.open:
            await self._existing(ask, found, found.form.existing, payload)

    async def _rows(self, ask: Request, found: Case) -> Comparison:
        """A page of the issue's rows, side by side."""
        query = {
            "issue": found.issue.id,
            "payload": "true",
            "limit": str(SHOWN),
            "cursor": ask.query.get("cursor"),
            **scope(ask),
        }
        route = "/v1/jobs/{id}/records"
        page = await self._inside.get(ask, route, RecordPage, query, params={"id": found.issue.job})
        rows = [(each.id, each.index + 1, each.state, row_as_text(each.payload)) for each in page.records]
        return comparison(rows, found.form.fields, page.next_cursor)

    async def _existing(self, ask: Request, found: Case, where: Existing, payload: bytes) -> None:
        """Reads what exists under the row's key, and compares the row with it."""
        members = members_as_text(payload)
        try:
            reply = await self._inside.call(
                ask, "GET", where.path, query={where.parameter: members.get(where.field, ""), **scope(ask)}
            )
        except IngestError as error:
            if error.status >= 500:
                raise
            return
        objects: list[dict[str, Any]] = msgspec.to_builtins(reply.body)[where.items]
        mine = [each for each in objects if each.get(where.owner) == found.job.created_by]
        if not mine:
            return
        found.object = {name: str(mine[0].get(member) or "") for name, member in where.members.items()}
        record = found.record
        assert record is not None  # it was read just now
        row = {name: members.get(name, "") for name in found.object}
        rows = [(record.id, record.index + 1, record.state, row), ("", 0, "", found.object)]
        found.comparison = comparison(rows, tuple(found.object), None)

    def _suggestion(self, found: Case, payload: bytes) -> str | None:
        """What the address was certainly meant to be, if the family takes the record with that."""
        name = found.issue.field
        family = self._parts.families.get(found.job.family)
        if name is None or family is None:
            return None
        members = members_of(payload)
        made = repairing.suggestion(members_as_text(payload).get(name, ""))
        if made is None:
            return None
        corrected = msgspec.json.encode({**members, name: made})
        return None if family.check(corrected).faults else made


def may_decide(caller: Caller, *, staged: bool) -> bool:
    """Whether somebody may decide about issues of such a family."""
    return caller.may(EDITORS if staged else REVIEWERS)


def _keep_id(fields: list[Field], key: str) -> None:
    """What is done keeps its id: upstream it is another object otherwise."""
    for field in fields:
        if field.name == "id" and field.value == key:
            field.kind, field.first = "fixed", False
    chosen = next((field for field in fields if field.kind != "fixed"), None)
    if chosen is not None:
        chosen.first = True


def _waits(record: RecordBody) -> bool:
    return record.state == "issue"


def _asked_for(found: Case) -> tuple[str, ...]:
    """The fields that a form asks for, whether the record has them or not."""
    fields = found.form.fields
    if not found.form.columns or found.place.text is None or not found.job.file:
        return fields
    columns = (each.field or each.column for each in found.job.file.mapping)
    names = dict.fromkeys([*(name for name in columns if name.strip()), *fields])
    return tuple(names)[: repairing.MOST_FIELDS]


def _etag(reply: Reply) -> str:
    return next((value for name, value in reply.headers if name == "ETag"), "")
