"""`/console/boxes`: the boxes that send here, and what this one is to others."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ingestbox.console.nav import ADMIN
from ingestbox.console.parts import Parts
from ingestbox.route import Reply
from ingestbox.web.binding import BoundRoute, Request
from ingestbox.web.v1.lists import operator_only
from ingestbox.web.v1.syncshapes import BoxLine, BoxList

MOST = 100
"""Boxes that the page has; the API has the others."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One box: its epochs, the newest first, and what is wrong with it. `ago` is in seconds."""

    name: str
    epochs: list[BoxLine]
    ago: float
    reusing: bool
    missing: bool

    @property
    def wrong(self) -> bool:
        """Whether somebody has to look at it."""
        return self.reusing or self.missing


class Boxes:
    """The list, those first that somebody has to look at."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def routes(self) -> tuple[BoundRoute, ...]:
        """What web binds."""
        return (self._parts.page("GET", "/boxes", self.all, *ADMIN),)

    async def all(self, ask: Request) -> Reply:
        """GET /console/boxes."""
        operator_only(ask.caller)
        found = await self._parts.inside.get(ask, "/v1/sync/boxes", BoxList)
        boxes = shown(found.boxes, self._parts.clock.now_ms())
        return self._parts.pages.reply(
            ask,
            "boxes/list.html",
            own=found.own,
            boxes=boxes[:MOST],
            more=len(boxes) - MOST,
            heard=found.heard_of[:MOST],
        )


def shown(lines: list[BoxLine], now_ms: int) -> list[Shown]:
    """The boxes with their epochs: those with trouble first, then who sent last."""
    by_box: dict[str, list[BoxLine]] = {}
    for each in lines:
        by_box.setdefault(each.box, []).insert(0, each)
    found = []
    for name, epochs in by_box.items():
        last = max(datetime.fromisoformat(each.last_seen) for each in epochs)
        live = [lane for each in epochs for lane in each.lanes if not lane.left_behind]
        found.append(
            Shown(
                name,
                epochs,
                max(0.0, now_ms / 1000 - last.timestamp()),
                any(each.reusing for each in epochs),
                any(lane.gaps for lane in live),
            )
        )
    return sorted(found, key=lambda each: (not each.wrong, each.ago))
