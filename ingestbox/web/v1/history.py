"""`/v1/records/{id}/history`: who decided what about a record, its issues and its job."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from ingestbox.route import Answer, Reply, Route
from ingestbox.store import audit, records
from ingestbox.store.audit import AuditLine, Wanted
from ingestbox.store.trail import ToldLine, told
from ingestbox.web.binding import Request
from ingestbox.web.v1 import lists
from ingestbox.web.v1.parts import Parts
from ingestbox.web.v1.records import RECORD_ID
from ingestbox.web.v1.repair import Repair
from ingestbox.web.v1.sight import ALL, READERS, reading_of

MOST_LINES = 100
"""Of each of the things that lines are about."""

MOST_ISSUES = 50
"""Issues of a record whose lines are shown: the newest."""


class RecordHistory(msgspec.Struct, frozen=True):
    """What people and programs did, newest first."""

    history: list[ToldLine]
    whole: Annotated[bool, Meta(description="Whether these are all.")]


class Histories:
    """What the audit trail has of one record, for who may see the record."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._store = parts.store
        self._repair = Repair(parts)

    def routes(self) -> tuple[Route, ...]:
        """What web binds."""
        return (
            Route(
                "GET",
                "/v1/records/{id}/history",
                self.one,
                "Who decided what about a record",
                READERS,
                description="The lines of the audit trail that are about the record, its issues and its job: "
                f"the newest {MOST_LINES} of each. Who sees the record sees them.",
                parameters=(RECORD_ID, ALL),
                answers=(Answer(RecordHistory),),
                errors=("bad_parameter", "not_found"),
            ),
        )

    async def one(self, ask: Request) -> Reply:
        """GET /v1/records/{id}/history."""
        rid = lists.number(ask.path["id"], "record")
        found = await self._repair.find(rid, reading_of(ask, self._parts.families))
        rows = await self._store.read_with(lambda tx: records.issues_of(tx, [rid], 2_000)[rid])
        issues = [("issue", str(row[0])) for row in rows[-MOST_ISSUES:]]
        things = [("record", str(rid)), ("job", found.job.public_id), *issues]
        lines: list[AuditLine] = []
        whole = len(rows) <= MOST_ISSUES
        for noun, object_id in things:
            wanted = Wanted(found.job.workspace, object=noun, object_id=object_id)
            page = await audit.page(self._store, wanted, lists.NEWEST, MOST_LINES)
            lines += page.lines
            whole = whole and page.below is None
        lines.sort(key=lambda line: int(line.id), reverse=True)
        return Reply(RecordHistory(await told(self._store, lines), whole))
