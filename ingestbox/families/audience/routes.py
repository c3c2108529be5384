"""Audience's endpoints (contract: audience)."""

from __future__ import annotations

from ingestbox.families.audience import deletion, intake, twins, uploads
from ingestbox.families.audience.segments import routes as segments
from ingestbox.route import Route

ROUTES: tuple[Route, ...] = (
    *intake.ROUTES,
    *twins.ROUTES,  # before the path that an ending is no part of
    *uploads.ROUTES,
    *deletion.ROUTES,
    *segments.ROUTES,
)
