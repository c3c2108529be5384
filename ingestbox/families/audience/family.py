"""The audience family, put together."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from ingestbox import ids
from ingestbox.families.audience.check import check_record
from ingestbox.families.audience.fields import IDENTIFYING
from ingestbox.families.audience.process import KIND, project
from ingestbox.families.audience.routes import ROUTES
from ingestbox.families.audience.shapes import AudienceError, error_body
from ingestbox.family import Distinct, Family
from ingestbox.view import OTHERS, Form

FAMILY = Family(
    name="audience",
    kinds=frozenset({KIND}),
    queries=Path(__file__).with_name("queries.sql"),
    routes=ROUTES,
    process="ingestbox.families.audience.process:process",
    project=project,
    check=check_record,
    error_body=error_body,
    error_type=AudienceError,
    private=True,
    forms={OTHERS: Form("raw", IDENTIFYING)},
    distinct=Distinct(KIND, "_duplicate_of"),
    new_id=partial(ids.prefixed, "upl"),
)
