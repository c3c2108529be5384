"""How tickets are shown at the console."""

from __future__ import annotations

from ingestbox.families.feedback.columns import LABELS
from ingestbox.families.feedback.read.search import READERS
from ingestbox.families.feedback.read.ticket import TicketBody, TicketPage
from ingestbox.view import (
    Chart,
    Column,
    Facet,
    Figure,
    Filter,
    Item,
    Said,
    Series,
    Spans,
    Texts,
    View,
    Word,
)

_SENTIMENTS = (
    Word("positive", "Positive", "good"),
    Word("neutral", "Neutral", "quiet"),
    Word("negative", "Negative", "bad"),
)
_TRENDS = (
    Word("improving", "Improving", "good"),
    Word("stable", "Stable", "quiet"),
    Word("declining", "Declining", "bad"),
)
_LANGUAGES = (Word("vi", "Vietnamese"), Word("en", "English"), Word("other", "Other"))
_LABELS = tuple(Word(label, label.replace("_", " ").capitalize()) for label in LABELS)

_DAYS = {"start_date": "start_date", "end_date": "end_date"}

_USUAL = "The last 30 days (UTC)"

_SENTIMENT = Column("sentiment", "Sentiment", "badge", words=_SENTIMENTS, filters="sentiment")
_SCORE = Column("score", "Score", "rate")
_TREND = Column("trend", "Trend", "badge", words=_TRENDS)
_LANGUAGE = Column("language", "Language", "language", words=_LANGUAGES, filters="language")
_UPDATED = Column("updated_at", "Updated", "time")
_BOX = Column("box", "From box", shown=False)

TICKETS = View(
    name="tickets",
    title="Tickets",
    lead="What people wrote, with what the box found in it.",
    one="ticket",
    many="tickets",
    path="/api/tickets",
    type=TicketPage,
    items="results",
    key="ticket_id",
    columns=(
        Column("ticket_id", "Ticket"),
        Column("summary", "Summary"),
        _SENTIMENT,
        _SCORE,
        _TREND,
        _LANGUAGE,
        _UPDATED,
        _BOX,
    ),
    item=Item(
        path="/api/tickets/{ticket_id}",
        type=TicketBody,
        title=("summary",),
        facts=(
            Column("ticket_id", "Ticket"),
            _SENTIMENT,
            _SCORE,
            _TREND,
            _LANGUAGE,
            Column("keywords", "Keywords", "list", filters="q"),
            _UPDATED,
            _BOX,
        ),
        texts=(
            Texts("summary", "Summary", "summary"),
            Texts("description", "Description", "description"),
            Texts("comments", "Comments", "comment", many=True),
        ),
        spans=Spans(
            "entities",
            field="field",
            start="start",
            end="end",
            text="text",
            label="label",
            sets={"entity": "text", "label": "label"},
        ),
        said=Said(
            "fields",
            field="field",
            number="comment_number",
            columns=(
                Column("sentiment", "Sentiment", "badge", words=_SENTIMENTS),
                Column("confidence", "Confidence", "share"),
                Column("language", "Language", "language", words=_LANGUAGES),
                Column("author", "Author"),
                Column("at", "Written", "time"),
            ),
        ),
        rest="extra",
        with_={"box": "box"},
        record="record_id",
        job="job_id",
        noun="ticket",
        called="ticket_id",
    ),
    roles=READERS,
    filters=(
        Filter("sentiment", "Sentiment", "choice", _SENTIMENTS),
        Filter("language", "Language", "choice", _LANGUAGES),
        Filter("start_date", "From", "date"),
        Filter("end_date", "To", "date"),
        Filter("entity", "Names", hidden=True),
        Filter("label", "Kind", "choice", _LABELS, hidden=True),
    ),
    facets=(
        Facet("Sentiment", {"sentiment": ""}, _SENTIMENTS),
        Facet("Language", {"language": ""}, _LANGUAGES),
        Facet(
            "Named most",
            {"entity": "text", "label": "label"},
            _LABELS,
            path="/api/entities/top",
            items="results",
            value="text",
            note="label",
            limit=12,
        ),
    ),
    figures=(
        Figure(
            "Tickets", "/api/dashboard/metrics", "tickets.count", "tickets.change", passes=_DAYS, usual=_USUAL
        ),
        *(
            Figure(
                word.label,
                "/api/dashboard/metrics",
                f"sentiment.{word.value}.share",
                f"sentiment.{word.value}.change_points",
                "share",
                passes=_DAYS,
                usual=_USUAL,
                sets={"sentiment": word.value},
            )
            for word in _SENTIMENTS
        ),
        Figure(
            "Mean score",
            "/api/dashboard/metrics",
            "average_score.value",
            "average_score.change",
            "rate",
            passes=_DAYS,
            usual=_USUAL,
        ),
    ),
    charts=(
        Chart(
            "Tickets by sentiment",
            "/api/sentiment/overview",
            "sentiment_trend",
            "date",
            (
                Series("positive", "Positive", "--good"),
                Series("neutral", "Neutral", "--quiet"),
                Series("negative", "Negative", "--bad"),
            ),
            passes={**_DAYS, "sentiment_type": "sentiment"},
            usual=_USUAL,
        ),
    ),
    search="q",
    search_hint="Words in any text, or a ticket's id",
    whole={"order": "arrival"},
    sample="feedback",
    send=("/api/data-ingest", {"records": [{"id": "T-1", "summary": "The delivery was late"}]}),
)
