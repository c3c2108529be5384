"""The web console at `/console`: pages that a person reads and repairs data in.

The pages ask the box what any client could ask: the routes of its API, from inside (`inside`), as the person
who is signed in. What may be done, and how it is said, is decided there. HTML is made on the server
(`pages`, Jinja2), all strings are in `texts`, scripts only add comfort: everything can be read without them.
"""

from __future__ import annotations

from typing import Protocol

from ingestbox.console.account import Account
from ingestbox.console.assets import Files
from ingestbox.console.audit import AuditPlace
from ingestbox.console.boxes import Boxes
from ingestbox.console.browse import Browse
from ingestbox.console.bulk import BulkPlace
from ingestbox.console.editing import Editing
from ingestbox.console.erasures import ErasuresPlace
from ingestbox.console.find import Find
from ingestbox.console.grid import Grids
from ingestbox.console.health import Health
from ingestbox.console.home import Home, Nowhere
from ingestbox.console.issue import IssuePlace
from ingestbox.console.issues import IssuesPlace
from ingestbox.console.job import JobPlace
from ingestbox.console.jobs import Jobs
from ingestbox.console.keys import Keys
from ingestbox.console.lanemoves import LaneMoves
from ingestbox.console.lanes import Lanes
from ingestbox.console.parts import Parts
from ingestbox.console.records import Records
from ingestbox.console.refused import RefusedPlace
from ingestbox.console.rules import RulesPlace
from ingestbox.console.settings import Settings
from ingestbox.console.setup import SetUpPlace
from ingestbox.console.signin import SignIn
from ingestbox.console.upload import Uploading
from ingestbox.console.users import Users
from ingestbox.web.binding import BoundRoute

__all__ = ["Parts", "routes"]


class Place(Protocol):
    """What serves one part of the console."""

    def routes(self) -> tuple[BoundRoute, ...]:
        """What web binds."""


def routes(parts: Parts) -> list[BoundRoute]:
    """The routes of all places."""
    places: tuple[Place, ...] = (Files(parts), SignIn(parts), SetUpPlace(parts), Home(parts))
    places += (Account(parts), Users(parts))
    places += (Jobs(parts), JobPlace(parts), Records(parts))
    places += (Lanes(parts), LaneMoves(parts), RefusedPlace(parts))
    places += (Boxes(parts), Keys(parts), Settings(parts))
    places += (Uploading(parts),)
    places += (Health(parts),)
    places += (BulkPlace(parts), RulesPlace(parts), AuditPlace(parts), ErasuresPlace(parts))
    places += (IssuesPlace(parts), IssuePlace(parts))
    places += (Browse(parts), Find(parts), Editing(parts), Grids(parts))
    places += (Nowhere(parts),)
    return [route for place in places for route in place.routes()]
