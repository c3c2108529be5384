"""Knowledge's endpoints (contract: knowledge)."""

from __future__ import annotations

from ingestbox.families.knowledge import uploads
from ingestbox.route import Route

ROUTES: tuple[Route, ...] = (*uploads.ROUTES,)
