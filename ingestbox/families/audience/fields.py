"""The members of an audience record that mean something; every other one is kept as it is."""

from __future__ import annotations

from typing import Final

IDENTIFYING: Final = ("business_email", "personal_email", "email", "domain", "company_domain")
"""One of these at least has to be filled in (contract: audience, Errors)."""

EMAILS: Final = ("business_email", "email", "personal_email")
"""In the order in which an address is taken from them (contract: audience, Processing)."""

DOMAINS: Final = ("domain", "company_domain")

RESULTS: Final = (
    "_email",
    "_email_valid",
    "_domain",
    "_free_mail",
    "_disposable",
    "_completeness",
    "_duplicate_of",
)
"""The members of a result, as columns beside a record's own."""


def is_filled(value: object) -> bool:
    """Whether a value says something: text with more than blanks in it.

    >>> is_filled("a@b.example"), is_filled("  "), is_filled(None), is_filled(7)
    (True, False, False, False)
    """
    return isinstance(value, str) and bool(value.strip())
