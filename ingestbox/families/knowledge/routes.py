"""Knowledge's endpoints (contract: knowledge)."""

from __future__ import annotations

from ingestbox.families.knowledge import bulk, listing, reading, search, status, uploads
from ingestbox.families.knowledge.sources import routes as sources
from ingestbox.route import Route

ROUTES: tuple[Route, ...] = (
    *uploads.ROUTES,
    *bulk.ROUTES,
    *status.ROUTES,
    *reading.ROUTES,
    *listing.ROUTES,
    *search.ROUTES,
    *sources.ROUTES,
)
