"""E-mail addresses: whether one is, and if not, why; and the one form in which it is compared.

The library email-validator judges, without asking the network; plain addresses, which it is sure to take, are
taken without it (it needs 34 µs for one). Light: the library is loaded with the first address that is not
plain.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from ingestbox.enrich import domains
from ingestbox.enrich.folding import UNSEEN, nfc

MAX_BYTES: Final = 254
"""The longest address (RFC 5321, 4.5.3.1.3; RFC 3696, errata 1690)."""

_ATOM = r"[A-Za-z0-9_!#$%&'*+\-/=?^`{|}~]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9\-]{0,61}[A-Za-z0-9])?"
_PLAIN = re.compile(rf"{_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)+([A-Za-z]{{2,63}})")

SPECIAL: Final = frozenset({"arpa", "invalid", "local", "localhost", "onion", "test"})
"""Last labels of domains that are nobody's on the internet (IANA, Special-Use Domain Names)."""

MAX_SHOWN: Final = 320
"""Of what is no address, so many characters stand for it."""

_NAMED: Final = re.compile(r"[^<>]*<([^<>]*)>")

_QUOTED_DOMAIN = re.compile(r" \([^()]*['\"].*\)")


def fault_in(address: str) -> str | None:
    """Why an address, without blanks around it, is none, as a sentence; None for one that can be written to.

    Whether anybody reads it is not asked. Internationalised addresses (RFC 6531) are taken.

    >>> fault_in("anna@example.com")
    >>> fault_in("anna.example.com")
    'An email address must have an @-sign.'
    """
    return None if is_plain(address) else _judged(address)


def is_plain(address: str) -> bool:
    """Whether an address is of the common kind, which the library takes for certain: ASCII, unquoted, below a
    public domain whose labels are no codes of other scripts."""
    plain = _PLAIN.fullmatch(address)
    return (
        plain is not None
        and len(address) <= MAX_BYTES
        and "--" not in address.rpartition("@")[2]
        and plain[1].lower() not in SPECIAL
    )


def _judged(address: str) -> str | None:
    if len(address) > MAX_BYTES:  # the library's time grows with it, and a cell can have megabytes
        return f"The email address is too long ({len(address) - MAX_BYTES:,} characters too many)."
    from email_validator import (  # 50 ms, which most children have no use for
        EmailNotValidError,
        validate_email,
    )

    try:
        validate_email(address, check_deliverability=False)
    except EmailNotValidError as problem:
        return _QUOTED_DOMAIN.sub("", str(problem))  # a message is no place for what a row holds
    return None


@dataclass(frozen=True, slots=True)
class Mailbox:
    """An address in its one form (`canonical`), whether it is valid, and its domain (None if it is not)."""

    address: str
    valid: bool
    domain: str | None


def canonical(text: str) -> Mailbox:
    """The one form of an address, however it was written: without blanks and what cannot be seen around and
    in it, without `mailto:` and what follows a `?` there, without the name of `Anna <anna@x.example>`; in
    lower case (also the part before the `@`, in which RFC 5321 tells cases apart, but nobody does), in
    Unicode's NFC, and with its domain in its own letters.

    Valid is what `fault_in` finds nothing in. What is not stays as far as it could be read, and is cut after
    MAX_SHOWN characters.

    >>> canonical(" Anna Lee <Anna@EXAMPLE.com>")
    Mailbox(address='anna@example.com', valid=True, domain='example.com')
    >>> canonical("Anna@").valid, canonical("mailto:anna@xn--bcher-kva.example?subject=Hi").address
    (False, 'anna@bücher.example')
    """
    if len(text) > domains.MAX_GIVEN:  # a cell can have megabytes
        return Mailbox(nfc(text.strip()[:MAX_SHOWN].lower()), False, None)
    low = text.strip().lower()
    if is_plain(low):  # of most this is all
        return Mailbox(low, True, low.rpartition("@")[2])
    bare = _bare(text)
    local, at, domain = bare.rpartition("@")
    known = domains.canonical(domain) if at else None
    address = f"{nfc(local.lower())}@{known}" if known is not None else nfc(bare.lower())
    if known is not None and fault_in(address) is None:
        return Mailbox(address, True, known)
    return Mailbox(address[:MAX_SHOWN], False, None)


def _bare(text: str) -> str:
    """An address without what people and programs put around it."""
    bare = UNSEEN.sub("", text).strip()
    if (named := _NAMED.fullmatch(bare)) is not None:
        bare = named[1].strip()
    if bare[:7].lower() == "mailto:":
        bare = unquote(bare[7:].partition("?")[0]).strip()
    return bare
