"""How rows of contacts wait for each other."""

from __future__ import annotations

from ingestbox.families.contacts.fields import DUPLICATE, EXISTING, FIELDS
from ingestbox.families.contacts.process import KIND
from ingestbox.family import Staging

STAGING = Staging(
    check="ingestbox.families.contacts.check:check_all",
    same="ingestbox.families.contacts.process:same",
    kind=KIND,
    repeated=(DUPLICATE, "Duplicate email in file"),
    existing=(EXISTING, "Email already exists in contacts"),
    fields=FIELDS,
)
