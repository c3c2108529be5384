"""The routes of feedback's read side: tickets, aggregates, trends, entities (contract: feedback)."""

from __future__ import annotations

from typing import Literal

from ingestbox.enrich.facts import LanguageCode
from ingestbox.families.feedback.analysis import Sentiment
from ingestbox.families.feedback.columns import LABELS
from ingestbox.families.feedback.read.dashboard import Metrics, metrics
from ingestbox.families.feedback.read.overview import Overview, overview
from ingestbox.families.feedback.read.period import DATES, MOST_DAYS
from ingestbox.families.feedback.read.search import READERS, Q
from ingestbox.families.feedback.read.ticket import TicketBody, TicketPage
from ingestbox.families.feedback.read.tickets import REACH, ticket, tickets
from ingestbox.families.feedback.read.topentities import TopEntities, top_entities
from ingestbox.families.feedback.read.words import in_either_case
from ingestbox.route import LIMIT, Answer, Parameter, Route

_Label = in_either_case(LABELS)
_SINCE, _UNTIL = (
    Parameter(each.name, sentence, each.type)
    for each, sentence in zip(
        DATES,
        ("Only tickets updated on this day (UTC) or later.", "Only those updated on this day or before."),
        strict=True,
    )
)

_PERIOD = (
    "Days are those of UTC, at which tickets were last analysed; a time with its date counts as its date."
)

READS = (
    Route(
        "GET",
        "/api/tickets",
        tickets,
        "Tickets with their sentiment",
        READERS,
        description="Newest first. All filters hold at once, and `total` counts what they leave. Go on with "
        "`next_cursor` and the same filters: a ticket that is not sent again meanwhile comes exactly once; "
        "one that is moves to the top, before the pages that are still to come. With `order=arrival` it does "
        "not: who reads to the end gets each ticket exactly once, whatever is sent meanwhile; a page may be "
        "short then, even empty, with a `next_cursor`.",
        parameters=(
            LIMIT,
            Parameter("cursor", "Where to go on: a `next_cursor` of this list."),
            Parameter(
                "q",
                "Only tickets that this finds, written as for `/api/search`: of more than "
                f"{REACH:,} the newest {REACH:,}.",
                Q.type,
            ),
            Parameter("sentiment", "Only tickets of this sentiment.", Sentiment),
            Parameter("language", "Only tickets in this language.", LanguageCode),
            _SINCE,
            _UNTIL,
            Parameter("entity", "Only tickets that name this; case and diacritics do not matter."),
            Parameter(
                "label",
                "The kind of `entity`, without which this is ignored; the most frequent one unless given.",
                _Label,
            ),
            Parameter(
                "order",
                "`updated`, unless given: what was last analysed comes first; `arrival`: what first came in "
                "last does.",
                Literal["updated", "arrival"],
            ),
        ),
        answers=(Answer(TicketPage, description="A page of tickets."),),
        errors=("bad_parameter",),
    ),
    Route(
        "GET",
        "/api/tickets/{ticket_id:path}",
        ticket,
        "One ticket with its analysis",
        READERS,
        description="Boxes that send here may have tickets of the same id; of several it is this box's own, "
        "or the first, unless `box` names another.",
        parameters=(
            Parameter("ticket_id", "The ticket's id; it may hold slashes.", str, "path"),
            Parameter("box", "The box that it came from, as lists have it."),
        ),
        answers=(Answer(TicketBody, description="The ticket."),),
        errors=("damaged",),
    ),
    Route(
        "GET",
        "/api/sentiment/overview",
        overview,
        "Tickets by sentiment, in all and day by day",
        READERS,
        description=f"Of at most {MOST_DAYS:,} days. {_PERIOD}",
        parameters=(
            *DATES,
            Parameter("sentiment_type", "Only tickets of this sentiment; the others count as 0.", Sentiment),
        ),
        answers=(Answer(Overview, description="The sentiments of the period."),),
    ),
    Route(
        "GET",
        "/api/entities/top",
        top_entities,
        "What most tickets name",
        READERS,
        description="Each is counted once a ticket, however it is written there: case and diacritics do not "
        "matter.",
        parameters=(
            Parameter("label", f"Only of this kind: {', '.join(f'`{each}`' for each in LABELS)}.", _Label),
            LIMIT,
        ),
        answers=(Answer(TopEntities, description="The most named first."),),
    ),
    Route(
        "GET",
        "/api/dashboard/metrics",
        metrics,
        "A period in numbers, beside the one before",
        READERS,
        description=f"Of at most {MOST_DAYS:,} days. {_PERIOD}",
        parameters=DATES,
        answers=(Answer(Metrics, description="The numbers."),),
    ),
)
