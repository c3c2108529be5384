"""The contacts family, put together."""

from __future__ import annotations

from pathlib import Path

from ingestbox.families.contacts import contacts, exports, issues, jobs, review, staging, undo, upload
from ingestbox.families.contacts.check import check
from ingestbox.families.contacts.process import KIND, project
from ingestbox.families.contacts.rule import STAGING
from ingestbox.families.contacts.shapes import ContactsError, error_body
from ingestbox.families.contacts.words import reworded
from ingestbox.family import Family
from ingestbox.route import Route
from ingestbox.sheet import Table

ROUTES: tuple[Route, ...] = (
    *upload.ROUTES,
    *jobs.ROUTES,
    *issues.ROUTES,
    *contacts.ROUTES,
    *exports.ROUTES,
    *staging.ROUTES,
    *review.ROUTES,
    *undo.ROUTES,
)

FAMILY = Family(
    name="contacts",
    kinds=frozenset({KIND}),
    queries=Path(__file__).with_name("queries.sql"),
    routes=ROUTES,
    process="ingestbox.families.contacts.process:process",
    project=project,
    check=check,
    error_body=error_body,
    error_type=ContactsError,
    table=Table(
        plan="ingestbox.families.contacts.table:plan",
        rows="ingestbox.families.contacts.table:rows",
    ),
    staging=STAGING,
    private=True,
    reworded=reworded,
)
