"""Answers made of templates: whole pages, pieces for htmx, and errors as people read them."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ingestbox import __version__
from ingestbox.console import assets, curl, kept, marked, nav, outlook, show, texts
from ingestbox.console.gate import SAFE, is_link_from_elsewhere
from ingestbox.errors import IngestError
from ingestbox.model import Caller
from ingestbox.route import Reply
from ingestbox.view import Grid, View
from ingestbox.web.binding import ANONYMOUS, Failed, Request

TEMPLATES = Path(__file__).parent / "templates"

_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
"""Content Security Policy: nothing from elsewhere, no script or style inside a page."""

_GUARDS = (
    ("Content-Security-Policy", _POLICY),
    ("Referrer-Policy", "same-origin"),
    ("X-Frame-Options", "DENY"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)

_HEADERS = (
    ("Content-Type", "text/html; charset=utf-8"),
    *_GUARDS,
    ("Vary", "HX-Request"),
)


_AS_MESSAGE = (("HX-Retarget", "#messages"), ("HX-Reswap", "innerHTML"), ("HX-Reselect", ".message"))
"""Has htmx show an answer as a message, whatever the request was to change."""


class Place:
    """Where a page stands: makes the addresses of others."""

    def __init__(self, prefix: str, path: str, query: Mapping[str, str], address: str = "") -> None:
        """`address` is what the reader's browser calls the box: scheme, host and port."""
        self._prefix = prefix
        self.address = f"{address}{prefix}"
        self.path = path
        self.query = query

    def url(self, path: str, /, **query: object) -> str:
        """The address of a path of the box, below the prefix that a proxy publishes it at. Members of the
        query that are None or empty are left out."""
        given = {name: str(value) for name, value in query.items() if value not in (None, "")}
        return f"{self._prefix}{path}{'?' + urlencode(given) if given else ''}"

    def here(self, **changes: object) -> str:
        """The address of this page with its query changed; None or empty takes a member out."""
        return self.url(self.path, **{**self.query, **changes})

    def inside(self, item: nav.Item) -> bool:
        """Whether this page belongs to an entry of the menu."""
        place = f"/console{item.path}"
        return self.path == place or (bool(item.path) and self.path.startswith(f"{place}/"))


class Pages:
    """Templates, texts and assets, read once."""

    def __init__(self, views: Iterable[View | Grid] = ()) -> None:
        """`views` are what the families show: they have entries in the menu."""
        self._views = tuple(map(nav.of, views))
        self.texts = texts.load()
        self.assets = assets.load()
        self._environment = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters.update({**show.FILTERS, **marked.FILTERS})
        self._environment.globals.update(
            t=self.texts,
            version=__version__,
            once=secrets.token_urlsafe,
            curl_command=curl.command,
            job_outlook=outlook.outlook,
            job_opens=outlook.opens,
            place_of=lambda view: nav.of(view).path,
        )

    def reply(
        self,
        ask: Request,
        template: str,
        /,
        *,
        status: int = 200,
        headers: tuple[tuple[str, str], ...] = (),
        **values: Any,
    ) -> Reply:
        """The template as an answer. It has, beside `values`: `t`, `me` (the caller; None before signing in),
        `place` (see Place), `menu`, `reach` (the menu's paths: what the caller may open), `asset(name)`,
        `partial` (htmx asked, for a piece of the page)."""
        address = f"{ask.origin.scheme}://{ask.origin.host}"
        place = Place(ask.origin.prefix, ask.url_path, ask.query, address)
        body = self._render(template, place, ask.caller, ask.headers, values)
        return Reply(body, status, (*_HEADERS, *headers))

    def redirect(self, ask: Request, path: str, *headers: tuple[str, str], **query: object) -> Reply:
        """Sends the browser to a path of the box, to be got (303)."""
        address = Place("", "", {}).url(path, **query)  # the door puts the prefix before it
        if is_htmx(ask.headers):
            return Reply(b"", 204, (*_GUARDS, ("HX-Redirect", f"{ask.origin.prefix}{address}"), *headers))
        return Reply(b"", 303, (*_GUARDS, ("Location", address), *headers))

    def error(self, error: IngestError, failed: Failed) -> Reply:
        """An error as people read it. Who is not signed in is led to where they can; a piece of a page that
        cannot be made leaves the page as it is, and says why in its place for messages."""
        place = Place(failed.origin.prefix, failed.url_path, {})
        partial = is_htmx(failed.headers)
        if error.code == "not_authenticated" and not partial:
            return self._unknown(failed, place)
        own = self.texts["errors"]
        remedy = own.of(error.code) if error.code in own else error.remedy
        values = {"error": error, "remedy": remedy, "request_id": failed.request_id}
        template = "error_piece.html" if partial else "error.html"
        more = _AS_MESSAGE if partial else ()
        body = self._render(template, place, failed.caller, failed.headers, values)
        return Reply(body, error.status, (*_HEADERS, *more))

    def _unknown(self, failed: Failed, place: Place) -> Reply:
        """Leads to the login who is not signed in, and keeps the form that they sent."""
        if failed.method in SAFE:
            target = kept.target_of(failed)
            if is_link_from_elsewhere(failed.headers):
                values: dict[str, Any] = {"target": {"next": target}}
                body = self._render("arrived.html", place, failed.caller, failed.headers, values)
                return Reply(body, 200, _HEADERS)
            # The door puts the prefix before the addresses of answers, but not of errors.
            return Reply(b"", 303, (*_GUARDS, ("Location", place.url("/console/login", next=target))))
        form = kept.of(failed)
        before = kept.page_before(failed.headers, failed.origin.host, failed.origin.prefix)
        values = {"given": {"next": before}, "error": None, "form": form, "ended": True}
        return Reply(self._render("login.html", place, failed.caller, failed.headers, values), 401, _HEADERS)

    def _render(
        self,
        template: str,
        place: Place,
        caller: Caller,
        headers: Mapping[str, str],
        values: Mapping[str, Any],
    ) -> bytes:
        def asset(name: str) -> str:
            return place.url(f"/console/assets/{self.assets.versioned(name)}")

        signed_in = caller is not ANONYMOUS
        menu = nav.menu(caller, self._views) if signed_in else []
        return (
            self._environment.get_template(template)
            .render(
                place=place,
                asset=asset,
                me=caller if signed_in else None,
                menu=menu,
                reach={item.path for group in menu for item in group},
                partial=is_htmx(headers),
                **values,
            )
            .encode()
        )


def is_htmx(headers: Mapping[str, str]) -> bool:
    """Whether htmx asks, which puts the answer into the page, rather than the browser."""
    return headers.get("hx-request") == "true"
