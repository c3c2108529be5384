"""How answers and errors look on the wire (contract: common, Answers)."""

from __future__ import annotations

import http
from collections.abc import Mapping

import msgspec

from ingestbox.errors import IngestError
from ingestbox.family import Reply
from ingestbox.web.binding import ErrorBody
from ingestbox.web.refusals import Refusal

PROBLEM_TYPE = "urn:ingestbox:error:"
"""The `type` of a problem is this and its code: a name, not an address, since a box is often offline."""

_encode = msgspec.json.Encoder().encode

_JSON = (b"content-type", b"application/json")
_PROBLEM = ("content-type", "application/problem+json")
COMMON_HEADERS = ((b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store"))
_NO_CONTENT = frozenset({204, 304})


class Wire(msgspec.Struct):
    """An answer as the server sends it: encoded, with its headers (names in lower case)."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


def wire(reply: Reply, request_id: str) -> Wire:
    """Encodes a reply. Raises TypeError or ValueError when its body or a header cannot be."""
    status = reply.status
    if status in _NO_CONTENT:
        body, headers = b"", []
    else:
        body = reply.body if type(reply.body) is bytes else _encode(reply.body)
        headers = [_JSON, (b"content-length", b"%d" % len(body))]
    headers += COMMON_HEADERS
    headers.append((b"x-request-id", request_id.encode("ascii")))
    for name, value in reply.headers:
        if not value.isprintable():
            raise ValueError(f"the value of the header {name} has a control character")
        pair = (name.lower().encode("ascii"), value.encode("latin-1"))
        headers = [each for each in headers if each[0] != pair[0] or pair[0] == b"set-cookie"]
        headers.append(pair)
    return Wire(status, headers, body)


def wire_error(error: IngestError, shape: ErrorBody | None, request_id: str) -> Wire:
    """An error in a family's shape, or as an RFC 9457 problem."""
    headers: tuple[tuple[str, str], ...] = ()
    if shape is None:
        headers += (_PROBLEM,)
    if error.status == 401:
        headers += (("www-authenticate", "Bearer"),)
    if error.retry_after is not None:
        headers += (("retry-after", str(error.retry_after)),)
    if isinstance(error, Refusal):
        headers += error.headers
    body = shape(error, request_id) if shape else problem(error, request_id)
    return wire(Reply(body, error.status, headers), request_id)


def problem(error: IngestError, request_id: str) -> Mapping[str, object]:
    """The error as RFC 9457 has it, with `code`, `request_id`, `errors` and what to do next (`remedy`)."""
    try:
        title = http.HTTPStatus(error.status).phrase
    except ValueError:
        title = "Error"
    members: dict[str, object] = {
        "type": PROBLEM_TYPE + error.code,
        "title": title,
        "status": error.status,
        "detail": error.detail,
        "code": error.code,
        "remedy": error.remedy,
        "request_id": request_id,
        "errors": error.faults,
    }
    members.update(error.extra)
    return members
