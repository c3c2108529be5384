"""`/v1/deliveries`: what is told upstream, and how far each lane is with it."""

from __future__ import annotations

from typing import Annotated, Any, cast, get_args

import msgspec
from msgspec import Meta

from ingestbox.clock import iso
from ingestbox.errors import IngestError
from ingestbox.route import Answer, Parameter, Reply, Route, limit_of
from ingestbox.store import ReadTx, deliveries
from ingestbox.store.deliveries import Delivery, State
from ingestbox.web.binding import Request
from ingestbox.web.v1 import lists
from ingestbox.web.v1.parts import Parts
from ingestbox.web.v1.sight import ALL, REVIEWERS, sight_of

STATES: tuple[str, ...] = get_args(State)


class DeliveryBody(msgspec.Struct, frozen=True):
    """One delivery. `lanes` has its state in each lane that runs."""

    seq: str
    epoch: str
    op: str
    workspace: str
    family: str
    kind: str
    object_id: str
    version: int
    record: Annotated[
        str | None,
        Meta(description="The record that led to it; null for what is of none, or another box sent here."),
    ]
    at: str
    lanes: dict[str, State]


class DeliveryPage(msgspec.Struct, frozen=True):
    """A page of deliveries, newest first."""

    deliveries: list[DeliveryBody]
    next_cursor: str | None


class DeliveryWhole(DeliveryBody, frozen=True):
    """One delivery with what is sent."""

    line: Annotated[Any, Meta(description="The line as every lane sends it: a `skip` if it was erased.")]


class Deliveries:
    """The deliveries in sight."""

    def __init__(self, parts: Parts) -> None:
        self._families = parts.families
        self._store = parts.store

    def routes(self) -> tuple[Route, ...]:
        """What web binds."""
        return (
            Route(
                "GET",
                "/v1/deliveries",
                self.page,
                "What is told upstream",
                REVIEWERS,
                description="Newest first. A page may have fewer deliveries than `limit`, or none, and still "
                "a `next_cursor`.",
                parameters=(
                    Parameter("lane", "The lane whose `state` is meant."),
                    Parameter("state", "Deliveries in this state in `lane` alone.", State),
                    Parameter("record", "What this record led to alone (its id).", lists.ID),
                    *lists.PAGE,
                    ALL,
                ),
                answers=(Answer(DeliveryPage),),
                errors=("bad_parameter",),
            ),
            Route(
                "GET",
                "/v1/deliveries/{seq}",
                self.one,
                "One delivery with its line",
                REVIEWERS,
                parameters=(Parameter("seq", "The delivery's number.", place="path"), ALL),
                answers=(Answer(DeliveryWhole),),
                errors=("bad_parameter", "not_found", "damaged"),
            ),
        )

    async def page(self, ask: Request) -> Reply:
        """GET /v1/deliveries."""
        sight, below, limit = sight_of(ask, self._families), lists.below(ask.query), limit_of(ask.query)
        lane, state = ask.query.get("lane"), lists.choice(ask.query, "state", STATES)
        record = lists.chosen(ask.query, "record")
        if (lane is None) is not (state is None):
            raise IngestError("bad_parameter", "lane and state go together: a state is that in one lane.")

        def read(tx: ReadTx) -> tuple[list[Delivery], int | None]:
            if lane is not None and lane not in (names := deliveries.lane_names(tx)):
                running = ", ".join(names) or "none"
                raise IngestError("bad_parameter", f"lane must be one that runs ({running}).")
            return deliveries.listed(tx, sight, lane, cast("State | None", state), below, limit, record)

        found, last = await self._store.read_with(read)
        cursor = lists.cursor(last) if last else None
        return Reply(DeliveryPage([DeliveryBody(**_facts(each)) for each in found], cursor))

    async def one(self, ask: Request) -> Reply:
        """GET /v1/deliveries/{seq}."""
        seq, sight = lists.number(ask.path["seq"], "delivery"), sight_of(ask, self._families)
        found = await self._store.read_with(lambda tx: deliveries.one(tx, seq, sight))
        if found is None:
            raise IngestError("not_found", f"There is no delivery {seq}.")
        delivery, line = found
        if line is None:
            raise IngestError("damaged", f"The stored delivery {seq} does not match its checksum.")
        return Reply(DeliveryWhole(**_facts(delivery), line=msgspec.Raw(line)))


def _facts(delivery: Delivery) -> dict[str, Any]:
    return {
        "seq": str(delivery.seq),
        "epoch": delivery.epoch,
        "op": delivery.op,
        "workspace": delivery.workspace,
        "family": delivery.family,
        "kind": delivery.kind,
        "object_id": delivery.object_id,
        "version": delivery.version,
        "record": str(delivery.record_id) if delivery.has_record else None,
        "at": iso(delivery.at_ms) or "",
        "lanes": dict(delivery.lanes),
    }
