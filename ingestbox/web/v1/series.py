"""`/v1/series`: what came in, was worked off and went upstream over time."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from ingestbox.clock import iso
from ingestbox.errors import IngestError
from ingestbox.route import Answer, Parameter, Reply, Route
from ingestbox.store import series
from ingestbox.store.series import DAY, HOUR, MINUTE, MINUTES_SECONDS, Flow
from ingestbox.web.binding import Request
from ingestbox.web.v1 import lists
from ingestbox.web.v1.parts import Parts
from ingestbox.web.v1.sight import ALL, SUBMITTERS, sight_of

MOST_POINTS = 2_400
"""Intervals in one answer: 90 days of hours and some."""

STEPS = {"minute": MINUTE, "hour": HOUR, "day": DAY}

StepName = Literal["minute", "hour", "day"]

Counts = Annotated[list[Annotated[int, Meta(ge=0)]], Meta(description="One number for each interval.")]

_Time = Annotated[datetime.datetime, Meta(tz=True)]


class Columns(msgspec.Struct, frozen=True):
    """Records that came in, that were finished, that came to wait for a person; lines that were delivered."""

    received: Counts
    finished: Counts
    issues: Counts
    delivered: Counts


class Series(msgspec.Struct, frozen=True, rename={"since": "from", "until": "to"}):
    """Equal intervals from `from` (ISO 8601, UTC) up to `to`; the last one may still be going on. Number n of
    each column is that of the interval that begins n steps after `from`."""

    since: str
    until: str
    step: StepName
    total: Columns
    families: Annotated[dict[str, Columns], Meta(description="The same by family, where there is any.")]


class SeriesResource:
    """The numbers that charts are drawn of."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._store = parts.store

    def routes(self) -> tuple[Route, ...]:
        """What web binds."""
        return (
            Route(
                "GET",
                "/v1/series",
                self.read,
                "What came in, was done and went upstream over time",
                SUBMITTERS,
                description="In columns, with 0 where nothing happened. Of your workspace; of families that "
                "are private what you made, and nothing of their delivery, which is nobody's alone. Minutes "
                "are kept for a day, hours for 90 days. What is worked on again counts again; what is taken "
                "back later was done all the same. Exact, whatever stops the box.",
                parameters=(
                    Parameter("from", "The beginning; a day before `to` unless given.", _Time),
                    Parameter("to", "The end; now unless given. Both are rounded to whole steps.", _Time),
                    Parameter(
                        "step",
                        "How long an interval is; unless given, minutes up to 2 hours, hours up to 8 days, "
                        f"then days (UTC). At most {MOST_POINTS:,} intervals are answered.",
                        StepName,
                    ),
                    ALL,
                ),
                answers=(Answer(Series, description="The columns."),),
                errors=("bad_parameter",),
            ),
        )

    async def read(self, ask: Request) -> Reply:
        """GET /v1/series."""
        sight = sight_of(ask, self._parts.families)
        since, until, step = _range(ask.query, self._store.clock.now_ms() // 1000)
        seconds = STEPS[step]
        found = await self._store.read_with(lambda tx: series.read(tx, sight, since, until, seconds))
        length = (until - since) // seconds
        names = sorted({family for family, _ in found})

        def columns(family: str | None) -> Columns:
            lines = [[0] * length for _ in Columns.__struct_fields__]
            for (name, at), flow in found.items():
                if family in (None, name):
                    for line, number in zip(lines, _numbers(flow), strict=True):
                        line[(at - since) // seconds] += number
            return Columns(*lines)

        return Reply(
            Series(
                _iso(since), _iso(until), step, columns(None), {family: columns(family) for family in names}
            )
        )


def _numbers(flow: Flow) -> tuple[int, ...]:
    return flow.received, flow.finished, flow.issues, flow.delivered


def _iso(seconds: int) -> str:
    text = iso(seconds * 1000)
    assert text is not None
    return text


def _range(query: Mapping[str, str], now: int) -> tuple[int, int, StepName]:
    """Beginning and end in Unix seconds, and the step. Raises IngestError `bad_parameter`."""
    until = _moment(query, "to", now + 1)
    since = _moment(query, "from", until - DAY)
    if since >= until:
        raise IngestError("bad_parameter", "from must be before to.")
    given = lists.choice(query, "step", tuple(STEPS))
    step: StepName = msgspec.convert(given, StepName) if given else _step_for(since, until, now)
    if step == "minute" and since < now - MINUTES_SECONDS - HOUR:
        raise IngestError("bad_parameter", "Minutes are kept for a day; ask for hours.")
    seconds = STEPS[step]
    first, end = since - since % seconds, until + -until % seconds
    if (end - first) // seconds > MOST_POINTS:
        raise IngestError("bad_parameter", f"That is over {MOST_POINTS:,} intervals; ask for longer ones.")
    return first, end, step


def _step_for(since: int, until: int, now: int) -> StepName:
    if until - since <= 2 * HOUR and since >= now - MINUTES_SECONDS:
        return "minute"
    return "hour" if until - since <= 8 * DAY else "day"


def _moment(query: Mapping[str, str], name: str, otherwise: int) -> int:
    """A time in Unix seconds. Raises IngestError `bad_parameter`."""
    text = query.get(name)
    if text is None:
        return otherwise
    try:
        moment = msgspec.convert(text, _Time)
    except msgspec.ValidationError:
        raise IngestError(
            "bad_parameter", f"{name} must be a time with its offset, such as 2026-01-31T08:00:00Z."
        ) from None
    seconds = int((moment - _EPOCH).total_seconds())
    if not 0 <= seconds < _FAR:
        raise IngestError("bad_parameter", f"{name} is too far away.")
    return seconds


_EPOCH = datetime.datetime.fromtimestamp(0, datetime.UTC)
_FAR = 250_000_000_000  # in the year 9892: a step more is a time still
