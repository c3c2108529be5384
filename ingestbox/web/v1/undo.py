"""`/v1/audit/{id}/undo`: taking back what was decided about many rows at once."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from ingestbox.errors import IngestError
from ingestbox.route import Answer, Parameter, Reply, Route
from ingestbox.store import bulkundo
from ingestbox.web.binding import Request
from ingestbox.web.v1 import lists
from ingestbox.web.v1.audit import act
from ingestbox.web.v1.parts import Parts
from ingestbox.web.v1.sight import ALL, EDITORS, sight_of


class UndoneBody(msgspec.Struct, frozen=True):
    """How much of an operation is taken back by now, by this call and earlier ones."""

    audit_id: str
    restored: Annotated[int, Meta(ge=0, description="Rows that went back to what they were.")]
    kept: Annotated[int, Meta(ge=0, description="Rows that stay as they are.")]
    reasons: Annotated[
        dict[str, int], Meta(description="Of those: how many for which reason, such as `record_changed`.")
    ]


class Undo:
    """Takes operations back."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._store = parts.store

    def routes(self) -> tuple[Route, ...]:
        """What web binds."""
        return (
            Route(
                "POST",
                "/v1/audit/{id}/undo",
                self.undo,
                "Take back a decision about many rows",
                EDITORS,
                description="Each row that is still as the decision left it goes back to what it was, and "
                "its issue is open again; one that was changed since stays, as does one whose job does not "
                "wait for a person any more. Repeating it changes nothing more, or goes on where a call was "
                "cut short. Yours, or, for administrators with `all=true`, anybody's; rows out of your sight "
                f"stay. For {bulkundo.UNDO_DAYS} days.",
                parameters=(Parameter("id", "The `audit_id` of the decision.", place="path"), ALL),
                answers=(Answer(UndoneBody),),
                errors=("bad_parameter", "not_found"),
            ),
        )

    async def undo(self, ask: Request) -> Reply:
        """POST /v1/audit/{id}/undo."""
        audit_id = lists.number(ask.path["id"], "line of the trail")
        sight = sight_of(ask, self._parts.families)
        found = await self._store.read_with(lambda tx: bulkundo.operation_of(tx, audit_id))
        own = found is not None and sight.subject in (None, found.actor)
        if found is None or not own or sight.workspace not in (None, found.workspace):
            raise IngestError("not_found", f"There is nothing that could be taken back by {audit_id}.")
        by = act(ask, self._store.clock.now_ms()).within(found.workspace)
        restored, kept, jobs = await bulkundo.undo(self._store, audit_id, by, sight)
        for job_id in jobs:
            self._parts.progress.changed(job_id)
        return Reply(UndoneBody(str(audit_id), restored, sum(kept.values()), dict(kept)))
