"""`/v1/lanes`: how each lane to an upstream is; put on hold, let go on, tested by a person."""

from __future__ import annotations

from typing import Annotated, Literal, Protocol

import msgspec
from msgspec import Meta

from ingestbox.clock import iso
from ingestbox.errors import IngestError
from ingestbox.model import LaneTest, Role
from ingestbox.route import Answer, Parameter, Reply, Route
from ingestbox.store import Store, lanes
from ingestbox.store.lanes import HoldLane, LaneStatus
from ingestbox.store.trail import name_of
from ingestbox.web.binding import Request
from ingestbox.web.v1 import fields
from ingestbox.web.v1.audit import act
from ingestbox.web.v1.lists import operator_only

ADMIN = frozenset({Role.ADMIN})
NAME = Parameter("name", "The lane's name, as in the settings.", place="path")
MOST_REASON = 500

Count = Annotated[int, Meta(ge=0)]


class Runners(Protocol):
    """The lanes that run (`forward.Forwarder`)."""

    def hold(self, name: str) -> None:
        """Sends nothing more."""

    def release(self, name: str) -> None:
        """Goes on, at once."""

    async def test(self, name: str) -> LaneTest:
        """Knocks at the upstream."""


class LaneBody(msgspec.Struct, frozen=True):
    """A lane as it is now; times are ISO 8601. `enqueued` = `delivered` + `pending` + `parked` +
    `discarded`, always."""

    name: str
    url: Annotated[str, Meta(description="Without what may be secret in it.")]
    state: Annotated[
        Literal["running", "retrying", "paused", "off"],
        Meta(
            description="`retrying`: it tries again by itself, for ever. `paused`: the upstream refused "
            "it, and it is probed; or a person put it on hold (`held_at`). `off`: it is in the settings no "
            "more."
        ),
    ]
    reason: str | None
    since: str
    next_try_at: str | None
    enqueued: Count
    delivered: Count
    pending: Count
    parked: Annotated[
        Count,
        Meta(
            description="Lines that the upstream refused, or that are damaged; also those that wait to be "
            "sent again."
        ),
    ]
    discarded: Annotated[Count, Meta(description="Refused lines that a person gave up.")]
    delivered_at: Annotated[str | None, Meta(description="When it last delivered something.")]
    oldest_at: Annotated[str | None, Meta(description="When the oldest pending line was made.")]
    held_by: Annotated[str | None, Meta(description="Who put it on hold.")]
    held_by_name: Annotated[str | None, Meta(description="The address of that user, or the key's name.")]
    held_at: str | None
    held_reason: str | None


class LaneList(msgspec.Struct, frozen=True):
    """All lanes, by name."""

    lanes: list[LaneBody]


class Hold(msgspec.Struct, forbid_unknown_fields=True):
    """Why a lane is put on hold."""

    reason: Annotated[
        str | None,
        Meta(
            description="For those who find it on hold.",
            extra_json_schema={"minLength": 1, "maxLength": MOST_REASON},
        ),
    ] = None


class Lanes:
    """The lanes of the box. All see them who administer a workspace; who operates the box decides."""

    def __init__(self, store: Store, runners: Runners) -> None:
        self._store = store
        self._runners = runners

    def routes(self) -> tuple[Route, ...]:
        """What web binds."""
        return (
            Route(
                "GET",
                "/v1/lanes",
                self.all,
                "The lanes to upstreams",
                ADMIN,
                description="The whole box's: what is in them is everybody's.",
                answers=(Answer(LaneList),),
            ),
            Route(
                "GET",
                "/v1/lanes/{name}",
                self.one,
                "One lane",
                ADMIN,
                parameters=(NAME,),
                answers=(Answer(LaneBody),),
            ),
            Route(
                "POST",
                "/v1/lanes/{name}/pause",
                self.pause,
                "Put a lane on hold",
                ADMIN,
                "control_kb",
                description="A batch that is on its way arrives; nothing else is sent, also after a restart, "
                "until the lane is resumed. What comes in waits, and is kept. For those who operate the box: "
                "administrators of the default workspace; so are resuming and testing.",
                body=Hold,
                example={"reason": "The upstream moves to another address tonight"},
                parameters=(NAME,),
                answers=(Answer(LaneBody),),
                errors=("validation_failed", "malformed_json"),
            ),
            Route(
                "POST",
                "/v1/lanes/{name}/resume",
                self.resume,
                "Let a lane go on",
                ADMIN,
                description="It tries at once, also one that was not on hold and waits for its next try.",
                parameters=(NAME,),
                answers=(Answer(LaneBody),),
            ),
            Route(
                "POST",
                "/v1/lanes/{name}/test",
                self.test,
                "Knock at a lane's upstream",
                ADMIN,
                description="Posts a batch without lines, with the lane's credentials, and tells what came "
                "of it; the lane itself goes on as it is. Takes as long as the upstream, at most the lane's "
                "time-out.",
                parameters=(NAME,),
                answers=(Answer(LaneTest),),
            ),
        )

    async def all(self, _: Request) -> Reply:
        """GET /v1/lanes."""
        return Reply(LaneList([await self._body(each) for each in await lanes.overview(self._store)]))

    async def one(self, ask: Request) -> Reply:
        """GET /v1/lanes/{name}."""
        return Reply(await self._body(await self._found(ask)))

    async def pause(self, ask: Request) -> Reply:
        """POST /v1/lanes/{name}/pause."""
        operator_only(ask.caller)
        wanted = fields.read(ask.body or b"{}", Hold, {"reason": fields.text(MOST_REASON)})
        found = await self._found(ask, running=True)
        await self._store.write(
            HoldLane(found.name, act(ask, self._store.clock.now_ms()), reason=wanted.reason)
        )
        self._runners.hold(found.name)
        return await self.one(ask)

    async def resume(self, ask: Request) -> Reply:
        """POST /v1/lanes/{name}/resume."""
        operator_only(ask.caller)
        found = await self._found(ask, running=True)
        await self._store.write(HoldLane(found.name, act(ask, self._store.clock.now_ms()), release=True))
        self._runners.release(found.name)
        return await self.one(ask)

    async def test(self, ask: Request) -> Reply:
        """POST /v1/lanes/{name}/test."""
        operator_only(ask.caller)
        found = await self._found(ask, running=True)
        return Reply(await self._runners.test(found.name))

    async def _found(self, ask: Request, *, running: bool = False) -> LaneStatus:
        name = ask.path["name"]
        for each in await lanes.overview(self._store):
            if each.name == name and not (running and each.state == "off"):
                return each
        raise IngestError("not_found", f"There is no lane {name[:40]}.")

    async def _body(self, lane: LaneStatus) -> LaneBody:
        by = lane.held_by
        return _body(lane, by and await self._store.read_with(lambda tx: name_of(tx, by)))


def _body(lane: LaneStatus, holder: str | None) -> LaneBody:
    return LaneBody(
        name=lane.name,
        url=lane.url,
        state=lane.state,  # type: ignore[arg-type]  # the table allows these words alone
        reason=lane.reason,
        since=iso(lane.since_ms) or "",
        next_try_at=iso(lane.next_try_ms),
        enqueued=lane.enqueued,
        delivered=lane.delivered,
        pending=lane.pending,
        parked=lane.parked,
        discarded=lane.discarded,
        delivered_at=iso(lane.delivered_ms),
        oldest_at=iso(lane.oldest_ms),
        held_by=lane.held_by,
        held_by_name=holder,
        held_at=iso(lane.held_ms),
        held_reason=lane.held_reason,
    )
