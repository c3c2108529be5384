"""The box's own API, `/v1`: one module a resource, all with the same conventions (contract: common)."""

from __future__ import annotations

from typing import Protocol

from ingestbox.route import Route
from ingestbox.web.v1.audit import Audit
from ingestbox.web.v1.bulk import BulkIssues
from ingestbox.web.v1.deliveries import Deliveries
from ingestbox.web.v1.erasures import Erasures
from ingestbox.web.v1.events import Events
from ingestbox.web.v1.export import Export
from ingestbox.web.v1.exports import Exports
from ingestbox.web.v1.history import Histories
from ingestbox.web.v1.issuegroups import IssueGroupings
from ingestbox.web.v1.issues import Issues
from ingestbox.web.v1.jobs import Jobs
from ingestbox.web.v1.keys import Keys
from ingestbox.web.v1.operations import Operations
from ingestbox.web.v1.overview import OverviewResource
from ingestbox.web.v1.parts import Parts
from ingestbox.web.v1.records import Records
from ingestbox.web.v1.resolving import Resolving
from ingestbox.web.v1.rules import Rules
from ingestbox.web.v1.search import Searches
from ingestbox.web.v1.secret import Secret
from ingestbox.web.v1.series import SeriesResource
from ingestbox.web.v1.state import State
from ingestbox.web.v1.undo import Undo
from ingestbox.web.v1.users import Users


class Resource(Protocol):
    """What serves one noun."""

    def routes(self) -> tuple[Route, ...]:
        """What web binds."""


__all__ = ["Parts", "routes"]


def routes(parts: Parts) -> list[Route]:
    """The routes of every resource but `sync`, which a box that only answers a command has no use for."""
    resources: tuple[Resource, ...] = (Audit(parts), Keys(parts), Secret(parts), State(parts), Users(parts))
    resources += (Jobs(parts), Events(parts), Exports(parts), Records(parts), Histories(parts))
    resources += (Issues(parts), IssueGroupings(parts), Resolving(parts))
    resources += (BulkIssues(parts), Undo(parts), Operations(parts), Rules(parts), Deliveries(parts))
    resources += (Searches(parts), Erasures(parts), Export(parts))
    resources += (OverviewResource(parts), SeriesResource(parts))
    return [route for resource in resources for route in resource.routes()]
