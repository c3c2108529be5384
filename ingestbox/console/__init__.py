"""The web console at `/console`: pages that a person reads and repairs data in.

The pages ask the box what any client could ask: the routes of its API, from inside (`inside`), as the person
who is signed in. What may be done, and how it is said, is decided there. HTML is made on the server
(`pages`, Jinja2), all strings are in `texts`, scripts only add comfort: everything can be read without them.
"""

from __future__ import annotations

from typing import Protocol

from ingestbox.console.assets import Files
from ingestbox.console.home import Home, Nowhere
from ingestbox.console.parts import Parts
from ingestbox.console.signin import SignIn
from ingestbox.web.binding import BoundRoute

__all__ = ["Parts", "routes"]


class Place(Protocol):
    """What serves one part of the console."""

    def routes(self) -> tuple[BoundRoute, ...]:
        """What web binds."""


def routes(parts: Parts) -> list[BoundRoute]:
    """The routes of all places."""
    places: tuple[Place, ...] = (Files(parts), SignIn(parts), Home(parts))
    places += (Nowhere(parts),)
    return [route for place in places for route in place.routes()]
