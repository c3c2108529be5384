"""The head of a request: what the parser lets through, and the box does not."""

from __future__ import annotations

import re
from collections.abc import Iterable

import httptools

from ingestbox.errors import IngestError

MAX_HEAD_BYTES = 65_536
"""The request line and the headers. A token has at most 16 KiB; common servers take 8 to 64."""

_HOST = re.compile(rb"(?:[A-Za-z0-9._~!$&'()*+,;=%-]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]*)?")


class HeadTooLarge(Exception):  # noqa: N818 - says what happened
    """Raised into the parser, which gives up."""


class BadHead(Exception):  # noqa: N818 - says what happened
    """Raised into the parser, which gives up, with a sentence for the client."""


def body_length(headers: Iterable[tuple[bytes, bytes]], version: str) -> int:
    """The Content-Length, or 0; names are in lower case, and the parser has checked that it is a number.

    Raises BadHead for another version or transfer coding than there are, and unless there is one Host
    (RFC 9112, 2.3, 6.1 and 3.2).
    """
    hosts = []
    length = 0
    for name, value in headers:
        if name == b"host":
            hosts.append(value)
        elif name == b"content-length":
            length = int(value)
        elif name == b"transfer-encoding" and value.lower() != b"chunked":
            raise BadHead("The only Transfer-Encoding that is supported is chunked (RFC 9112, 6.1).")
    if version not in ("1.1", "1.0"):
        raise BadHead("The request must be of HTTP/1.1 or HTTP/1.0.")
    if len(hosts) > 1 or (not hosts and version == "1.1") or (hosts and not _HOST.fullmatch(hosts[0])):
        raise BadHead("The request must have one Host header with a valid name (RFC 9112, 3.2).")
    return length


def without_offer(
    method: bytes, target: bytes, version: str, headers: Iterable[tuple[bytes, bytes]]
) -> bytes:
    """The head again, without the offer of another protocol."""
    lines = [b"%s %s HTTP/%s" % (method, target, version.encode())]
    lines += [b"%s: %s" % each for each in headers if each[0] != b"upgrade"]
    return b"\r\n".join([*lines, b"", b""])


def reason(error: httptools.HttpParserError) -> IngestError:
    """What stopped the parser."""
    if isinstance(error.__context__, HeadTooLarge):
        return IngestError("header_too_large")
    if isinstance(error.__context__, BadHead):
        return IngestError("malformed_request", str(error.__context__))
    return IngestError("malformed_request")
