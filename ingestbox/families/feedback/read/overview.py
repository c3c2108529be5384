"""`GET /api/sentiment/overview`: how many tickets of each sentiment, in all and day by day."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from ingestbox.families.feedback.read.period import date_of, period_of
from ingestbox.families.feedback.read.tickets import SENTIMENTS
from ingestbox.families.feedback.read.words import word_of
from ingestbox.family import Ask
from ingestbox.route import Reply

Count = Annotated[int, Meta(ge=0)]


class Distribution(msgspec.Struct):
    """Tickets by sentiment."""

    positive: Count = 0
    negative: Count = 0
    neutral: Count = 0


class TrendDay(msgspec.Struct):
    """The tickets of one day, by sentiment."""

    date: Annotated[str, Meta(description="A day (UTC).", extra_json_schema={"format": "date"})]
    positive: Count = 0
    negative: Count = 0
    neutral: Count = 0


class Overview(msgspec.Struct, frozen=True):
    """The sentiments of a period."""

    sentiment_distribution: Distribution
    sentiment_trend: Annotated[
        list[TrendDay], Meta(description="Every day of the period, also those without tickets.")
    ]


async def overview(ask: Ask) -> Reply:
    """GET /api/sentiment/overview: a period's tickets by sentiment; the filter counts for both parts."""
    period = period_of(ask.query, ask.box.now_ms())
    wanted = word_of(ask.query, "sentiment_type", SENTIMENTS)
    scope = {"workspace": ask.caller.workspace, "first_day": period.first, "last_day": period.last}
    days = {day: TrendDay(date_of(day)) for day in range(period.first, period.last + 1)}
    whole = Distribution()
    for day, sentiment, tickets in await ask.box.read("feedback.days", scope):
        if wanted in (None, sentiment):
            for sums in (days[day], whole):
                setattr(sums, sentiment, getattr(sums, sentiment) + tickets)
    return Reply(Overview(whole, list(days.values())))
