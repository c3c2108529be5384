"""The audience family, put together."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from ingestbox import ids
from ingestbox.families.audience.decode import check_record
from ingestbox.families.audience.deletion import KINDS
from ingestbox.families.audience.fields import IDENTIFYING
from ingestbox.families.audience.files import VIEW
from ingestbox.families.audience.process import KIND, match, object_id
from ingestbox.families.audience.redact import addresses
from ingestbox.families.audience.routes import ROUTES
from ingestbox.families.audience.segments.told import SEGMENT, project
from ingestbox.families.audience.shapes import AudienceError, error_body
from ingestbox.families.audience.view import GRIDS
from ingestbox.families.audience.words import reworded
from ingestbox.family import Distinct, Family, Subjects
from ingestbox.model import index_of
from ingestbox.sheet import Table
from ingestbox.view import OTHERS, Form

FAMILY = Family(
    name="audience",
    kinds=frozenset({KIND, SEGMENT}),
    queries=Path(__file__).with_name("queries.sql"),
    routes=ROUTES,
    process="ingestbox.families.audience.process:process",
    project=project,
    check=check_record,
    error_body=error_body,
    error_type=AudienceError,
    reworded=reworded,
    table=Table(
        plan="ingestbox.families.audience.table:plan",
        rows="ingestbox.families.audience.table:rows",
        view=VIEW,
        apart=True,
    ),
    private=True,
    grids=GRIDS,
    forms={OTHERS: Form("raw", IDENTIFYING, columns=True)},
    distinct=Distinct(KIND, "_duplicate_of", match),
    subjects=Subjects(addresses, lambda upload, record: object_id(upload, index_of(record))),
    new_id=partial(ids.prefixed, "upl"),
    deletes=KINDS,
)
