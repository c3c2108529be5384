"""What is found out about a record (contract: audience, Processing). Light: children import it.

Of addresses the first *valid* one of business_email, email, personal_email is taken, else the first that is
filled in: a typing error in one column is no reason to do without the address in the next one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from ingestbox.enrich import domains
from ingestbox.enrich.folding import nfc
from ingestbox.enrich.mailbox import Mailbox, canonical
from ingestbox.families.audience.completeness import completeness
from ingestbox.families.audience.fields import DOMAINS, EMAILS, is_filled

BUSINESS: Final = ("business_email", "email")
"""Whose domain may be the organisation's: a person's own domain is not."""

BY_EMAIL: Final = "e:"
BY_CONTENT: Final = "c:"
"""How a match begins, so that an address and a hash are never the same."""

Facts = dict[str, Any]
"""A result's members but `_duplicate_of`, which is told where the object is put."""

_encode = msgspec.json.Encoder().encode


def facts_of(record: Mapping[str, Any]) -> tuple[Facts, str]:
    """What is found out about a record, and its match (`match_of`)."""
    given = _given(record)
    mailbox = _taken(given)
    valid = mailbox is not None and mailbox.valid
    at = "" if mailbox is None or mailbox.domain is None else mailbox.domain
    domain = _domain(record, given)
    facts = {
        "_email": None if mailbox is None else mailbox.address,
        "_email_valid": None if mailbox is None else valid,
        "_domain": domain,
        "_free_mail": domains.is_free(at),
        "_disposable": domains.is_disposable(at),
        "_completeness": completeness(record, email=valid, domain=domain is not None),
    }
    return facts, _match(record, mailbox)


def match_of(record: Mapping[str, Any]) -> str:
    """A record's match: what it is compared by with others of its owner."""
    return _match(record, _taken(_given(record)))


def _given(record: Mapping[str, Any]) -> dict[str, Mailbox]:
    return {name: canonical(record[name]) for name in EMAILS if is_filled(record.get(name))}


def _taken(given: Mapping[str, Mailbox]) -> Mailbox | None:
    return next((each for each in given.values() if each.valid), None) or next(iter(given.values()), None)


def _match(record: Mapping[str, Any], mailbox: Mailbox | None) -> str:
    if mailbox is not None and mailbox.valid:
        return BY_EMAIL + mailbox.address
    return BY_CONTENT + content(record)


def _domain(record: Mapping[str, Any], given: Mapping[str, Mailbox]) -> str | None:
    """As given in `domain`, else in `company_domain`, as far as that is one; else that of a business
    address."""
    for name in DOMAINS:
        value = record.get(name)
        if isinstance(value, str) and (found := domains.domain_in(value)) is not None:
            return found
    for name in BUSINESS:
        mailbox = given.get(name)
        if mailbox is not None and mailbox.domain is not None and _is_business(mailbox.domain):
            return mailbox.domain
    return None


def _is_business(domain: str) -> bool:
    return not domains.is_free(domain) and not domains.is_disposable(domain)


def content(record: Mapping[str, Any]) -> str:
    """What a record is compared by that has no valid address: 128 bits of the hash of its members, in any
    order, whatever their case and blanks. What is null, blank or empty counts as missing, and a number as the
    text of its value: 7, 7.0 and `7` are the same, so that a table and JSON are."""
    return hashlib.sha256(_encode(_folded(record))).hexdigest()[:32]


def _folded(value: object) -> object:
    """A value as it is compared; None for what says nothing. Lists begin with a mark of what they were."""
    if isinstance(value, str):
        return " ".join(nfc(nfc(value).casefold()).split()) or None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, Mapping):
        members = [(_folded(name), _folded(each)) for name, each in value.items()]
        filled = [[name or "", each] for name, each in members if each is not None]
        return ["{", *sorted(filled, key=_encode)] if filled else None
    if isinstance(value, list):
        items = [_folded(each) for each in value]
        return ["[", *items] if any(each is not None for each in items) else None
    return None
