"""The errors of a route: what its handler raises, and what the door raises for every route of its kind."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from ingestbox.errors import CATALOGUE, IngestError
from ingestbox.web.binding import COMMON_RATE, BoundRoute
from ingestbox.web.openapi.schemas import Schemas
from ingestbox.web.replies import Problem, problem

JSON = "application/json"
PROBLEM_JSON = "application/problem+json"

REQUEST_ID = "0192f0c1-7d5e-7a3b-9f10-2f5c1f0b7a44"
"""In examples of errors."""

UNPARSED = frozenset({"malformed_request", "header_incomplete", "header_too_large"})
"""Raised before the path is known, and so in no family's shape."""

TOO_MANY_CONNECTIONS = (503, "overloaded")
"""Raised before the path is known, for one connection too many; and after it, for what a handler would do."""

EVERY_ROUTE = (*UNPARSED, "bad_parameter", "host_not_allowed", "internal", "overloaded", "shutting_down")
WITH_CREDENTIALS = (
    "issuer_unavailable",
    "not_authenticated",
    "store_unavailable",  # a key is looked up, and most handlers read
    "token_expired",
    "token_invalid",
)
WITH_BODY = (
    "malformed_encoding",
    "body_incomplete",
    "payload_too_large",
    "unsupported_media_type",
)
WITH_FILE = ("malformed_multipart", "file_required", "file_type_not_supported", "file_empty")
IDEMPOTENT = ("idempotency_key_invalid", "request_in_progress", "idempotency_mismatch")


RATE_HEADERS = {
    "X-RateLimit-Limit": "RateLimitLimit",
    "X-RateLimit-Remaining": "RateLimitRemaining",
    "X-RateLimit-Reset": "RateLimitReset",
    "RateLimit": "RateLimit",
    "RateLimit-Policy": "RateLimitPolicy",
}
"""What every answer of a route with a rate says, from the moment at which its call was counted."""

UNCOUNTED = frozenset({421, 431})
"""Answered before a call is counted, whoever asks."""


def error_type(bound: BoundRoute) -> Any:
    """The type of the route's errors."""
    return bound.error_type or Problem


def is_counted(bound: BoundRoute) -> bool:
    """Whether the route can have a rate limit: see `route.Route`."""
    return bool(bound.route.rate) and not (bound.public and bound.route.rate == COMMON_RATE)


def tells_rate(bound: BoundRoute) -> bool:
    """Whether its answers can have RATE_HEADERS: the call is counted, by the door or by its own handler."""
    return is_counted(bound) or "rate_limited" in bound.route.errors


def refusals(bound: BoundRoute) -> list[tuple[int, str]]:
    """Every error that the route can answer with, as (its status here, code of the catalogue), sorted.

    Raises KeyError when the route declares one that is not in the catalogue.
    """
    route = bound.route
    found = {*EVERY_ROUTE, *route.errors}
    if not bound.public:
        found.update(WITH_CREDENTIALS)
    if route.roles:
        found.add("forbidden")
    if "{" in route.path:
        found.add("not_found")
    if route.body_limit is not None:
        found.update(WITH_BODY)
    if route.body_limit is not None and any(kind.endswith("json") for kind in route.media_types):
        found.add("malformed_json")
    if route.upload:
        found.update(WITH_FILE)
    if route.method != "GET" and not bound.public:
        found.add("storage_full")
    if route.idempotent:
        found.update(IDEMPOTENT)
    if is_counted(bound):
        found.add("rate_limited")
    pairs = {(bound.reworded(IngestError(code)).status, code) for code in found}
    if route.takes_records:
        pairs.add((429, "overloaded"))  # too many records wait already: see store.backlog
    return sorted(pairs)


def responses(bound: BoundRoute, schemas: Schemas) -> dict[int, dict[str, Any]]:
    """The error responses by status, in the family's shape, with the codes each may hold and examples."""
    grouped: defaultdict[int, list[str]] = defaultdict(list)
    for status, code in refusals(bound):
        grouped[status].append(code)
    return {status: _response(status, found, bound, schemas) for status, found in grouped.items()}


def examples(routes: Iterable[BoundRoute]) -> dict[str, Any]:
    """Every error that a route answers with, in its shape, as components of the document."""
    made: dict[str, Any] = {}
    for bound in routes:
        for status, code in refusals(bound):
            for kind, shape in _shapes(bound, status, code):
                value = shape(bound.reworded(IngestError(code, status=status)), REQUEST_ID)
                made[_example(kind, status, code)] = {
                    "summary": _sentence(code),
                    "value": msgspec.to_builtins(value),
                }
    return {name: made[name] for name in sorted(made)}


def _response(status: int, found: list[str], bound: BoundRoute, schemas: Schemas) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for kind, media_type in ((bound.error_type, JSON), (Problem, PROBLEM_JSON)):
        of_kind = [code for code in found if kind and kind.__name__ in dict(_shapes(bound, status, code))]
        if of_kind:
            content[media_type] = _content(status, of_kind, schemas.of(kind), kind.__name__)
    headers = {"X-Request-ID": header("RequestId")}
    if status == 401:
        headers["WWW-Authenticate"] = header("Challenge")
    if status in (409, 429, 503, 507):
        headers["Retry-After"] = header("RetryAfter")
    if status == 415:
        headers["Accept-Encoding"] = header("AcceptEncoding")
    if tells_rate(bound) and status not in UNCOUNTED and (status != 401 or bound.public):
        headers |= {name: header(each) for name, each in RATE_HEADERS.items()}
    lines = [f"- `{code}`: {_sentence(code)} {CATALOGUE[code].remedy}" for code in found]
    return {"description": "\n".join(lines), "headers": headers, "content": content}


def _content(status: int, found: list[str], schema: dict[str, Any], kind: str) -> dict[str, Any]:
    shown = {code: {"$ref": f"#/components/examples/{_example(kind, status, code)}"} for code in found}
    of_these = {"properties": {"code": {"enum": found}}}
    return {"schema": {"allOf": [schema, of_these]}, "examples": shown}


def _shapes(
    bound: BoundRoute, status: int, code: str
) -> Iterator[tuple[str, Callable[[IngestError, str], Any]]]:
    """How the route may show an error, with the name of the type."""
    early = code in UNPARSED
    if bound.error_body is not None and not early:
        yield bound.error_type.__name__, bound.error_body
    if bound.error_body is None or early or (status, code) == TOO_MANY_CONNECTIONS:
        yield Problem.__name__, problem


def _example(kind: str, status: int, code: str) -> str:
    return f"{kind}.{status}.{code}"


def _sentence(code: str) -> str:
    return CATALOGUE[code].sentence.rstrip(".") + "."


def header(name: str) -> dict[str, str]:
    """A reference to a header of the document."""
    return {"$ref": f"#/components/headers/{name}"}
