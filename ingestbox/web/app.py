"""The ASGI application: gives every request an id, an endpoint, one reply, one line in the log."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections.abc import AsyncIterator, Callable, Mapping, MutableMapping, Sequence
from typing import Any, cast

from ingestbox import logs
from ingestbox.clock import Clock
from ingestbox.config import Limits
from ingestbox.errors import IngestError
from ingestbox.family import Box
from ingestbox.identity.guard import Guard
from ingestbox.identity.links import PREFIX
from ingestbox.route import Reply
from ingestbox.web.accesslog import AccessLog
from ingestbox.web.binding import ANONYMOUS, Binding, BoundRoute, Endpoint, Failed
from ingestbox.web.bodies import Body, Receive
from ingestbox.web.headers import header_map, request_id_of
from ingestbox.web.idempotency import named
from ingestbox.web.policy.cors import Fields, is_preflight
from ingestbox.web.policy.origin import Origin
from ingestbox.web.policy.paths import path_of, plain, without_prefix
from ingestbox.web.policy.policies import Policies
from ingestbox.web.policy.ratelimit import Buckets, refused
from ingestbox.web.replies import COMMON_HEADERS, Wire, below, error_fields, wire, wire_error
from ingestbox.web.routing import Table
from ingestbox.web.streams import Send, Streamed, flowing
from ingestbox.web.uploads import Uploads

Scope = MutableMapping[str, Any]

RETRY_SECONDS = 5
"""`Retry-After` while the box stops: about what a restart takes."""

DRAIN_BYTES = 1_048_576
DRAIN_SECONDS = 1.0
"""The rest of a refused body up to this is taken before the answer, so that the connection stays usable."""

LINGER_BYTES = 64 * 1_048_576
LINGER_SECONDS = 5.0
"""A larger rest is taken after the answer, up to this, before the connection closes: a client that still
writes would otherwise get a reset and never read the answer."""

IDLE_SECONDS = 1.0
"""Both end when the client sends nothing for this long."""

CLIENT_GONE = "client_disconnected"

Observe = Callable[[str, str | None, int, float, int, str | None], None]
"""Hears of each answer: method, route (its template; None: there is none), status, seconds (negative for a
stream), bytes of the body as declared (0: none, or refused), the error's code."""

_LINK = re.compile(re.escape(PREFIX) + r"[^/]*")

log = logging.getLogger("ingestbox.web")


class _Asked:
    """A request on its way through the door: what its head says, and what is found out about it."""

    __slots__ = (
        "body",
        "caller",
        "endpoint",
        "fields",
        "form",
        "headers",
        "origin",
        "path",
        "request_id",
        "scope",
        "url_path",
    )

    def __init__(
        self,
        scope: Scope,
        headers: Mapping[str, str],
        origin: Origin,
        body: Body,
        request_id: str,
        path: str,
        url_path: str,
    ) -> None:
        """`path` is what routes are found by (paths.path_of); `url_path` is the same as people read it."""
        self.scope = scope
        self.headers = headers
        self.origin = origin
        self.body = body
        self.request_id = request_id
        self.path = path
        self.url_path = url_path
        self.endpoint: Endpoint | None = None
        self.caller = ANONYMOUS
        self.fields: Fields = ()
        """Headers for the answer, whatever it is."""
        self.form = b""
        """What somebody sent who was not known, where a page may give it back to them."""


