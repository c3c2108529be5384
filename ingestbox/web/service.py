"""The public service endpoints: `/`, `/health`, `/healthz`, `/readyz` (contract: common)."""

from __future__ import annotations

from typing import Literal, Protocol

import msgspec

from ingestbox import __version__
from ingestbox.family import Reply, Route
from ingestbox.web.binding import BoundRoute, Request

Probe = Literal["health", "ready"]


class Check(msgspec.Struct, frozen=True):
    """One thing that was looked at. While it is not `ok` the box is degraded, and the probes that
    `fatal_for` names answer 503. `detail` is public: a sentence without paths."""

    name: str
    ok: bool
    fatal_for: frozenset[Probe] = frozenset()
    detail: str = ""


class Health(Protocol):
    """Who knows how the box is."""

    async def checks(self) -> list[Check]:
        """All checks, now; must not take longer than a probe waits."""


_LINKS = {"health": "/health", "ready": "/readyz", "alive": "/healthz"}


class Service:
    """The handlers."""

    def __init__(self, health: Health) -> None:
        self._health = health

    async def root(self, _: Request) -> Reply:
        """What this is and where to go."""
        return Reply({"name": "ingestbox", "version": __version__, "links": _LINKS})

    async def alive(self, _: Request) -> Reply:
        """The process answers; nothing is looked at."""
        return Reply({"status": "alive"})

    async def health(self, _: Request) -> Reply:
        """`healthy`, or `degraded` with what is wrong; 503 only when the store cannot be written."""
        checks = await self._health.checks()
        healthy = all(check.ok for check in checks)
        down = any(not check.ok and "health" in check.fatal_for for check in checks)
        body = {
            "status": "healthy" if healthy else "degraded",
            "checks": {check.name: {"ok": check.ok, "detail": check.detail} for check in checks},
        }
        return Reply(body, 503 if down else 200)

    async def ready(self, _: Request) -> Reply:
        """Whether to send work here; 503 with the reasons otherwise."""
        checks = await self._health.checks()
        reasons = [
            {"name": check.name, "detail": check.detail}
            for check in checks
            if not check.ok and "ready" in check.fatal_for
        ]
        if reasons:
            return Reply({"status": "not_ready", "reasons": reasons}, 503)
        return Reply({"status": "ready", "reasons": []})


def service_routes(health: Health) -> list[BoundRoute]:
    """The service's routes; all are public."""
    service = Service(health)
    routes = [
        Route("GET", "/", service.root, "Name, version and links."),
        Route("GET", "/health", service.health, "Whether the box is healthy."),
        Route("GET", "/healthz", service.alive, "Whether the process answers."),
        Route("GET", "/readyz", service.ready, "Whether the box takes work."),
    ]
    return [BoundRoute(route, public=True) for route in routes]
