"""The public service endpoints: `/`, `/health`, `/healthz`, `/readyz` (contract: common)."""

from __future__ import annotations

from typing import Annotated, Literal, Protocol

import msgspec
from msgspec import Meta

from ingestbox import __version__
from ingestbox.route import Answer, Reply, Route
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


class Root(msgspec.Struct, frozen=True):
    """What this is and where to go; the links are paths of this box."""

    name: Literal["ingestbox"]
    version: str
    links: dict[str, str]


class Alive(msgspec.Struct, frozen=True):
    """The process answers."""

    status: Literal["alive"] = "alive"


class CheckBody(msgspec.Struct, frozen=True):
    """What one check found."""

    ok: bool
    detail: str


class HealthBody(msgspec.Struct, frozen=True):
    """How the box is; `degraded` when a check is not ok."""

    status: Literal["healthy", "degraded"]
    checks: Annotated[dict[str, CheckBody], Meta(description="By name.")]


class Reason(msgspec.Struct, frozen=True):
    """A check that is not ok."""

    name: str
    detail: str


class ReadyBody(msgspec.Struct, frozen=True):
    """Whether to send work here, and if not, why."""

    status: Literal["ready", "not_ready"]
    reasons: list[Reason]


_LINKS = {
    "health": "/health",
    "ready": "/readyz",
    "alive": "/healthz",
    "openapi": "/openapi.json",
    "docs": "/docs",
    "redoc": "/redoc",
}


class Service:
    """The handlers."""

    def __init__(self, health: Health) -> None:
        self._health = health

    async def root(self, ask: Request) -> Reply:
        """What this is and where to go."""
        links = {name: ask.origin.prefix + path for name, path in _LINKS.items()}
        return Reply(Root("ingestbox", __version__, links))

    async def alive(self, _: Request) -> Reply:
        """The process answers; nothing is looked at."""
        return Reply(Alive())

    async def health(self, _: Request) -> Reply:
        """`healthy`, or `degraded` with what is wrong; 503 only when the store cannot be written."""
        checks = await self._health.checks()
        healthy = all(check.ok for check in checks)
        down = any(not check.ok and "health" in check.fatal_for for check in checks)
        body = HealthBody(
            "healthy" if healthy else "degraded",
            {check.name: CheckBody(check.ok, check.detail) for check in checks},
        )
        return Reply(body, 503 if down else 200)

    async def ready(self, _: Request) -> Reply:
        """Whether to send work here; 503 with the reasons otherwise."""
        checks = await self._health.checks()
        reasons = [
            Reason(check.name, check.detail)
            for check in checks
            if not check.ok and "ready" in check.fatal_for
        ]
        if reasons:
            return Reply(ReadyBody("not_ready", reasons), 503)
        return Reply(ReadyBody("ready", []))


def service_routes(health: Health) -> list[BoundRoute]:
    """The service's routes; all are public."""
    service = Service(health)
    routes = [
        Route(
            "GET",
            "/",
            service.root,
            "Name, version and links",
            answers=(Answer(Root, description="This box."),),
        ),
        Route(
            "GET",
            "/health",
            service.health,
            "Whether the box is healthy",
            description="Every check, made now. For people and monitors; see `/readyz` for load balancers.",
            answers=(
                Answer(HealthBody, description="The box can write; it may be degraded otherwise."),
                Answer(HealthBody, 503, "The store cannot be written."),
            ),
        ),
        Route(
            "GET",
            "/healthz",
            service.alive,
            "Whether the process answers",
            description="Nothing is looked at.",
            answers=(Answer(Alive, description="It does."),),
        ),
        Route(
            "GET",
            "/readyz",
            service.ready,
            "Whether the box takes work",
            description="Whether to send work here: the store can be written, workers are alive, the disk "
            "has room.",
            answers=(
                Answer(ReadyBody, description="Ready."),
                Answer(ReadyBody, 503, "Not ready, and why."),
            ),
        ),
    ]
    return [BoundRoute(route, public=True) for route in routes]
