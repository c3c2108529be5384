"""The box's own API, asked from inside the process, as the person who is signed in at the console.

A page can do what any client can, and nothing else: the same handlers, roles, checks, audit trail.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import TypeVar
from urllib.parse import urlencode

import msgspec

from ingestbox.errors import IngestError
from ingestbox.route import Reply
from ingestbox.sheet import Upload
from ingestbox.web.binding import Endpoint, Request

T = TypeVar("T")

_NOTHING: Mapping[str, str] = {}
_PLACEHOLDER = re.compile(r"\{(\w+)(?::\w+)?\}")


class Inside:
    """Asks the endpoints of the API.

    A call names its route as the route is written (`/v1/jobs/{id}/cancel`), and apart from it what stands for
    the placeholders. So whatever is in a value, slashes or dots, it is never more than a value: no other
    route is asked than the page means.
    """

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        """`endpoints` are those of the API, without the console's own."""
        self._endpoints: dict[tuple[str, str], Endpoint] = {
            (each.method, _template(each.path)): each for each in endpoints
        }

    async def get(
        self,
        ask: Request,
        route: str,
        shape: type[T],
        query: Mapping[str, str | None] | None = None,
        *,
        params: Mapping[str, str] = _NOTHING,
    ) -> T:
        """What GET answers, as a `shape`; members of `query` that are None are left out.

        Raises IngestError, in the family's own words.
        """
        reply = await self.call(ask, "GET", route, params=params, query=query)
        return body_of(reply, shape)

    async def call(
        self,
        ask: Request,
        method: str,
        route: str,
        *,
        params: Mapping[str, str] = _NOTHING,
        query: Mapping[str, str | None] | None = None,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        file: Upload | None = None,
    ) -> Reply:
        """What a call answers. `body` is sent as JSON; `headers` (by lower-case name) are those of the call,
        such as If-Match: none of the browser's are handed on. `params` has a value for each placeholder.

        Raises IngestError, in the family's own words; LookupError for a route that there is not.
        """
        endpoint = self._endpoints[method, route]
        if set(_PLACEHOLDER.findall(route)) != params.keys():
            raise LookupError(f"{route} does not take {', '.join(params) or 'nothing'}")
        given = {name: value for name, value in (query or {}).items() if value is not None}
        try:
            if not all(params.values()):
                raise IngestError("not_found")  # an address without it is another's, or nobody's
            endpoint.authorize(ask.caller)
            request = Request(
                caller=ask.caller,
                box=ask.box,
                limits=ask.limits,
                method=method,
                url_path=_PLACEHOLDER.sub(lambda found: params[found[1]], route),
                route_path=endpoint.path,
                path=params,
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


def _template(path: str) -> str:
    """A route's path as it is documented: `/api/tickets/{ticket_id:path}` → `/api/tickets/{ticket_id}`."""
    return _PLACEHOLDER.sub(r"{\1}", path)


def body_of(reply: Reply, shape: type[T]) -> T:
    """The body of a reply, as a `shape`: as it is when it is one, or decoded when it is JSON already."""
    if isinstance(reply.body, bytes):
        return msgspec.json.decode(reply.body, type=shape)
    if isinstance(reply.body, shape):
        return reply.body
    return msgspec.convert(msgspec.to_builtins(reply.body), shape)


async def json_of(reply: Reply) -> bytes:
    """The body of a reply as JSON, also of one that is sent while it comes into being."""
    if isinstance(reply.body, bytes):
        return reply.body
    if isinstance(reply.body, AsyncIterator):
        return b"".join([piece async for piece in reply.body])
    return msgspec.json.encode(reply.body)
