"""Links that are used once, to set a password: what they hold, and what is kept of it."""

from __future__ import annotations

import base64
import hashlib
import secrets

PREFIX = "ibi_"
"""Begins what a link holds, so that it is known wherever it turns up."""

PATH = "/console/setup/"
"""A link is this path and what it holds."""

SECRET_BYTES = 32

DAYS = 7
"""How long a user has to follow an invitation."""

SET_UP_HOURS = 24
"""How long the link is good that makes the first administrator."""


def new_link(material: bytes | None = None) -> str:
    """What a link holds: 256 random bits, or those of `material`."""
    secret = secrets.token_bytes(SECRET_BYTES) if material is None else material[:SECRET_BYTES]
    return PREFIX + base64.urlsafe_b64encode(secret).decode().rstrip("=")


def link_digest(link: str) -> bytes:
    """What the store knows it by (SHA-256)."""
    return hashlib.sha256(link.encode(errors="surrogatepass")).digest()


def until_ms(now_ms: int, *, days: int = 0, hours: int = 0) -> int:
    """When a link that is made now ends."""
    return now_ms + (days * 24 + hours) * 3_600_000
