"""`route.Route` data bound to the door: what a handler is given, and the endpoint that gives it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Protocol
from urllib.parse import parse_qsl

import msgspec

from ingestbox.config import MIB, Limits, Rates, Settings
from ingestbox.errors import IngestError
from ingestbox.family import Box
from ingestbox.identity.guard import Guard
from ingestbox.model import Caller
from ingestbox.route import Reply, Route
from ingestbox.sheet import Upload
from ingestbox.web.bodies import Body, check_content_type, content_encoding
from ingestbox.web.budget import Budget
from ingestbox.web.policy.origin import Origin
from ingestbox.web.policy.ratelimit import Quota
from ingestbox.web.uploads import Uploads

ErrorBody = Callable[[IngestError, str], dict[str, object]]
"""The body of an error reply, from the error and the request id."""


class Failed(msgspec.Struct, frozen=True):
    """A request that is answered with an error, as a page for people has to know it; `caller` is `ANONYMOUS`
    until somebody is known. `body` is the form of one who was not known, as far as it could be read."""

    caller: Caller
    method: str
    url_path: str
    query_string: str
    headers: Mapping[str, str]
    origin: Origin
    request_id: str
    body: bytes = b""


Handler = Callable[[Any], Awaitable[Reply]]

ErrorPage = Callable[[IngestError, Failed], Reply]
"""An error as a page: for routes that people look at."""


class Gate(Protocol):
    """Who calls, for routes that take other credentials than those of the API (`Guard`)."""

    async def caller(self, method: str, headers: Mapping[str, str], origin: Origin) -> Caller:
        """Who sends a request with these headers (by lower-case name). Raises IngestError."""


ANONYMOUS = Caller("anonymous", "", frozenset())
"""Who asks on a public route."""

MAX_PARAMETERS = 100

MAX_FORM_BYTES = 65_536
"""Of a form that is kept for who was not known: anybody can send one, and reading takes time."""

COMMON_RATE = "requests"
"""The rate of a route that names none."""

_NO_QUERY: Mapping[str, str] = {}
_DEFAULTS = Settings()


def _as_it_is(error: IngestError) -> IngestError:
    return error


class BoundRoute(msgspec.Struct, frozen=True):
    """A route, how its errors look (None: RFC 9457 problems), and whether it needs no credentials.

    `error_type` is the type of what `error_body` gives (None: a problem), and `tag` the heading under which
    the route is documented; empty, it is found from the path. `reworded` puts an error into the family's own
    words and status first. `error_page` takes the place of `error_body` where people read, `gate` that of the
    API's credentials.
    """

    route: Route
    error_body: ErrorBody | None = None
    public: bool = False
    error_type: Any = None
    tag: str = ""
    reworded: Callable[[IngestError], IngestError] = _as_it_is
    error_page: ErrorPage | None = None
    gate: Gate | None = None


class Request:
    """One request, authenticated and with its body read and decompressed (`family.Ask`).

    `url_path` is what was asked for, `route_path` the route's template; `query_string` is as sent. `headers`
    are by lower-case name, repeated ones joined with `, `. Of a repeated query parameter the last one counts.
    `wire_sha256` is `Body.wire_sha256`; `wire` are the body's bytes as they came, of a route that asks for
    them.
    """

    __slots__ = (
        "body",
        "box",
        "caller",
        "file",
        "headers",
        "limits",
        "method",
        "origin",
        "path",
        "query",
        "query_string",
        "request_id",
        "route_path",
        "settings",
        "url_path",
        "wire",
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
        file: Upload | None = None,
        wire: bytes = b"",
        settings: Settings = _DEFAULTS,
    ) -> None:
        """Raises IngestError `bad_parameter` when the query string cannot be read."""
        self.caller = caller
        self.box = box
        self.limits = limits
        self.settings = settings
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
        self.wire = wire
        self.file = file


class Endpoint:
    """One method of one path: authenticates, checks roles, reads the body, asks the handler."""

    __slots__ = (
        "_bound",
        "_box",
        "_budget",
        "_guard",
        "_limit",
        "_limits",
        "_settings",
        "_stall",
        "_uploads",
        "error_body",
        "error_page",
        "method",
        "path",
        "quota",
        "reworded",
        "takes_records",
    )

    def __init__(
        self,
        bound: BoundRoute,
        *,
        guard: Guard,
        box: Box,
        limits: Limits,
        budget: Budget,
        rates: Rates | None = None,
        uploads: Uploads | None = None,
        settings: Settings = _DEFAULTS,
    ) -> None:
        """`budget` is the one of all endpoints. Raises ValueError when the route's `body_limit` is not a size
        in `limits`, its `rate` is not in `rates`, or it takes a file and there is nowhere to put it."""
        if bound.route.upload and (uploads is None or bound.route.body_limit is None):
            raise ValueError(f"{bound.route.path} takes files")
        self._uploads = uploads
        self._budget = budget
        self._bound = bound
        self._guard = guard
        self._box = box
        self._limit = bytes_of(bound.route.body_limit, limits)
        self._limits = limits
        self._settings = settings
        self._stall = limits.body_stall_seconds
        self.quota = _quota(bound, rates or Rates())
        self.takes_records = bound.route.takes_records
        self.error_body = bound.error_body
        self.error_page = bound.error_page
        self.reworded = bound.reworded
        self.method = bound.route.method
        self.path = bound.route.path

    async def authenticate(self, headers: Mapping[str, str], origin: Origin) -> Caller:
        """Who calls. Raises IngestError (401s, and what a gate refuses)."""
        if self._bound.public:
            return ANONYMOUS
        if self._bound.gate is not None:
            return await self._bound.gate.caller(self.method, headers, origin)
        return await self._guard.caller(headers)

    def authorize(self, caller: Caller) -> None:
        """Raises IngestError `forbidden` when the route does not admit the caller."""
        roles = self._bound.route.roles
        if roles and not self._bound.public and not caller.may(roles):
            raise IngestError("forbidden", f"This call needs one of the roles {', '.join(sorted(roles))}.")

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
        hold = self._budget.hold()
        file: Upload | None = None
        try:
            content = wire = b""
            if self._bound.route.upload:
                assert self._uploads is not None
                assert self._limit is not None  # __init__ has looked
                file = await self._uploads.receive(body, headers, self._limit, self._stall, hold)
            elif self._limit is not None:
                check_content_type(headers, self._bound.route.media_types)
                coding = content_encoding(headers)
                kept = self._bound.route.wire and coding is not None
                if kept:
                    body.keep_wire()
                content = await body.read(self._limit, coding, self._stall, hold)
                if self._bound.route.wire:
                    wire = body.wire if kept else content
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
                file=file,
                wire=wire,
                settings=self._settings,
            )
            return await self.handle(request)
        finally:
            hold.release()  # the handler keeps the body, and what it made of it, to its end
            if file is not None and self._uploads is not None:
                await self._uploads.end(file)

    async def form(self, headers: Mapping[str, str], body: Body) -> bytes:
        """What a person sent whom the gate refused, so that it is not lost: a form, no file and not over
        MAX_FORM_BYTES; or nothing."""
        if self._bound.gate is None or self._limit is None or self._bound.route.upload:
            return b""
        hold = self._budget.hold()
        try:
            check_content_type(headers, self._bound.route.media_types)
            limit = min(self._limit, MAX_FORM_BYTES)
            return await body.read(limit, content_encoding(headers), self._stall, hold)
        except IngestError:
            return b""
        finally:
            hold.release()

    async def handle(self, request: Request) -> Reply:
        """The handler's reply to a request that is authenticated and read. Raises IngestError."""
        return await self._bound.route.handler(request)


