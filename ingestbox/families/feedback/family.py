"""The feedback family, put together."""

from __future__ import annotations

from pathlib import Path

from ingestbox.families.feedback.decode import check_record
from ingestbox.families.feedback.process import counted, project
from ingestbox.families.feedback.read.search import SEARCH
from ingestbox.families.feedback.redact import redact
from ingestbox.families.feedback.routes import ROUTES
from ingestbox.families.feedback.shapes import FeedbackError, error_body
from ingestbox.families.feedback.upload import VIEW
from ingestbox.families.feedback.view import TICKETS
from ingestbox.family import Family
from ingestbox.sheet import Table
from ingestbox.view import OTHERS, Form

FAMILY = Family(
    name="feedback",
    kinds=frozenset({"ticket"}),
    queries=Path(__file__).with_name("queries.sql"),
    routes=ROUTES,
    process="ingestbox.families.feedback.process:process",
    project=project,
    check=check_record,
    error_body=error_body,
    error_type=FeedbackError,
    table=Table(
        plan="ingestbox.families.feedback.table:plan",
        rows="ingestbox.families.feedback.table:rows",
        view=VIEW,
    ),
    search=SEARCH,
    redact=redact,
    counted=counted,
    forms={OTHERS: Form("raw", ("id", "summary", "description"))},
    views=(TICKETS,),
)
