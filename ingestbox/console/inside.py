"""The box's own API, asked from inside the process, as the person who is signed in at the console.

A page can do what any client can, and nothing else: the same handlers, roles, checks, audit trail.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar
from urllib.parse import urlencode

import msgspec

from ingestbox.errors import IngestError
from ingestbox.route import Reply
from ingestbox.sheet import Upload
from ingestbox.web.binding import Endpoint, Request
from ingestbox.web.routing import Table

T = TypeVar("T")


class Inside:
    """Asks the endpoints of the API."""

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        """`endpoints` are those of the API, without the console's own."""
        self._table = Table(endpoints)

    async def get(
        self, ask: Request, path: str, shape: type[T], query: Mapping[str, str | None] | None = None
    ) -> T:
        """What GET answers, as a `shape`; members of `query` that are None are left out.

        Raises IngestError, in the family's own words.
        """
        reply = await self.call(ask, "GET", path, query=query)
        return body_of(reply, shape)

    async def call(
        self,
        ask: Request,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | None] | None = None,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        file: Upload | None = None,
    ) -> Reply:
        """What a call answers. `body` is sent as JSON; `headers` (by lower-case name) are those of the call,
        such as If-Match: none of the browser's are handed on.

        Raises IngestError, in the family's own words.
        """
        endpoint, parameters = self._table.find(method, path)
        given = {name: value for name, value in (query or {}).items() if value is not None}
        try:
            endpoint.authorize(ask.caller)
            request = Request(
                caller=ask.caller,
                box=ask.box,
                limits=ask.limits,
                method=method,
                url_path=path,
                route_path=endpoint.path,
                path=parameters,
                query_string=urlencode(given).encode(),
                headers=headers or {},
                origin=ask.origin,
                request_id=ask.request_id,
                body=b"" if body is None else msgspec.json.encode(body),
                wire_sha256=b"",
                file=file,
            )
            return await endpoint.handle(request)
        except IngestError as error:
            raise endpoint.reworded(error) from None


def body_of(reply: Reply, shape: type[T]) -> T:
    """The body of a reply, as a `shape`: as it is when it is one, or decoded when it is JSON already."""
    if isinstance(reply.body, bytes):
        return msgspec.json.decode(reply.body, type=shape)
    if isinstance(reply.body, shape):
        return reply.body
    return msgspec.convert(msgspec.to_builtins(reply.body), shape)
