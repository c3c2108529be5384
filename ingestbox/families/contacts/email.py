"""Whether an e-mail address is one, and if not, why. The library email-validator judges, without asking the
network; plain addresses, which it is sure to take, are taken without it (it needs 34 µs for one). Light: the
library is loaded with the first address that is not plain.
"""

from __future__ import annotations

import re
from typing import Final

MAX_BYTES: Final = 254
"""The longest address (RFC 5321, 4.5.3.1.3; RFC 3696, errata 1690)."""

_ATOM = r"[A-Za-z0-9_!#$%&'*+\-/=?^`{|}~]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9\-]{0,61}[A-Za-z0-9])?"
_PLAIN = re.compile(rf"{_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)+([A-Za-z]{{2,63}})")

SPECIAL: Final = frozenset({"arpa", "invalid", "local", "localhost", "onion", "test"})
"""Last labels of domains that are nobody's on the internet (IANA, Special-Use Domain Names)."""

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
