"""A call of the API as data: what web binds, and documents in /openapi.json."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from ingestbox.errors import IngestError
from ingestbox.model import Role

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]


class Reply(msgspec.Struct, frozen=True):
    """An answer: `body` is encoded as JSON, unless it is bytes that already are.

    A body that is an iterator (`AsyncIterator[bytes]`) is sent while it comes into being, as the Content-Type
    of `headers` says. If it raises, or the client goes away, or the box stops, the answer is cut off.
    """

    body: object
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()


class Parameter(msgspec.Struct, frozen=True):
    """One value that a call takes beside its body; those of the path are found there, and described here.

    `type` is a type as msgspec knows it (`Annotated[int, Meta(ge=1, le=500)]`, a `Literal`, a list of these);
    it documents what the handler checks.
    """

    name: str
    description: str
    type: Any = str
    place: Literal["query", "header", "path"] = "query"
    required: bool = False


class Answer(msgspec.Struct, frozen=True):
    """A success of a route: its status and the type of its body (None: there is none).

    `type` is what the handler returns, so that the documentation says what is sent; `media_type` is for
    bodies that are not JSON (those have no type). `headers` are those of the handler's own, each with a
    sentence; `some` those that only some of these answers have.
    """

    type: Any
    status: int = 200
    description: str = "Done."
    media_type: str = "application/json"
    headers: Mapping[str, str] = {}
    some: Mapping[str, str] = {}


class Body(msgspec.Struct, frozen=True):
    """What a body of one media type is: its `type` (of a line, for lines of JSON; None for plain text), a
    sentence, and an example as it is written."""

    type: Any
    description: str
    example: Any


class Route(msgspec.Struct, frozen=True):
    """One endpoint, as data: web binds it, and documents it in /openapi.json.

    `roles` empty admits every authenticated caller. `body_limit` names a field of `[limits]` ending in
    `_mb` or `_kb`; None means the call takes no body. `media_types` are the body's; `application/json` also
    admits every `…+json`. `rate` names a field of `[rates]`; calls are counted by caller, family and rate, or
    not at all if it is empty; those of a route that is `counted_alone` by its path too. Public routes are
    counted by address, and only under a rate of their own: a probe that is refused would look like a box that
    is down. With `upload` the body is a form
    (multipart/form-data) with one file, which is on disk when the handler is asked (`Ask.file`), and of which
    `body_limit` is the cap. `takes_records` says that the call makes work for the box, which refuses it while
    more records wait than `[limits] backlog_records`. With `wire` the handler also gets the body's bytes as
    they came (`Request.wire`).

    The rest is documentation, which tests hold against what the route does: `summary` is a phrase without a
    full stop; `body` is the type of the body, `example` one that the route takes, and `bodies` are those of
    media types that have others; `answers` its successes;
    `errors` are the codes of the catalogue (`errors.CATALOGUE`) that the handler raises of its own accord:
    what binding raises for every route (401, 403, 413, 415 …) is added by itself. `idempotent` says that the
    handler honours Idempotency-Key.
    """

    method: Method
    path: str
    handler: Callable[[Any], Awaitable[Reply]]
    summary: str
    roles: frozenset[Role] = frozenset()
    body_limit: str | None = None
    media_types: tuple[str, ...] = ("application/json",)
    rate: str = "requests"
    description: str = ""
    body: Any = None
    example: Any = None
    parameters: tuple[Parameter, ...] = ()
    answers: tuple[Answer, ...] = ()
    errors: tuple[str, ...] = ()
    idempotent: bool = False
    takes_records: bool = False
    upload: bool = False
    wire: bool = False
    counted_alone: bool = False
    bodies: Mapping[str, Body] = {}


DEFAULT_LIMIT = 50


MAX_LIMIT = 500


LIMIT = Parameter(
    "limit", f"How many; {DEFAULT_LIMIT} unless given.", Annotated[int, Meta(ge=1, le=MAX_LIMIT)]
)
"""The `limit` of a list, as `limit_of` reads it."""


def limit_of(query: Mapping[str, str]) -> int:
    """The `limit` of a list (contract: common, Answers). Raises IngestError `bad_parameter`."""
    text = query.get("limit", str(DEFAULT_LIMIT))
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= MAX_LIMIT):
        raise IngestError("bad_parameter", f"limit must be a whole number from 1 to {MAX_LIMIT}.")
    return int(text)