class Door:
    """The application that the server runs. `drain()` it before stopping."""

    def __init__(self, table: Table, clock: Clock, policies: Policies, observe: Observe) -> None:
        self._table = table
        self._observe = observe
        self._clock = clock
        self._policies = policies
        self._access = AccessLog()
        self._draining = False

    def drain(self) -> None:
        """From now on new requests get 503 `shutting_down`; those under way are answered."""
        self._draining = True
        self._access.flush()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI 3. Only HTTP: the server has web sockets and lifespan events off."""
        if scope["type"] != "http":
            raise ValueError(f"the door takes no {scope['type']} connections")
        started = self._clock.monotonic()
        asked = self._asked(scope, receive)
        logs.request_id.set(asked.request_id)
        logs.user_id.set(None)  # a pipelined request begins in the context of the one before it
        close = self._draining
        failure: IngestError | None = None
        reply: Reply | None = None
        try:
            reply = await self._reply(asked)
            if isinstance(reply.body, AsyncIterator):
                reply = flowing(reply, reply.body, lambda: self._draining)
            answer = wire(reply, asked.request_id)
            if asked.origin.prefix:
                answer.headers = [below(each, asked.origin.prefix) for each in answer.headers]
        except IngestError as error:
            failure = error
            # Its frames hold the body, which is not counted any more, until the answer is out.
            failure.__traceback__ = failure.__context__ = None
        except asyncio.CancelledError:
            # Only the server cancels a request: its time to stop is over. The client learns it may try again.
            failure = IngestError("shutting_down", retry_after=RETRY_SECONDS)
            close = True
        except Exception:
            log.exception("a request failed", extra={"method": scope["method"], "path": _path(scope)})
            failure = IngestError("internal")
        if failure:
            close = close or failure.code == "body_incomplete"
            endpoint = asked.endpoint
            failure = endpoint.reworded(failure) if endpoint else failure
            answer = self._error(failure, asked)
        fields = asked.fields
        if self._policies.cors:
            fields += self._policies.cors.fields(asked.headers.get("origin"))
        if fields:
            answer.headers.extend(fields)
        streamed = isinstance(reply, Streamed) and failure is None
        if streamed:
            await _stream(cast("Streamed", reply), scope, receive, send, asked.request_id, fields)
        elif failure is None or failure.code != CLIENT_GONE:
            await _deliver(answer, asked.body, send, close)
        self._note(asked, answer.status, self._clock.monotonic() - started, failure, streamed)

    def _asked(self, scope: Scope, receive: Receive) -> _Asked:
        """What the head of a request says."""
        headers = header_map(scope["headers"])
        path = url_path = scope["path"]
        if b"%" in scope["raw_path"]:
            path = path_of(scope)
        if self._policies.prefix:
            path = self._below_prefix(path)
            url_path = plain(path)
        return _Asked(
            scope,
            headers,
            self._policies.origins.of(scope, headers),
            Body(receive, headers),
            request_id_of(headers),
            path,
            url_path,
        )

    async def _reply(self, asked: _Asked) -> Reply:
        """The reply, when nothing stands in its way: the order of what might is part of the contract.

        Raises IngestError.
        """
        policies, headers, method = self._policies, asked.headers, asked.scope["method"]
        if self._draining:
            raise IngestError("shutting_down", retry_after=RETRY_SECONDS)
        if policies.hosts:
            policies.hosts.check(headers.get("host", ""), asked.origin.host)
        if method == "OPTIONS":
            return self._options(asked.path, headers)
        asked.endpoint, parameters = self._table.find(method, asked.path)
        endpoint = asked.endpoint
        try:
            asked.caller = caller = await endpoint.authenticate(headers, asked.origin)
        except IngestError as error:
            if error.code == "not_authenticated":
                asked.form = await endpoint.form(headers, asked.body)
            raise
        logs.user_id.set(caller.subject)
        if endpoint.quota:
            allowance, asked.fields = endpoint.quota.take(
                policies.buckets, caller.subject, asked.origin.address, self._clock.monotonic()
            )
            if not allowance.allowed:
                raise refused(allowance)
        endpoint.authorize(caller)
        if endpoint.takes_records and policies.admit:
            await policies.admit(named(caller, method, endpoint.path, headers))
        return await endpoint.answer(
            caller=caller,
            method=method,
            url_path=asked.url_path,
            path=parameters,
            query_string=asked.scope["query_string"],
            headers=headers,
            origin=asked.origin,
            request_id=asked.request_id,
            body=asked.body,
        )

    def _error(self, failure: IngestError, asked: _Asked) -> Wire:
        """The error as it looks at the path: a page for people, or a body for programs."""
        endpoint = asked.endpoint
        body, page = (
            (endpoint.error_body, endpoint.error_page) if endpoint else self._table.errors_at(asked.path)
        )
        if page is None:
            return wire_error(failure, body, asked.request_id)
        failed = Failed(
            caller=asked.caller,
            method=asked.scope["method"],
            url_path=asked.url_path,
            query_string=asked.scope["query_string"].decode("latin-1"),
            headers=asked.headers,
            origin=asked.origin,
            request_id=asked.request_id,
            body=asked.form,
        )
        reply = page(failure, failed)
        fields = error_fields(failure)
        return wire(Reply(reply.body, reply.status, (*fields, *reply.headers)), asked.request_id)

    def _note(
        self, asked: _Asked, status: int, seconds: float, failure: IngestError | None, streamed: bool
    ) -> None:
        """Counts the request and writes its line in the log."""
        method: str = asked.scope["method"]
        code = failure.code if failure else None
        self._observe(
            method,
            asked.endpoint.path if asked.endpoint else None,
            status,
            -1.0 if streamed else seconds,
            0 if failure else asked.body.length or 0,
            code,
        )
        self._access.note(
            method=method,
            path=_path(asked.scope),
            status=status,
            duration_ms=round(seconds * 1000, 3),
            request_id=asked.request_id,
            user_id=logs.user_id.get(),
            client=asked.origin.address,
            code=code,
        )
        if self._draining:
            self._access.flush()

    def _below_prefix(self, path: str) -> str:
        """The path without the prefix that a proxy has left there."""
        rest = without_prefix(path, self._policies.prefix)
        # A prefix may look like the box's own paths: what is only there without cutting it is meant.
        return path if rest is None or (self._table.has(path) and not self._table.has(rest)) else rest

    def _options(self, path: str, headers: Mapping[str, str]) -> Reply:
        """What can be done at a path; anybody may ask, since a browser asks without credentials."""
        methods = self._table.methods(path) if path != "*" else ()
        allow: tuple[tuple[str, str], ...] = (("Allow", ", ".join(methods)),) if methods else ()
        cors = self._policies.cors
        if cors and cors.admits(headers.get("origin")) and is_preflight("OPTIONS", headers):
            self._table.find(headers["access-control-request-method"], path)
            allow += cors.preflight(headers, methods)
        return Reply(None, 204, allow)


async def _stream(
    reply: Streamed, scope: Scope, receive: Receive, send: Send, request_id: str, fields: Fields
) -> None:
    """Lets a streamed reply send itself, with the headers that every answer has, and `fields`."""
    common = (*COMMON_HEADERS, (b"x-request-id", request_id.encode("ascii")))

    async def send_with_headers(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            own = {name for name, _ in message["headers"]}
            message["headers"] = [
                *message["headers"],
                *(each for each in common if each[0] not in own),
                *fields,
            ]
        await send(message)

    await reply.app(scope, receive, send_with_headers)


async def _deliver(answer: Wire, body: Body, send: Send, close: bool) -> None:
    """Sends the answer, and deals with what is left of the body."""
    if not (body.finished or close) and (body.length is None or body.length <= DRAIN_BYTES):
        await body.drain(DRAIN_SECONDS, IDLE_SECONDS, DRAIN_BYTES)
    close = close or not body.finished
    if close:
        answer.headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
    if body.finished:
        await send({"type": "http.response.body", "body": answer.body})
        return
    await send({"type": "http.response.body", "body": answer.body, "more_body": True})
    with contextlib.suppress(asyncio.CancelledError):  # the server stops; the answer is out
        await body.drain(LINGER_SECONDS, IDLE_SECONDS, LINGER_BYTES)
    await send({"type": "http.response.body", "body": b""})


def _path(scope: Scope) -> str:
    """The path for the log: percent-encoded as sent, so that it cannot break a line; never the query,
    nor what a link holds that is used once."""
    raw: bytes = scope["raw_path"]
    path = raw.decode("latin-1")
    return _LINK.sub(PREFIX + "…", path) if PREFIX in path else path


def build_app(
    *,
    routes: Sequence[BoundRoute],
    guard: Guard,
    box: Box,
    limits: Limits,
    clock: Clock,
    policies: Policies | None = None,
    observe: Observe = lambda *_: None,
    uploads: Uploads | None = None,
) -> Door:
    """The application for these routes; `observe` hears of each answer, `uploads` takes files.

    Raises ValueError when a method of a path is bound twice, or a route names a body limit that is not a size
    in `[limits]` or a rate that is not in `[rates]`.
    """
    policies = policies or Policies(Buckets(clock))
    binding = Binding(guard=guard, box=box, limits=limits, rates=policies.rates, uploads=uploads)
    return Door(Table(binding.endpoints(routes)), clock, policies, observe)
