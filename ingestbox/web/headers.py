"""Request headers as the door reads them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping

REPEATED = "\n"
"""Parts the values of a field that has one value, when it came more than once; no value can hold it."""

_SINGLE = frozenset({"idempotency-key"})
_VISIBLE = re.compile(r"[!-~]{1,128}")


def header_map(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers of an ASGI scope (names in lower case) by name.

    Repeated ones are joined with `, ` (RFC 9110, 5.3), so that a second `Authorization` or
    `Content-Encoding` spoils the first instead of hiding behind it. A key may hold that itself: of
    `Idempotency-Key` they are joined with REPEATED.
    """
    headers: dict[str, str] = {}
    for name, value in raw:
        key, text = name.decode("latin-1"), value.decode("latin-1")
        if key in headers:
            text = f"{headers[key]}{REPEATED if key in _SINGLE else ', '}{text}"
        headers[key] = text
    return headers


def request_id_of(headers: Mapping[str, str]) -> str:
    """The client's `X-Request-ID` when it is 1-128 visible ASCII characters, else a new UUID."""
    given = headers.get("x-request-id")
    return given if given is not None and _VISIBLE.fullmatch(given) else new_request_id()


def new_request_id() -> str:
    """A random UUID (RFC 9562, version 4) as text; the standard library's takes over twice as long."""
    digits = os.urandom(16).hex()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"
