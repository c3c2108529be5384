"""Content codings of bodies: the one that is set, and what to fall back to when the upstream takes it not."""

from __future__ import annotations

import gzip
import sys

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ZSTD_LEVEL = 1
GZIP_LEVEL = 1

CODINGS = ("zstd", "gzip", "none")
"""In the order in which they are tried: after a 415 the next (contract: forwarding, The request)."""


def compressed(text: bytes, coding: str) -> bytes:
    """The text in a content coding; the same text gives the same bytes."""
    if coding == "zstd":
        return zstd.compress(text, level=ZSTD_LEVEL)
    return gzip.compress(text, compresslevel=GZIP_LEVEL, mtime=0) if coding == "gzip" else text


def simpler(coding: str) -> str | None:
    """What to try when an upstream does not take a coding; None when it takes not even plain text."""
    after = CODINGS[CODINGS.index(coding) + 1 :]
    return after[0] if after else None


def header(coding: str) -> dict[str, str]:
    """The Content-Encoding of a body; plain text has none (RFC 9110, section 8.4)."""
    return {} if coding == "none" else {"Content-Encoding": coding}
