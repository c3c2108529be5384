"""`/v1/lanes`: how each lane to an upstream is; put on hold, let go on, tested by a person."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Protocol

from ingestbox.config import Lane
from ingestbox.errors import IngestError
from ingestbox.model import LaneTest, Role
from ingestbox.route import Answer, Parameter, Reply, Route
from ingestbox.store import Store, lanes
from ingestbox.store.lanes import HoldLane, LaneStatus
from ingestbox.store.trail import name_of
from ingestbox.web.binding import Request
from ingestbox.web.v1 import fields, laneshapes
from ingestbox.web.v1.audit import act
from ingestbox.web.v1.laneshapes import MOST_REASON, BalanceBody, Count, Hold, LaneBody, LaneList
from ingestbox.web.v1.lists import operator_only

__all__ = ["ADMIN", "MOST_REASON", "NAME", "Count", "LaneBody", "LaneList", "Lanes", "Runners", "found"]

ADMIN = frozenset({Role.ADMIN})
NAME = Parameter("name", "The lane's name, as in the settings.", place="path")


class Runners(Protocol):
    """The lanes that run (`forward.Forwarder`)."""

    def hold(self, name: str) -> None:
        """Sends nothing more."""

    def release(self, name: str) -> None:
        """Goes on, at once."""

    async def test(self, name: str) -> LaneTest:
        """Knocks at the upstream."""


class Lanes:
    """The lanes of the box. All see them who administer a workspace; who operates the box decides."""

    def __init__(self, store: Store, runners: Runners, settings: Sequence[Lane] = ()) -> None:
        """`settings` are the lanes as configured."""
        self._store = store
        self._runners = runners
        self._settings = {lane.name: lane for lane in settings}

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
                "GET",
                "/v1/lanes/{name}/balance",
                self.balance,
                "Whether a lane's sums are right",
                ADMIN,
                description="Counts the pending lines one by one, some milliseconds for each 20,000 of them. "
                "For those who operate the box. What does not hold is a fault of this program.",
                parameters=(NAME,),
                answers=(Answer(BalanceBody),),
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
        return Reply(await self._body(await found(self._store, ask)))

    async def balance(self, ask: Request) -> Reply:
        """GET /v1/lanes/{name}/balance."""
        operator_only(ask.caller)
        name = (await found(self._store, ask)).name
        (sums,) = await lanes.balances(self._store, name)
        return Reply(
            BalanceBody(
                enqueued=sums.enqueued,
                delivered=sums.delivered,
                pending=sums.pending,
                parked=sums.parked,
                discarded=sums.discarded,
                holds=sums.holds,
            )
        )

    async def pause(self, ask: Request) -> Reply:
        """POST /v1/lanes/{name}/pause."""
        operator_only(ask.caller)
        wanted = fields.read(ask.body or b"{}", Hold, {"reason": fields.text(MOST_REASON)})
        lane = await found(self._store, ask, running=True)
        await self._store.write(
            HoldLane(lane.name, act(ask, self._store.clock.now_ms()), reason=wanted.reason)
        )
        self._runners.hold(lane.name)
        return await self.one(ask)

    async def resume(self, ask: Request) -> Reply:
        """POST /v1/lanes/{name}/resume."""
        operator_only(ask.caller)
        lane = await found(self._store, ask, running=True)
        await self._store.write(HoldLane(lane.name, act(ask, self._store.clock.now_ms()), release=True))
        self._runners.release(lane.name)
        return await self.one(ask)

    async def test(self, ask: Request) -> Reply:
        """POST /v1/lanes/{name}/test."""
        operator_only(ask.caller)
        lane = await found(self._store, ask, running=True)
        return Reply(await self._runners.test(lane.name))

    async def _body(self, lane: LaneStatus) -> LaneBody:
        by = lane.held_by
        holder = by and await self._store.read_with(lambda tx: name_of(tx, by))
        now_ms = self._store.clock.now_ms()
        return laneshapes.body(lane, holder, self._settings.get(lane.name), now_ms)


async def found(store: Store, ask: Request, *, running: bool = False) -> LaneStatus:
    """The lane that a path names. Raises IngestError `not_found`, with those that there are; with `running`
    also for one that is off."""
    name = ask.path["name"]
    known = {each.name: each for each in await lanes.overview(store)}
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        there = ", ".join(list(known)[:20])
        hint = f"Did you mean {near[0]}?" if near else f"There are: {there}." if known else "There is none."
        raise IngestError("not_found", f"There is no lane {name[:40]}. {hint}")
    if running and known[name].state == "off":
        raise IngestError("not_found", f"Lane {name} is off: it is in the settings no more.")
    return known[name]
