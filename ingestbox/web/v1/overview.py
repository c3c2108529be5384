"""`/v1/overview`: what there is to see and to do, in numbers, for whoever works with the box."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from ingestbox.clock import iso
from ingestbox.model import Role
from ingestbox.route import Answer, Reply, Route
from ingestbox.store import overview, series
from ingestbox.store.lanes import LaneStatus
from ingestbox.store.series import DAY, MINUTE
from ingestbox.web.binding import Request
from ingestbox.web.v1.parts import Parts
from ingestbox.web.v1.reports import Count, Objects, Status
from ingestbox.web.v1.sight import ALL, SUBMITTERS, reading_of, sight_of

ADMIN = frozenset({Role.ADMIN})


class FamilyOverview(msgspec.Struct, frozen=True):
    """One family. `pending` counts the records of unfinished jobs that have no outcome yet."""

    jobs: Annotated[dict[str, Count], Meta(description="How many there are, by state.")]
    records: Count
    pending: Count
    open_issues: Count


class DayOverview(msgspec.Struct, frozen=True):
    """The last 24 hours; see `/v1/series`."""

    received: Count
    finished: Count
    issues: Count
    delivered: Count


class LaneOverview(msgspec.Struct, frozen=True):
    """A lane: how many lines wait to go upstream, the oldest of them since when, and how many could not be
    delivered, or were given up. These are the whole box's."""

    name: str
    state: str
    pending: Count
    oldest: str | None
    parked: Count
    discarded: Count
    held: Annotated[bool, Meta(description="Whether a person paused it.")]


class AlarmOverview(msgspec.Struct, frozen=True):
    """Something that is wrong now; `detail` is for administrators."""

    name: str
    since: str
    detail: str | None


class BoxOverview(msgspec.Struct, frozen=True):
    """The numbers, now."""

    workspace: Annotated[str | None, Meta(description="Whose are counted; null: everyone's.")]
    families: dict[str, FamilyOverview]
    last_day: DayOverview
    objects: list[Objects]
    lanes: list[LaneOverview]
    alarms: Annotated[list[AlarmOverview], Meta(description="The longest first.")]


class OverviewResource:
    """The first look at the box."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def routes(self) -> tuple[Route, ...]:
        """What web binds."""
        return (
            Route(
                "GET",
                "/v1/overview",
                self.read,
                "What there is to see and to do",
                SUBMITTERS,
                description="Jobs, records and objects of your workspace, and of families that are private "
                "what you made; open issues of who may only upload: of what they sent. Of what only you "
                f"see your newest {overview.NEWEST:,} jobs are counted. All is read in some milliseconds.",
                parameters=(ALL,),
                answers=(Answer(BoxOverview, description="The numbers, now."),),
                errors=("bad_parameter",),
            ),
        )

    async def read(self, ask: Request) -> Reply:
        """GET /v1/overview."""
        parts = self._parts
        sight, reading = sight_of(ask, parts.families), reading_of(ask, parts.families)
        now = parts.store.clock.now_ms() // 1000
        since = now - DAY - now % MINUTE
        counts, flow = await parts.store.read_with(
            lambda tx: (
                overview.read(tx, parts.families, sight, reading),
                series.total(series.read(tx, sight, since, now + MINUTE, MINUTE).values()),
            )
        )
        status = await parts.snapshot(sight.workspace)
        return Reply(
            BoxOverview(
                workspace=sight.workspace,
                families={
                    name: FamilyOverview(each.jobs, each.records, each.pending, each.issues)
                    for name, each in counts.families.items()
                },
                last_day=DayOverview(flow.received, flow.finished, flow.issues, flow.delivered),
                objects=[
                    Objects(each.family, each.kind, each.remote, each.objects) for each in counts.objects
                ],
                lanes=[_lane(lane) for lane in status.lanes if lane.state != "off"],
                alarms=_alarms(status, ask.caller.may(ADMIN)),
            )
        )


def _lane(lane: LaneStatus) -> LaneOverview:
    held = lane.held_ms is not None
    return LaneOverview(
        lane.name, lane.state, lane.pending, iso(lane.oldest_ms), lane.parked, lane.discarded, held
    )


def _alarms(status: Status, in_full: bool) -> list[AlarmOverview]:
    return [
        AlarmOverview(each.name, iso(each.since_ms) or "", each.detail if in_full else None)
        for each in status.alarms
    ]
