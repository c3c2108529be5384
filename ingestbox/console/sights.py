"""Which of the families' views a page is asked for, and whether its reader may see it."""

from __future__ import annotations

from collections.abc import Mapping

from ingestbox.console.parts import Parts
from ingestbox.console.show import segment
from ingestbox.errors import IngestError
from ingestbox.view import View
from ingestbox.web.binding import Request


def view_of(views: Mapping[str, View], ask: Request, name: str = "") -> View:
    """The view that an address names, or the one called `name`. Raises IngestError: not_found, forbidden."""
    view = views.get(name or ask.path["view"])
    if view is None:
        raise IngestError("not_found", "There is no such page.")
    if not ask.caller.may(view.roles):
        raise IngestError("forbidden", f"This page needs the role {' or '.join(sorted(view.roles))}.")
    return view


def became(parts: Parts, ask: Request, family: str, record: str) -> str | None:
    """The path of the page of what a record became, where a view can tell and the caller may see it."""
    known = parts.families.get(family)
    for view in known.views if known else ():
        if view.item.of_record and ask.caller.may(view.roles):
            return f"/console/browse/{view.name}/{segment(view.item.of_record.format(record=record))}"
    return None
