"""The fields of a contact, and what addresses are compared by. Light: child processes import it."""

from __future__ import annotations

from typing import Final

import msgspec

from ingestbox.enrich.folding import nfc

FIELDS: Final = ("email", "first_name", "last_name", "company")
"""All of them have to be there (contract: contacts, Processing)."""

NUL: Final = "\0"
"""No cell holds it: a file with one is not taken, so that an export with one could not come back."""

MISSING = "missing_required_field"
INVALID = "invalid_email"
DUPLICATE = "duplicate_email"
EXISTING = "existing_email"
"""Codes of issues as the store has them; on the wire they are in upper case."""


class Row(msgspec.Struct):
    """A staged row as it is stored; other columns lie beside these under their own names.

    `update` is the `object_id` of the contact that a person chose to update by it, or empty.
    """

    email: str = ""
    first_name: str = ""
    last_name: str = ""
    company: str = ""
    update: str = msgspec.field(name="_update", default="")


def key_of(email: str) -> str:
    """What an address is compared by: without blanks around it, NFC, case-folded; '' for a blank one.

    >>> key_of("  Anna@EXAMPLE.com ")
    'anna@example.com'
    """
    if email.isascii():  # most are, and of these folding is all
        return email.strip().lower()
    return nfc(nfc(email.strip()).casefold())
