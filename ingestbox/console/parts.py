"""What the places of the console are made over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from ingestbox.clock import Clock
from ingestbox.console.assets import GUARDS, POLICY
from ingestbox.console.gate import Gate, check_site
from ingestbox.console.inside import Inside
from ingestbox.console.pages import Pages
from ingestbox.family import Family
from ingestbox.identity.guard import Guard
from ingestbox.identity.passwords import Hasher
from ingestbox.model import Role
from ingestbox.route import Answer, Method, Reply, Route
from ingestbox.store import Store
from ingestbox.web.binding import BoundRoute, Handler, Request
from ingestbox.web.login import Login

HTML = "text/html"
FORM = ("application/x-www-form-urlencoded",)


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of a box that the console shows and changes.

    `inside` asks the API, `pages` makes answers of templates, `gate` knows who is signed in.
    """

    store: Store
    families: Mapping[str, Family]
    clock: Clock
    login: Login
    inside: Inside
    pages: Pages
    gate: Gate
    guard: Guard
    hasher: Hasher

    def page(
        self,
        method: Method,
        path: str,
        handler: Handler,
        *roles: Role,
        body_limit: str | None = "control_kb",
        upload: bool = False,
        takes_records: bool = False,
        public: bool = False,
    ) -> BoundRoute:
        """A route of the console, below `/console`: for who is signed in with one of the roles (none: any),
        or for everybody. Bodies are forms; errors are pages; whatever is no page has `GUARDS`."""
        route = Route(
            method,
            f"/console{path}",
            _guarded(handler),
            "A page of the console",
            frozenset(roles),
            body_limit=None if method == "GET" else body_limit,
            media_types=FORM,
            answers=(Answer(None, media_type=HTML),),
            upload=upload,
            takes_records=takes_records,
        )
        if public and method != "GET":
            route = msgspec.structs.replace(route, handler=_of_this_site(route.handler))
        return BoundRoute(route, public=public, gate=self.gate, error_page=self.pages.error, tag="console")


def _guarded(handler: Handler) -> Handler:
    """The same, with GUARDS in every answer that has no policy of its own: files, and what scripts ask."""

    async def answered(ask: Request) -> Reply:
        reply = await handler(ask)
        if any(name == POLICY for name, _ in reply.headers):
            return reply
        return msgspec.structs.replace(reply, headers=(*reply.headers, *GUARDS))

    return answered


def _of_this_site(handler: Handler) -> Handler:
    """The same for what comes from the console's own pages alone; the gate looks at that for other routes."""

    async def checked(ask: Request) -> Reply:
        check_site(ask.method, ask.headers, ask.origin)
        return await handler(ask)

    return checked
