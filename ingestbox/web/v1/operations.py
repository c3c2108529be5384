"""`/v1/operations`: decisions about many rows that can still be taken back."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from ingestbox.clock import iso
from ingestbox.route import Answer, Parameter, Reply, Route, limit_of
from ingestbox.rules import Rule
from ingestbox.store import bulkundo, operations
from ingestbox.store.operations import MOST_COUNTED, Operation
from ingestbox.web.binding import Request
from ingestbox.web.v1 import lists
from ingestbox.web.v1.parts import Parts
from ingestbox.web.v1.sight import ALL, EDITORS, sight_of


class OperationBody(msgspec.Struct, frozen=True):
    """A decision about many rows: a person's, or that of a kept rule in an import."""

    audit_id: Annotated[str, Meta(description="What POST /v1/audit/{id}/undo takes it back by.")]
    at: str
    actor: Annotated[str, Meta(description="Whose it is: of a kept rule, whose import it was.")]
    workspace: str
    rule: Annotated[Rule | None, Meta(description="What was done; null when that was erased.")]
    rule_id: Annotated[str | None, Meta(description="The kept rule, if it was one.")]
    rule_name: str | None
    job: Annotated[str | None, Meta(description="The job of the first of its rows.")]
    job_name: str | None
    rows: Annotated[
        int, Meta(ge=0, description=f"Rows that it changed; {MOST_COUNTED + 1} stands for more, too.")
    ]
    undone_at: Annotated[str | None, Meta(description="When somebody took it back, or began to.")]


class OperationPage(msgspec.Struct, frozen=True):
    """A page of them, newest first. With `rule` it may be short and still have a `next_cursor`."""

    operations: list[OperationBody]
    next_cursor: str | None


class Operations:
    """What the caller may take back."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._store = parts.store

    def routes(self) -> tuple[Route, ...]:
        """What web binds."""
        return (
            Route(
                "GET",
                "/v1/operations",
                self.page,
                "Decisions about many rows",
                EDITORS,
                description=f"Those of the last {bulkundo.UNDO_DAYS} days: for so long they can be taken "
                "back. Yours, or, for administrators with `all=true`, everybody's.",
                parameters=(
                    Parameter("rule", "Only those of this kept rule (its id).", lists.ID),
                    *lists.PAGE,
                    ALL,
                ),
                answers=(Answer(OperationPage),),
                errors=("bad_parameter",),
            ),
        )

    async def page(self, ask: Request) -> Reply:
        """GET /v1/operations."""
        sight, below, limit = sight_of(ask, self._parts.families), lists.below(ask.query), limit_of(ask.query)
        rule_id = lists.chosen(ask.query, "rule")
        found, last = await self._store.read_with(
            lambda tx: operations.listed(tx, sight, below, limit, rule_id)
        )
        return Reply(OperationPage([_body(each) for each in found], lists.cursor(last) if last else None))


def _body(found: Operation) -> OperationBody:
    return OperationBody(
        audit_id=str(found.id),
        at=iso(found.at_ms) or "",
        actor=found.actor,
        workspace=found.workspace,
        rule=found.rule,
        rule_id=None if found.rule_id is None else str(found.rule_id),
        rule_name=found.rule_name,
        job=None if found.job is None else found.job[0],
        job_name=None if found.job is None else found.job[1],
        rows=found.rows,
        undone_at=iso(found.undone_ms),
    )
