"""`/openapi.json`, and the pages that show it: `/docs` (Swagger UI) and `/redoc`. Nothing leaves the box."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import msgspec

from ingestbox.config import Limits, Rates
from ingestbox.route import Answer, Parameter, Reply, Route
from ingestbox.web.assets import Assets, Content
from ingestbox.web.binding import BoundRoute, Request
from ingestbox.web.openapi.document import build, servers
from ingestbox.web.openapi.errors import JSON

HTML = "text/html"

STATIC = Path(__file__).parents[1] / "static"

FILES = {
    "docs.css": "text/css; charset=utf-8",
    "docs.js": "text/javascript; charset=utf-8",
    "redoc.js": "text/javascript; charset=utf-8",
    "redoc/redoc.standalone.js.gz": "text/javascript; charset=utf-8",
    "swagger-ui/favicon-32x32.png": "image/png",
    "swagger-ui/swagger-ui-bundle.js.gz": "text/javascript; charset=utf-8",
    "swagger-ui/swagger-ui.css.gz": "text/css; charset=utf-8",
}
"""What the pages load, by its place in `web/static`, with its media type."""

MAX_DOCUMENTS = 8
"""Prefixes for which there is a document of their own: making one takes 10 ms, and proxies have few."""

POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "connect-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}
"""What a page may load, and where from (Content Security Policy, level 3)."""

REDOC_POLICY = {**POLICY, "style-src": "'self' 'unsafe-inline'", "worker-src": "blob:"}
"""Redoc makes style elements of its own, and searches in a worker."""

_ETAG = {"ETag": "Names the content, for If-None-Match."}
_PAGE = {
    **_ETAG,
    "Content-Security-Policy": "What the page may load: nothing from elsewhere.",
    "Referrer-Policy": "Where it leads to does not hear of it.",
}
_UNCHANGED = Answer(None, 304, "It is the one that If-None-Match names.", HTML, _ETAG)
_MATCH = (Parameter("If-None-Match", "The ETag of what the client has.", str, "header"),)


class Documentation:
    """The document of these routes and of its own, made when it is first asked for: that takes a fifth of a
    second, for which no start has to wait."""

    def __init__(self, routes: Sequence[BoundRoute], *, limits: Limits, rates: Rates, prefix: str) -> None:
        self._assets = Assets(STATIC, FILES)
        self._pages: dict[str, Content] = {}
        self.routes = [BoundRoute(route, public=True) for route in self._routes()]
        self._make = partial(build, [*routes, *self.routes], limits=limits, rates=rates, prefix=prefix)
        self._prefix = prefix
        self._documents: dict[str, Content] = {}

    @cached_property
    def document(self) -> bytes:
        """What /openapi.json answers. Raises KeyError or TypeError for a route whose documentation names what
        there is not."""
        return msgspec.json.encode(self._make())

    def _routes(self) -> tuple[Route, ...]:
        return (
            Route(
                "GET",
                "/openapi.json",
                self.openapi,
                "This document",
                description="OpenAPI 3.1, made from the routes and the types of what they take and send.",
                parameters=_MATCH,
                answers=(Answer(dict[str, Any], description="The document.", headers=_ETAG), _UNCHANGED),
            ),
            Route(
                "GET",
                "/docs",
                self.docs,
                "The documentation as a page to try calls from",
                description="Swagger UI; it works offline.",
                parameters=_MATCH,
                answers=(Answer(None, description="The page.", media_type=HTML, headers=_PAGE), _UNCHANGED),
            ),
            Route(
                "GET",
                "/redoc",
                self.redoc,
                "The documentation as a page to read",
                description="Redoc; it works offline.",
                parameters=_MATCH,
                answers=(Answer(None, description="The page.", media_type=HTML, headers=_PAGE), _UNCHANGED),
            ),
            Route(
                "GET",
                "/docs/assets/{name}",
                self.asset,
                "A script, style or image of these pages",
                parameters=(
                    Parameter("name", "Which file.", str, "path"),
                    Parameter(
                        "v", "The version, as the pages name it: with it the file may be kept for good."
                    ),
                    *_MATCH,
                ),
                answers=(
                    Answer(None, description="The file.", media_type="text/javascript", headers=_ETAG),
                    Answer(None, description="The file.", media_type="text/css", headers=_ETAG),
                    Answer(None, description="The file.", media_type="image/png", headers=_ETAG),
                    _UNCHANGED,
                ),
            ),
        )

    async def openapi(self, ask: Request) -> Reply:
        """GET /openapi.json."""
        content = await asyncio.to_thread(self._below, ask.origin.prefix)
        return content.reply(ask.headers, "no-cache")

    def _below(self, prefix: str) -> Content:
        """The document for those who see the box below a prefix, which a trusted proxy may have told."""
        if not self._documents:
            self._documents[self._prefix] = Content.of(self.document, JSON)
        if prefix not in self._documents:
            if len(self._documents) >= MAX_DOCUMENTS:
                return self._documents[self._prefix]
            made = {**msgspec.json.decode(self.document), "servers": servers(prefix)}
            self._documents[prefix] = Content.of(msgspec.json.encode(made), JSON)
        return self._documents[prefix]

    async def docs(self, ask: Request) -> Reply:
        """GET /docs."""
        return self._page("docs.html", POLICY, ask)

    async def redoc(self, ask: Request) -> Reply:
        """GET /redoc."""
        return self._page("redoc.html", REDOC_POLICY, ask)

    async def asset(self, ask: Request) -> Reply:
        """GET /docs/assets/{name}."""
        return self._assets.reply(ask.path["name"], ask.query.get("v"), ask.headers)

    def _page(self, name: str, policy: Mapping[str, str], ask: Request) -> Reply:
        page = self._pages.get(name)
        if page is None:
            page = self._pages[name] = self._content(name)
        sources = "; ".join(f"{kind} {source}" for kind, source in policy.items())
        said = (("Content-Security-Policy", sources), ("Referrer-Policy", "no-referrer"))
        return page.reply(ask.headers, "no-cache", *said)

    def _content(self, name: str) -> Content:
        """An HTML page, with its `{file}` places filled by the files' addresses, relative to it."""
        text = (STATIC / name).read_text("utf-8")
        for each in self._assets.names:
            text = text.replace(f"{{{each}}}", f"docs/assets/{self._assets.versioned(each)}")
        return Content.of(text.encode(), "text/html; charset=utf-8")
