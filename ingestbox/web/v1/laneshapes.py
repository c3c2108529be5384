"""Lanes as `/v1/lanes` tells them."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from ingestbox import lanewords
from ingestbox.clock import iso
from ingestbox.config import Lane
from ingestbox.store.lanes import LaneStatus

MOST_REASON = 500

Count = Annotated[int, Meta(ge=0)]


class LaneBody(msgspec.Struct, frozen=True):
    """A lane as it is now; times are ISO 8601. `enqueued` = `delivered` + `pending` + `parked` +
    `discarded`, always."""

    name: str
    url: Annotated[str, Meta(description="Without what may be secret in it.")]
    state: Annotated[
        Literal["running", "retrying", "paused", "off"],
        Meta(
            description="`retrying`: it tries again by itself, for ever. `paused`: the upstream refused "
            "it, and it is probed; or a person put it on hold (`held_at`). `off`: it is in the settings no "
            "more."
        ),
    ]
    reason: str | None
    meaning: Annotated[str | None, Meta(description="The reason as a sentence.")]
    remedy: Annotated[str | None, Meta(description="What to do about it.")]
    since: str
    next_try_at: str | None
    enqueued: Count
    delivered: Count
    pending: Count
    pending_bytes: Annotated[int, Meta(ge=0, description="Of the pending lines, before compression.")]
    parked: Annotated[
        Count,
        Meta(
            description="Lines that the upstream refused, or that are damaged; also those that wait to be "
            "sent again."
        ),
    ]
    discarded: Annotated[Count, Meta(description="Refused lines that a person gave up.")]
    delivered_at: Annotated[str | None, Meta(description="When it last delivered something.")]
    oldest_at: Annotated[str | None, Meta(description="When the oldest pending line was made.")]
    oldest_seconds: Annotated[
        Count | None, Meta(description="How old that line is, by the clock of the box.")
    ]
    held_by: Annotated[str | None, Meta(description="Who put it on hold.")]
    held_by_name: Annotated[str | None, Meta(description="The address of that user, or the key's name.")]
    held_at: str | None
    held_reason: str | None
    families: Annotated[list[str], Meta(description="What goes this way; empty: all. So for the next three.")]
    kinds: list[str]
    workspaces: list[str]
    ops: list[str]
    relay: Annotated[bool, Meta(description="Whether results that other boxes sent here go this way, too.")]
    schedule: Annotated[
        str | None, Meta(description="As in the settings; null for a lane that is not in them.")
    ]
    replay_until: Annotated[
        str | None, Meta(description="While lines are sent again: the last one that was sent before.")
    ]
    imbalance: Annotated[
        int,
        Meta(description="By how much the counters are wrong, at least; anything but 0 is a defect."),
    ]


class LaneList(msgspec.Struct, frozen=True):
    """All lanes, by name."""

    lanes: list[LaneBody]


class Hold(msgspec.Struct, forbid_unknown_fields=True):
    """Why a lane is put on hold."""

    reason: Annotated[
        str | None,
        Meta(
            description="For those who find it on hold.",
            extra_json_schema={"minLength": 1, "maxLength": MOST_REASON},
        ),
    ] = None


class BalanceBody(msgspec.Struct, frozen=True):
    """The sums of a lane, with `pending` counted line by line. `holds`: `enqueued` = `delivered` + `pending`
    + `parked` + `discarded`."""

    enqueued: Count
    delivered: Count
    pending: Count
    parked: Count
    discarded: Count
    holds: bool


def body(lane: LaneStatus, holder: str | None, settings: Lane | None, now_ms: int) -> LaneBody:
    """The lane on the wire; `holder` is the name of who put it on hold, `settings` are the lane's own."""
    words = None if lane.reason is None else lanewords.said(lane.reason)
    age = None if lane.oldest_ms is None else max(0, (now_ms - lane.oldest_ms) // 1000)
    return LaneBody(
        name=lane.name,
        url=lane.url,
        state=lane.state,  # type: ignore[arg-type]  # the table allows these words alone
        reason=lane.reason,
        meaning=None if words is None else words.meaning,
        remedy=None if words is None else words.remedy,
        since=iso(lane.since_ms) or "",
        next_try_at=iso(lane.next_try_ms),
        enqueued=lane.enqueued,
        delivered=lane.delivered,
        pending=lane.pending,
        pending_bytes=lane.pending_bytes,
        parked=lane.parked,
        discarded=lane.discarded,
        delivered_at=iso(lane.delivered_ms),
        oldest_at=iso(lane.oldest_ms),
        oldest_seconds=age,
        held_by=lane.held_by,
        held_by_name=holder,
        held_at=iso(lane.held_ms),
        held_reason=lane.held_reason,
        families=list(lane.families),
        kinds=list(lane.kinds),
        workspaces=list(lane.workspaces),
        ops=list(lane.ops),
        relay=lane.relay,
        schedule=None if settings is None or lane.state == "off" else settings.schedule,
        replay_until=None if lane.replay_until is None else str(lane.replay_until),
        imbalance=lane.imbalance,
    )
