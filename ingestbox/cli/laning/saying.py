"""A lane in words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from ingestbox import amounts
from ingestbox.cli.output import cell


def state(lane: dict[str, Any]) -> str:
    """The state in one or two words."""
    if lane["held_at"] is not None and lane["state"] == "paused":
        return "on hold"
    if lane["reason"] == "outside_window":
        return "waits"
    return {"retrying": "trying again"}.get(lane["state"], str(lane["state"]))


def about(lane: dict[str, Any]) -> list[str]:
    """What there is to say and do about a lane."""
    told = []
    if lane["state"] == "off":
        told.append(
            f"It is not in the settings. Put it back there, or forget it: ingestbox lanes remove "
            f"{lane['name']}"
        )
    elif lane["held_at"] is not None:
        told.append(f"Put on hold {holder(lane)}. Let it go on with: ingestbox lanes resume {lane['name']}")
    elif lane["reason"]:
        sentence = " ".join(filter(None, (lane["meaning"], lane["remedy"])))
        if lane["next_try_at"]:
            word = "It opens" if lane["reason"] == "outside_window" else "Next try:"
            sentence += f" {word} {due(lane['next_try_at'])}."
        told.append(sentence)
    if lane["parked"] and lane["state"] != "off":
        what = f"{counted(lane['parked'])} {are(lane['parked'])} refused"
        told.append(f"{what}. See why: ingestbox lanes parked {lane['name']}")
    return told


def holder(lane: dict[str, Any]) -> str:
    """Who put it on hold, when and why; nothing for one that is not."""
    if lane["held_at"] is None:
        return ""
    why = f": {lane['held_reason']}" if lane["held_reason"] else ""
    return f"by {lane['held_by_name'] or lane['held_by']}, {ago(lane['held_at'])}{why}"


def refused(lane: dict[str, Any]) -> str:
    """How many lines were refused and given up; nothing for none."""
    given_up = f", {cell(lane['discarded'])} given up" if lane["discarded"] else ""
    if not lane["parked"]:
        return f"none waits{given_up}" if given_up else ""
    return f"{counted(lane['parked'])}{given_up}"


def counted(count: int) -> str:
    """So many lines."""
    return "1 line" if count == 1 else f"{cell(count)} lines"


def are(count: int) -> str:
    """The verb for so many."""
    return "is" if count == 1 else "are"


def ago(moment: str | None) -> str:
    """How long ago a moment (ISO 8601) was by this machine's clock; nothing for None."""
    if moment is None:
        return ""
    gone = (datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds()
    return f"{amounts.age(gone)} ago" if gone >= 0 else f"in {amounts.age(-gone)}"


def due(moment: str) -> str:
    """When a moment to come is; one that is just over is about to be used."""
    gone = (datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds()
    return "now" if gone > -1 else ago(moment)
