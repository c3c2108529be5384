"""Audience's endpoints (contract: audience)."""

from __future__ import annotations

from ingestbox.families.audience import intake, uploads
from ingestbox.route import Route

ROUTES: tuple[Route, ...] = (
    *intake.ROUTES,
    *uploads.ROUTES,
)
