"""`/v1/lanes/{name}/parked`: what an upstream refused, in its words; sent again or given up by a person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Annotated, Protocol, cast

import msgspec
from msgspec import Meta

from ingestbox.clock import iso
from ingestbox.errors import IngestError
from ingestbox.family import Family
from ingestbox.route import Answer, Parameter, Reply, Route, limit_of
from ingestbox.store import ReadTx, Store, parked
from ingestbox.store.parked import MOST_DECIDED, Decided, DecideParked, ParkedState, Refused
from ingestbox.store.records import place
from ingestbox.store.sight import Sight
from ingestbox.store.trail import name_of
from ingestbox.web.binding import Request
from ingestbox.web.v1 import fields, lists
from ingestbox.web.v1.audit import act
from ingestbox.web.v1.lanes import ADMIN, MOST_REASON, NAME, Count
from ingestbox.web.v1.sight import ALL, sight_of

STATES: tuple[ParkedState, ...] = ("parked", "again", "discarded")
SEQ = Parameter("seq", "The delivery's number.", place="path")


class Runners(Protocol):
    """The lanes that run (`forward.Forwarder`)."""

    def again(self, name: str) -> None:
        """Sends again what is to be."""


class ParkedBody(msgspec.Struct, frozen=True):
    """A line that could not be delivered; times are ISO 8601."""

    seq: str
    state: Annotated[
        ParkedState,
        Meta(description="`again`: it waits to be sent again. `discarded`: a person gave it up."),
    ]
    code: Annotated[
        str, Meta(description="The upstream's; `damaged` and `payload_too_large` are the lane's own.")
    ]
    message: Annotated[str, Meta(description="What the upstream said of it.")]
    at: Annotated[str, Meta(description="When it was refused, the last time.")]
    op: str
    workspace: str
    family: str
    kind: str
    object_id: str
    version: int
    record: Annotated[
        str | None, Meta(description="The record that led to it; null for what another box sent here.")
    ]
    job: Annotated[str | None, Meta(description="The public id of that record's job.")]
    decided_by: Annotated[str | None, Meta(description="Who wants it sent again, or gave it up.")]
    decided_by_name: Annotated[str | None, Meta(description="The address of that user, or the key's name.")]
    decided_at: str | None
    reason: str | None
    issue: Annotated[
        str | None,
        Meta(description="The issue that it is to people, if its record is in this box (`/v1/issues/{id}`)."),
    ]


class ParkedPage(msgspec.Struct, frozen=True):
    """A page of refused lines, newest first. It may be short and still have a `next_cursor`."""

    parked: list[ParkedBody]
    next_cursor: str | None


class SentAgainBody(msgspec.Struct, frozen=True):
    """How many lines are sent again that were not to be before."""

    lines: Count


class Discard(msgspec.Struct, forbid_unknown_fields=True):
    """Why a line is given up."""

    reason: Annotated[
        str,
        Meta(
            description="For those who miss it upstream.",
            extra_json_schema={"minLength": 1, "maxLength": MOST_REASON},
        ),
    ]


class ParkedLines:
    """Refused lines in sight. Who administers a workspace sees its own; who operates the box decides."""

    def __init__(self, store: Store, families: Mapping[str, Family], runners: Runners) -> None:
        self._store = store
        self._families = families
        self._runners = runners

    def routes(self) -> tuple[Route, ...]:
        """What web binds."""
        return (
            Route(
                "GET",
                "/v1/lanes/{name}/parked",
                self.page,
                "What an upstream refused",
                ADMIN,
                description="Your workspace's, newest first; those that were given up with "
                "`state=discarded` alone.",
                parameters=(
                    NAME,
                    Parameter("state", "In this state alone.", ParkedState),
                    *lists.PAGE,
                    ALL,
                ),
                answers=(Answer(ParkedPage),),
                errors=("bad_parameter",),
            ),
            Route(
                "POST",
                "/v1/lanes/{name}/parked/retry",
                self.retry_all,
                "Send all refused lines again",
                ADMIN,
                description="Your workspace's, without those that were given up.",
                parameters=(NAME, ALL),
                answers=(Answer(SentAgainBody),),
                errors=("bad_parameter",),
            ),
            Route(
                "GET",
                "/v1/lanes/{name}/parked/{seq}",
                self.one,
                "One refused line",
                ADMIN,
                description="What is sent stands in `/v1/deliveries/{seq}`.",
                parameters=(NAME, SEQ, ALL),
                answers=(Answer(ParkedBody),),
                errors=("bad_parameter",),
            ),
            Route(
                "POST",
                "/v1/lanes/{name}/parked/{seq}/retry",
                self.retry,
                "Send a refused line again",
                ADMIN,
                description="The same bytes under the same number, between other lines; the upstream takes "
                "it, or refuses it anew. So it can be done over and over, also of one that was given up. "
                "For those who operate the box; so are all decisions about refused lines.",
                parameters=(NAME, SEQ, ALL),
                answers=(Answer(ParkedBody, description="It waits to be sent again."),),
                errors=("bad_parameter",),
            ),
            Route(
                "POST",
                "/v1/lanes/{name}/parked/{seq}/discard",
                self.discard,
                "Give a refused line up",
                ADMIN,
                "control_kb",
                description="It stays in the store, with who gave it up and why, and is sent no more.",
                body=Discard,
                example={"reason": "The customer was removed there"},
                parameters=(NAME, SEQ, ALL),
                answers=(Answer(ParkedBody, description="It is given up."),),
                errors=("validation_failed", "malformed_json", "bad_parameter"),
            ),
        )

    async def page(self, ask: Request) -> Reply:
        """GET /v1/lanes/{name}/parked."""
        sight, below, limit = sight_of(ask, self._families), lists.below(ask.query), limit_of(ask.query)
        state = cast("ParkedState | None", lists.choice(ask.query, "state", STATES))
        lane = await self._lane(ask)

        def read(tx: ReadTx) -> tuple[list[ParkedBody], int | None]:
            found, last = parked.listed(tx, lane, sight, state, below, limit)
            return _bodies(tx, found), last

        bodies, last = await self._store.read_with(read)
        return Reply(ParkedPage(bodies, lists.cursor(last) if last else None))

    async def one(self, ask: Request) -> Reply:
        """GET /v1/lanes/{name}/parked/{seq}."""
        lane = await self._lane(ask)
        return await self._shown(await self._line(ask, lane, sight_of(ask, self._families)))

    async def retry(self, ask: Request) -> Reply:
        """POST /v1/lanes/{name}/parked/{seq}/retry."""
        lists.operator_only(ask.caller)
        lane = await self._lane(ask, running=True)
        line = await self._line(ask, lane, sight_of(ask, self._families))
        done = await self._decide(ask, lane, line, "again")
        self._runners.again(lane)
        return done

    async def discard(self, ask: Request) -> Reply:
        """POST /v1/lanes/{name}/parked/{seq}/discard."""
        lists.operator_only(ask.caller)
        given = fields.read(ask.body, Discard, {"reason": fields.text(MOST_REASON)})
        lane = await self._lane(ask)
        line = await self._line(ask, lane, sight_of(ask, self._families))
        return await self._decide(ask, lane, line, "discarded", given.reason)

    async def retry_all(self, ask: Request) -> Reply:
        """POST /v1/lanes/{name}/parked/retry."""
        lists.operator_only(ask.caller)
        sight, lane = sight_of(ask, self._families), await self._lane(ask, running=True)
        changed = 0
        below: int | None = lists.NEWEST
        while below is not None:
            read = partial(
                parked.listed, lane=lane, sight=sight, state="parked", below=below, limit=MOST_DECIDED
            )
            found, below = await self._store.read_with(read)
            if found:
                seqs = [line.seq for line in found]
                now = self._store.clock.now_ms()
                changed += await self._store.write(DecideParked(lane, seqs, "again", act(ask, now)))
                self._runners.again(lane)
        return Reply(SentAgainBody(changed))

    async def _decide(
        self, ask: Request, lane: str, line: Refused, decision: Decided, reason: str | None = None
    ) -> Reply:
        """Answers with the line as it was decided: the upstream may have taken it a moment later."""
        by = act(ask, self._store.clock.now_ms())
        if await self._store.write(DecideParked(lane, [line.seq], decision, by, reason)):
            line = replace(line, state=decision, decided_by=by.actor, decided_ms=by.now_ms, reason=reason)
        return await self._shown(line)

    async def _shown(self, line: Refused) -> Reply:
        (body,) = await self._store.read_with(lambda tx: _bodies(tx, [line]))
        return Reply(body)

    async def _line(self, ask: Request, lane: str, sight: Sight) -> Refused:
        seq = lists.number(ask.path["seq"], "refused line")
        found = await self._store.read_with(lambda tx: parked.one(tx, lane, seq, sight))
        if found is None:
            raise IngestError("not_found", f"Lane {lane} has no refused line {seq}.")
        return found

    async def _lane(self, ask: Request, *, running: bool = False) -> str:
        name = ask.path["name"]
        for each, state, _ in await self._store.read("lanes.names"):
            if each == name and not (running and state == "off"):
                return name
        raise IngestError("not_found", f"There is no lane {name[:40]}.")


def _bodies(tx: ReadTx, found: list[Refused]) -> list[ParkedBody]:
    names: dict[str, str | None] = {}
    jobs: dict[int, str | None] = {}
    bodies = []
    for line in found:
        by, job = line.decided_by, place(line.record_id)[0]
        if by is not None and by not in names:
            names[by] = name_of(tx, by)
        if job not in jobs:
            row = tx.one("trail.job", {"id": job})
            jobs[job] = None if row is None else row[0]
        bodies.append(
            ParkedBody(
                seq=str(line.seq),
                state=line.state,
                code=line.code,
                message=line.message,
                at=iso(line.refused_ms) or "",
                op=line.op,
                workspace=line.workspace,
                family=line.family,
                kind=line.kind,
                object_id=line.object_id,
                version=line.version,
                record=str(line.record_id) if line.record_id else None,
                job=jobs[job],
                decided_by=by,
                decided_by_name=None if by is None else names[by],
                decided_at=iso(line.decided_ms),
                reason=line.reason,
                issue=None if line.issue is None else str(line.issue),
            )
        )
    return bodies
