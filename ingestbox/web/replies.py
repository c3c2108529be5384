"""How answers and errors look on the wire (contract: common, Answers)."""

from __future__ import annotations

import http
from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import Meta

from ingestbox.errors import MAX_FAULTS, Fault, IngestError
from ingestbox.route import Reply
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


def below(header: tuple[bytes, bytes], prefix: str) -> tuple[bytes, bytes]:
    """The header as it has to be below a path prefix: a client resolves `Location` against what it asked for,
    and that had the prefix (RFC 9110, 10.2.2)."""
    name, value = header
    return (name, prefix.encode("ascii") + value) if name == b"location" and value[:1] == b"/" else header


def error_fields(error: IngestError) -> tuple[tuple[str, str], ...]:
    """The headers that an error has wherever it is shown."""
    headers: tuple[tuple[str, str], ...] = ()
    if error.retry_after is not None:
        headers += (("retry-after", str(error.retry_after)),)
    return headers + error.headers if isinstance(error, Refusal) else headers


def wire_error(error: IngestError, shape: ErrorBody | None, request_id: str) -> Wire:
    """An error in a family's shape, or as an RFC 9457 problem."""
    headers: tuple[tuple[str, str], ...] = ()
    if shape is None:
        headers += (_PROBLEM,)
    if error.status == 401:
        headers += (("www-authenticate", "Bearer"),)
    headers += error_fields(error)
    body = shape(error, request_id) if shape else problem(error, request_id)
    return wire(Reply(body, error.status, headers), request_id)


class Problem(msgspec.Struct, frozen=True):
    """Why a call was refused, as RFC 9457 has it."""

    type: Annotated[str, Meta(description=f"`{PROBLEM_TYPE}` and the code: a name, not an address.")]
    title: Annotated[str, Meta(description="The status as a phrase.")]
    status: Annotated[int, Meta(description="The HTTP status.")]
    detail: Annotated[str, Meta(description="What is wrong, as a sentence.")]
    code: Annotated[str, Meta(description="The error, for programs.")]
    remedy: Annotated[str, Meta(description="What to do next, as a sentence.")]
    request_id: Annotated[str, Meta(description="The X-Request-ID of this answer.")]
    errors: Annotated[
        list[Fault],
        Meta(description=f"What is wrong with what was sent, to {MAX_FAULTS:,} faults; or empty."),
    ]


def problem(error: IngestError, request_id: str) -> Mapping[str, object]:
    """The error as a Problem, with what the error has beside it."""
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
