"""What the box says of itself: /openapi.json, from the routes and the wire types, and pages that show it."""

from __future__ import annotations

from ingestbox.web.openapi.pages import Documentation

__all__ = ["Documentation"]
