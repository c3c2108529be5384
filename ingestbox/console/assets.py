"""Styles, scripts and images of the console; those of others lie in `static/vendor` with their licences."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ingestbox.route import Reply
from ingestbox.web.assets import Assets
from ingestbox.web.binding import BoundRoute, Request

if TYPE_CHECKING:
    from ingestbox.console.parts import Parts

STATIC = Path(__file__).parent / "static"

_MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


POLICY = "Content-Security-Policy"

GUARDS = (
    (POLICY, "default-src 'none'; frame-ancestors 'none'"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("X-Frame-Options", "DENY"),
)
"""An image or a file that is opened by itself is a page, too."""


def load() -> Assets:
    """What lies in the folder."""
    files: dict[str, str] = {}
    for path in sorted(STATIC.rglob("*")):
        media_type = _MEDIA_TYPES.get(Path(path.name.removesuffix(".gz")).suffix)
        if media_type is not None:
            files[path.relative_to(STATIC).as_posix()] = media_type
    return Assets(STATIC, files)


class Files:
    """The route that serves them, to everybody."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._assets = parts.pages.assets

    def routes(self) -> tuple[BoundRoute, ...]:
        """What web binds."""
        return (self._parts.page("GET", "/assets/{name}", self.one, public=True),)

    async def one(self, ask: Request) -> Reply:
        """GET /console/assets/{name}."""
        reply = self._assets.reply(ask.path["name"], ask.query.get("v"), ask.headers)
        return Reply(reply.body, reply.status, (*reply.headers, *GUARDS))