class Binding:
    """What endpoints are made over: the same for all routes of a box."""

    def __init__(
        self,
        *,
        guard: Guard,
        box: Box,
        limits: Limits,
        rates: Rates | None = None,
        uploads: Uploads | None = None,
        settings: Settings = _DEFAULTS,
    ) -> None:
        self._guard = guard
        self._box = box
        self._limits = limits
        self._settings = settings
        self._rates = rates
        self._uploads = uploads
        self._budget = Budget(limits.bodies_mb * MIB)

    def endpoints(self, routes: Iterable[BoundRoute]) -> list[Endpoint]:
        """An endpoint for each route.

        Raises ValueError when a route names a body limit that is not a size in `[limits]` or a rate that is
        not in `[rates]`, or takes a file and there is nowhere to put it.
        """
        return [
            Endpoint(
                route,
                guard=self._guard,
                box=self._box,
                limits=self._limits,
                budget=self._budget,
                rates=self._rates,
                uploads=self._uploads,
                settings=self._settings,
            )
            for route in routes
        ]


def _quota(bound: BoundRoute, rates: Rates) -> Quota | None:
    route = bound.route
    if not route.rate or (bound.public and route.rate == COMMON_RATE):
        return None
    if route.rate not in Rates.__struct_fields__:
        raise ValueError(f"{route.rate} is not in [rates]")
    per_minute: int = getattr(rates, route.rate)
    group = "v1" if route.path.startswith("/v1/") else bound.tag
    if route.counted_alone:
        group = f"{group}:{route.path}"
    return Quota(route.rate, per_minute, group, by_address=bound.public) if per_minute else None


def bytes_of(name: str | None, limits: Limits) -> int | None:
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
