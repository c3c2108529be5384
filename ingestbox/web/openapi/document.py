"""The whole document: OpenAPI 3.1.1, from the bound routes and their wire types."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from ingestbox import __version__
from ingestbox.config import Limits, Rates
from ingestbox.web.binding import BoundRoute
from ingestbox.web.inflate import ENCODINGS
from ingestbox.web.openapi import errors
from ingestbox.web.openapi.operations import operation, path_of, tag_of, types_of
from ingestbox.web.openapi.schemas import Schemas

VERSION = "3.1.1"
SERVICE = "service"

DESCRIPTION = """\
A self-contained ingest appliance: takes records in, never loses one it said yes to, analyses them, and
forwards the results upstream when it can.

**Who is asking.** Send `Authorization: Bearer <token>` (a JWT, or an API key that begins with `ibk_`), or
`X-API-Key: <key>`. A token decides alone when both are sent. Without credentials the answer is 401 with
`WWW-Authenticate: Bearer`; with credentials whose roles do not suffice it is 403. The role `admin` implies
all others. What another workspace holds does not exist for you: 404.

**Writes.** A success is answered once the change is on disk. Calls that create take an `Idempotency-Key`: the
same key with the same content gets the first answer again, with `Idempotency-Replayed: true`.

**Bodies.** JSON is strict (RFC 8259, UTF-8, no NaN, a depth of at most 64); of a name that comes twice the
last value counts. Bodies may be compressed, see `Content-Encoding`. The limits hold for the bytes on the wire
and for those after decompression. Calls without a body ignore one.

**Errors.** Each family of calls has one shape of errors; calls of `/v1` answer RFC 9457 problems. Each error
has a `code` for programs, and every code is listed where it can come. A request that cannot be read as HTTP
is answered with a problem, whatever its path. 429, 503 and 507 say in `Retry-After` when to come back.

**Lists.** Those with pages take `limit` and `cursor`, and give `next_cursor`: null at the end.

Times are ISO 8601 in UTC, ending in `Z`. `HEAD` is answered wherever `GET` is. Every answer carries
`X-Request-ID`.
"""

SECURITY = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A JWT of this box or of a configured issuer; an API key (`ibk_…`) is taken here too.",
    },
    "apiKey": {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "An API key, as `ingestbox key create` prints it.",
    },
}

PARAMETERS = {
    "RequestId": {
        "name": "X-Request-ID",
        "in": "header",
        "description": "Names the request in answer and log: 1 to 128 visible ASCII characters. Otherwise "
        "the box makes one.",
        "schema": {"type": "string"},
    },
    "IdempotencyKey": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "Makes repeating the call harmless: the same key with the same content gets the "
        "stored answer. A new UUID for new content.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    },
    "ContentEncoding": {
        "name": "Content-Encoding",
        "in": "header",
        "description": f"How the body is compressed, if it is: {', '.join(ENCODINGS)}, written as RFC 9110 "
        "allows. Anything else is answered with 415.",
        "schema": {"type": "string", "examples": [*ENCODINGS]},
    },
}


def _text(description: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "string"}}


def _number(description: str, least: int = 0) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "integer", "minimum": least}}


HEADERS = {
    "RequestId": {**_text("The request's id: the client's own, or a new one."), "required": True},
    "RetryAfter": _number("Seconds to wait before the next try."),
    "Challenge": {
        "description": "How to authenticate.",
        "required": True,
        "schema": {"type": "string", "const": "Bearer"},
    },
    "AcceptEncoding": _text("The content codings that are taken, where the one sent is not."),
    "IdempotencyReplayed": {
        "description": "`true` when this is the stored answer to an earlier call with the same key.",
        "schema": {"type": "string", "const": "true"},
    },
    "RateLimitLimit": _number("Calls a minute, where the call has a rate limit.", 1),
    "RateLimitRemaining": _number("Calls left at the moment."),
    "RateLimitReset": _number("When the whole allowance is there again, in Unix seconds."),
    "RateLimit": _text("What is left and when, as a structured field."),
    "RateLimitPolicy": _text("The rate limit, as a structured field."),
}


def build(routes: Sequence[BoundRoute], *, limits: Limits, rates: Rates, prefix: str) -> dict[str, Any]:
    """The document of a box with these routes. Equal routes make equal documents.

    `prefix` is `[server] prefix`. Raises KeyError for a declared error that the catalogue does not have, and
    TypeError for a type without a schema.
    """
    schemas = Schemas([kind for bound in routes for kind in types_of(bound)])
    paths: dict[str, dict[str, Any]] = {}
    for bound in routes:
        methods = paths.setdefault(path_of(bound), {})
        methods[bound.route.method.lower()] = operation(bound, schemas, limits, rates)
    responses = _shared(paths)
    return {
        "openapi": VERSION,
        "info": {
            "title": "ingestbox",
            "version": __version__,
            "description": DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": servers(prefix),
        "tags": [{"name": name} for name in _tags(routes)],
        "paths": {path: paths[path] for path in sorted(paths)},
        "components": {
            "schemas": schemas.components,
            "responses": responses,
            "examples": errors.examples(routes),
            "parameters": PARAMETERS,
            "headers": HEADERS,
            "securitySchemes": SECURITY,
        },
    }


def servers(prefix: str) -> list[dict[str, str]]:
    """Where the box is, for a client that has the document from it."""
    return [{"url": prefix or "/", "description": "This box"}]


def _shared(paths: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Responses that several operations have, as components; those operations then refer to them."""
    places: dict[bytes, list[dict[str, Any]]] = {}
    for path in sorted(paths):
        for each in paths[path].values():
            for status, response in each["responses"].items():
                key = status.encode() + msgspec.json.encode(response)
                places.setdefault(key, []).append(each["responses"])
    found: dict[str, Any] = {}
    numbers: Counter[str] = Counter()
    for key, users in places.items():
        if len(users) < 2:
            continue
        status = key[:3].decode()
        numbers[status] += 1
        name = f"{status}.{numbers[status]}"
        found[name] = users[0][status]
        for responses in users:
            responses[status] = {"$ref": f"#/components/responses/{name}"}
    return found


def _tags(routes: Iterable[BoundRoute]) -> list[str]:
    """Families first, then the resources of `/v1`, then the service."""
    families = {bound.tag for bound in routes if bound.tag and bound.tag != SERVICE}
    others = {tag_of(bound) for bound in routes} - families - {SERVICE}
    return [*sorted(families), *sorted(others), SERVICE]
