"""The contacts family, put together."""

from __future__ import annotations

from pathlib import Path

from ingestbox.families.contacts import (
    exports,
    found,
    issues,
    jobs,
    listing,
    review,
    staging,
    undo,
    upload,
)
from ingestbox.families.contacts.check import check
from ingestbox.families.contacts.fields import DUPLICATE, EXISTING, FIELDS, INVALID, MISSING
from ingestbox.families.contacts.process import KIND, project
from ingestbox.families.contacts.rule import STAGING
from ingestbox.families.contacts.shapes import ContactsError, error_body
from ingestbox.families.contacts.view import CONTACTS
from ingestbox.families.contacts.words import reworded
from ingestbox.family import Family
from ingestbox.route import Route
from ingestbox.sheet import Table
from ingestbox.view import OTHERS, Existing, Form

ROUTES: tuple[Route, ...] = (
    *upload.ROUTES,
    *jobs.ROUTES,
    *issues.ROUTES,
    *listing.ROUTES,
    *found.ROUTES,
    *exports.ROUTES,
    *staging.ROUTES,
    *review.ROUTES,
    *undo.ROUTES,
)

FORMS = {
    MISSING: Form("fields", FIELDS),
    INVALID: Form("email", FIELDS),
    DUPLICATE: Form("choose", FIELDS),
    EXISTING: Form(
        "existing",
        FIELDS,
        Existing(
            path="/contacts",
            parameter="email",
            field="email",
            items="contacts",
            members={name: f"contact_{name}" for name in FIELDS},
            owner="contacts_user_id",
        ),
    ),
    OTHERS: Form("raw", FIELDS),
}
"""How its rows are repaired at the console."""

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
        view=upload.VIEW,
    ),
    staging=STAGING,
    indexed=True,
    private=True,
    reworded=reworded,
    forms=FORMS,
    views=(CONTACTS,),
    export=exports.export,
)
