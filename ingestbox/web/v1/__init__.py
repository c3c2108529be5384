"""The box's own API, `/v1`: one module a resource, all with the same conventions (contract: common)."""

from __future__ import annotations

from ingestbox.family import Route
from ingestbox.web.v1.audit import Audit
from ingestbox.web.v1.keys import Keys
from ingestbox.web.v1.parts import Parts
from ingestbox.web.v1.state import State

__all__ = ["Parts", "routes"]


def routes(parts: Parts) -> list[Route]:
    """The routes of every resource but `sync`, which a box that only answers a command has no use for."""
    resources = (Audit(parts), Keys(parts), State(parts))
    return [route for resource in resources for route in resource.routes()]
