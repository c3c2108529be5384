"""`GET /api/dashboard/metrics`: a period's tickets in numbers, each beside that of the period before."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Annotated

import msgspec
from msgspec import Meta

from ingestbox.families.feedback.read.period import Date, Period, date_of, period_of
from ingestbox.family import Ask
from ingestbox.model import JobState
from ingestbox.route import Reply

Count = Annotated[int, Meta(ge=0)]
Difference = Annotated[int, Meta(description="This period's less that of the period before.")]
Portion = Annotated[float, Meta(ge=0, le=1, description="Of all tickets of the period; 0 without any.")]
Mean = Annotated[float | None, Meta(description="From -1 to 1; null without tickets.")]


class Span(msgspec.Struct, frozen=True):
    """Whole days (UTC), both ends included."""

    start_date: Date
    end_date: Date
    days: Annotated[int, Meta(ge=1)]


class TicketFigure(msgspec.Struct, frozen=True):
    """How many tickets there are."""

    count: Count
    previous_count: Count
    change: Difference
    change_percent: Annotated[
        float | None, Meta(description="The change in percent of the period before; null if that had none.")
    ]


class SentimentFigure(msgspec.Struct, frozen=True):
    """How many tickets are of one sentiment."""

    count: Count
    share: Portion
    previous_count: Count
    previous_share: Portion
    change: Difference
    change_points: Annotated[float, Meta(description="The change of the share, in percentage points.")]


class SentimentFigures(msgspec.Struct, frozen=True):
    """The tickets by sentiment."""

    positive: SentimentFigure
    negative: SentimentFigure
    neutral: SentimentFigure


class ScoreFigure(msgspec.Struct, frozen=True):
    """The mean of the tickets' scores."""

    value: Mean
    previous: Mean
    change: Annotated[float | None, Meta(description="Null if one of the two is.")]


class LanguageFigures(msgspec.Struct, frozen=True):
    """The tickets by language; `unknown` were analysed before languages were."""

    vi: Count
    en: Count
    other: Count
    unknown: Count


class Metrics(msgspec.Struct, frozen=True):
    """A workspace's feedback in numbers. The last three are of this moment."""

    period: Span
    previous_period: Annotated[Span, Meta(description="As many days, right before the period.")]
    tickets: TicketFigure
    sentiment: SentimentFigures
    average_score: ScoreFigure
    languages: LanguageFigures
    open_issues: Annotated[int, Meta(ge=0, description="Records that wait for a person.")]
    jobs_running: Count
    jobs_queued: Count


@dataclass(slots=True)
class _Sums:
    """What the rows of a period come to."""

    tickets: int = 0
    points: int = 0
    sentiments: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)

    def add(self, sentiment: str, language: str, tickets: int, points: int) -> None:
        self.tickets += tickets
        self.points += points
        self.sentiments[sentiment] += tickets
        self.languages[language] += tickets

    def share(self, sentiment: str) -> float:
        return round(self.sentiments[sentiment] / self.tickets, 4) if self.tickets else 0.0

    @property
    def score(self) -> float | None:
        return round(self.points / self.tickets / 10_000, 4) if self.tickets else None


async def metrics(ask: Ask) -> Reply:
    """GET /api/dashboard/metrics: a period's tickets, beside those of the period before."""
    period = period_of(ask.query, ask.box.now_ms())
    workspace = ask.caller.workspace
    both = {
        "workspace": workspace,
        "first_day": period.before.first,
        "middle": period.first,
        "last_day": period.last,
    }
    now, before = _Sums(), _Sums()
    for in_period, *row in await ask.box.read("feedback.sums", both):
        (now if in_period else before).add(*row)
    work = dict(await ask.box.read("feedback.open_work", {"workspace": workspace}))
    return Reply(
        Metrics(
            period=_span(period),
            previous_period=_span(period.before),
            tickets=_tickets(now.tickets, before.tickets),
            sentiment=SentimentFigures(
                positive=_sentiment("positive", now, before),
                negative=_sentiment("negative", now, before),
                neutral=_sentiment("neutral", now, before),
            ),
            average_score=_score(now.score, before.score),
            languages=LanguageFigures(
                vi=now.languages["vi"],
                en=now.languages["en"],
                other=now.languages["other"],
                unknown=now.languages[""],
            ),
            open_issues=work.get("issues", 0),
            jobs_running=work.get(JobState.RUNNING, 0),
            jobs_queued=work.get(JobState.QUEUED, 0),
        )
    )


def _span(period: Period) -> Span:
    return Span(date_of(period.first), date_of(period.last), period.days)


def _tickets(count: int, previous: int) -> TicketFigure:
    change = count - previous
    return TicketFigure(count, previous, change, round(100 * change / previous, 1) if previous else None)


def _sentiment(name: str, now: _Sums, before: _Sums) -> SentimentFigure:
    count, previous = now.sentiments[name], before.sentiments[name]
    share, previous_share = now.share(name), before.share(name)
    points = round(100 * (share - previous_share), 2)
    return SentimentFigure(count, share, previous, previous_share, count - previous, points)


def _score(value: float | None, previous: float | None) -> ScoreFigure:
    change = None if value is None or previous is None else round(value - previous, 4)
    return ScoreFigure(value, previous, change)
