"""`family.Route` data bound to the door: what a handler is given, and the endpoint that gives it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl

import msgspec

from ingestbox.config import MIB, Limits
from ingestbox.errors import IngestError
from ingestbox.family import Box, Reply, Route
from ingestbox.identity.guard import Guard
from ingestbox.model import Caller
from ingestbox.web.bodies import Body, check_content_type, content_encoding
from ingestbox.web.origin import Origin

ErrorBody = Callable[[IngestError, str], dict[str, object]]
"""The body of an error reply, from the error and the request id."""

ANONYMOUS = Caller("anonymous", "", frozenset())
"""Who asks on a public route."""

MAX_PARAMETERS = 100

_NO_QUERY: Mapping[str, str] = {}


class BoundRoute(msgspec.Struct, frozen=True):
    """A route, how its errors look (None: RFC 9457 problems), and whether it needs no credentials."""

    route: Route
    error_body: ErrorBody | None = None
    public: bool = False


class Request:
    """One request, authenticated and with its body read and decompressed (`family.Ask`).

    `url_path` is what was asked for, `route_path` the route's template; `query_string` is as sent. `headers`
    are by lower-case name, repeated ones joined with `, `. Of a repeated query parameter the last one counts.
    `wire_sha256` is `Body.wire_sha256`.
    """

    __slots__ = (
        "body",
        "box",
        "caller",
        "headers",
        "limits",
        "method",
        "origin",
        "path",
        "query",
        "query_string",
        "request_id",
        "route_path",
        "url_path",
        "wire_sha256",
    )

    def __init__(
        self,
        *,
        caller: Caller,
        box: Box,
        limits: Limits,
        method: str,
        url_path: str,
        route_path: str,
        path: Mapping[str, str],
        query_string: bytes,
        headers: Mapping[str, str],
        origin: Origin,
        request_id: str,
        body: bytes,
        wire_sha256: bytes,
    ) -> None:
        """Raises IngestError `bad_parameter` when the query string cannot be read."""
        self.caller = caller
        self.box = box
        self.limits = limits
        self.method = method
        self.url_path = url_path
        self.route_path = route_path
        self.path = path
        self.query_string = query_string.decode("latin-1")
        self.query = _query(self.query_string) if query_string else _NO_QUERY
        self.headers = headers
        self.origin = origin
        self.request_id = request_id
        self.body = body
        self.wire_sha256 = wire_sha256


class Endpoint:
    """One method of one path: authenticates, checks roles, reads the body, asks the handler."""

    __slots__ = ("_bound", "_box", "_guard", "_limit", "_limits", "_stall", "error_body", "method", "path")

    def __init__(self, bound: BoundRoute, *, guard: Guard, box: Box, limits: Limits) -> None:
        """Raises ValueError when the route's `body_limit` is not a size in `limits`."""
        self._bound = bound
        self._guard = guard
        self._box = box
        self._limit = _bytes_of(bound.route.body_limit, limits)
        self._limits = limits
        self._stall = limits.body_stall_seconds
        self.error_body = bound.error_body
        self.method = bound.route.method
        self.path = bound.route.path

    async def authenticate(self, headers: Mapping[str, str]) -> Caller:
        """The caller, when the route admits them. Raises IngestError (401s, forbidden)."""
        if self._bound.public:
            return ANONYMOUS
        caller = await self._guard.caller(headers)
        roles = self._bound.route.roles
        if roles and not caller.may(roles):
            raise IngestError("forbidden", f"This call needs one of the roles {', '.join(sorted(roles))}.")
        return caller

    async def answer(
        self,
        *,
        caller: Caller,
        method: str,
        url_path: str,
        path: Mapping[str, str],
        query_string: bytes,
        headers: Mapping[str, str],
        origin: Origin,
        request_id: str,
        body: Body,
    ) -> Reply:
        """The handler's reply. Raises IngestError (from the body, the query or the handler)."""
        content = b""
        if self._limit is not None:
            check_content_type(headers, self._bound.route.media_types)
            content = await body.read(self._limit, content_encoding(headers), self._stall)
        request = Request(
            caller=caller,
            box=self._box,
            limits=self._limits,
            method=method,
            url_path=url_path,
            route_path=self.path,
            path=path,
            query_string=query_string,
            headers=headers,
            origin=origin,
            request_id=request_id,
            body=content,
            wire_sha256=body.wire_sha256,
        )
        return await self._bound.route.handler(request)


def _bytes_of(name: str | None, limits: Limits) -> int | None:
    """The cap that a route names: a field of `[limits]` in MB (1,048,576 bytes) or KB (1,024 bytes)."""
    if name is None:
        return None
    unit = {"mb": MIB, "kb": 1024}.get(name.rpartition("_")[2])
    if unit is None or name not in Limits.__struct_fields__:
        raise ValueError(f"{name} is not a size in [limits]")
    size: int = getattr(limits, name)
    return size * unit


def _query(text: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_PARAMETERS)
    except UnicodeDecodeError:
        raise IngestError("bad_parameter", "The query string is not UTF-8.") from None
    except ValueError:
        raise IngestError("bad_parameter", f"There are over {MAX_PARAMETERS} query parameters.") from None
    return dict(pairs)
