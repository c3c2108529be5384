"""Request headers as the door reads them."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Mapping

_VISIBLE = re.compile(r"[!-~]{1,128}")


def header_map(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers of an ASGI scope (names in lower case) by name.

    Repeated ones are joined with `, ` (RFC 9110, 5.3), so that a second `Authorization` or
    `Content-Encoding` spoils the first instead of hiding behind it.
    """
    headers: dict[str, str] = {}
    for name, value in raw:
        key, text = name.decode("latin-1"), value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return headers


def request_id_of(headers: Mapping[str, str]) -> str:
    """The client's `X-Request-ID` when it is 1-128 visible ASCII characters, else a new UUID."""
    given = headers.get("x-request-id")
    return given if given is not None and _VISIBLE.fullmatch(given) else str(uuid.uuid4())
