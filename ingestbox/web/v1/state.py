"""`/v1/stats` and `/v1/doctor`: how the box is, in numbers and in findings."""

from __future__ import annotations

from ingestbox.model import Role
from ingestbox.route import Answer, Parameter, Reply, Route
from ingestbox.web.binding import Request
from ingestbox.web.v1 import lists
from ingestbox.web.v1.parts import Parts
from ingestbox.web.v1.reports import Report, Status

ADMIN = frozenset({Role.ADMIN})


class State:
    """The two reports."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def routes(self) -> tuple[Route, ...]:
        """What web binds."""
        return (
            Route(
                "GET",
                "/v1/stats",
                self.stats,
                "What the box holds and does",
                ADMIN,
                description="In numbers: of your workspace, whoever made what is counted, or with `all=true` "
                "of every one. Alarms, lanes and the store are the whole box's. All are exact, and cost no "
                "scan.",
                parameters=(lists.ALL,),
                answers=(Answer(Status, description="The numbers, now."),),
                errors=("bad_parameter",),
            ),
            Route(
                "GET",
                "/v1/doctor",
                self.doctor,
                "Checks of the box, each with its remedy",
                ADMIN,
                description="Reads the whole store and all uploaded files: minutes, when they have many "
                "gigabytes. For those who operate the box: administrators of the default workspace.",
                parameters=(Parameter("quick", "Leaves out what reads all that is stored.", bool),),
                answers=(Answer(Report, description="What was found."),),
                errors=("bad_parameter",),
            ),
        )

    async def stats(self, ask: Request) -> Reply:
        """GET /v1/stats."""
        everyone = lists.everywhere(ask.caller, ask.query)
        return Reply(await self._parts.snapshot(None if everyone else ask.caller.workspace))

    async def doctor(self, ask: Request) -> Reply:
        """GET /v1/doctor."""
        lists.operator_only(ask.caller)
        return Reply(await self._parts.examine(lists.flag(ask.query, "quick")))
