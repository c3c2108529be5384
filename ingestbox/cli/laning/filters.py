"""What lanes leave out, and when they would send: what never comes is said before a start."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from ingestbox.cli.preflight import Check
from ingestbox.errors import StartupError
from ingestbox.model import DEFAULT_WORKSPACE

if TYPE_CHECKING:
    from ingestbox.config import Lane, Loaded
    from ingestbox.family import Family


def filters(loaded: Loaded) -> Iterator[Check]:
    """An error for each lane whose schedule a start refuses; a warning for each whose filter names what there
    is not, and so waits for what never comes."""
    from ingestbox import families
    from ingestbox.clock import SystemClock
    from ingestbox.forward.schedule import Schedule

    known = families.load()
    for lane in loaded.settings.lanes:
        try:
            Schedule(lane, SystemClock())
        except StartupError as error:
            yield Check("error", f"lane {lane.name}", str(error).removeprefix(f"Lane {lane.name}: "))
        for sentence in _wrong(lane, known):
            yield Check("warning", f"lane {lane.name}", sentence)


def _wrong(lane: Lane, known: Mapping[str, Family]) -> Iterator[str]:
    yield from _unknown("families", "family", lane.families, list(known))
    kinds = {name: sorted(family.kinds) for name, family in known.items()}
    every = [kind for of_one in kinds.values() for kind in of_one]
    yield from _unknown("kinds", "kind", lane.kinds, every)
    chosen = [name for name in lane.families if name in known]
    right = [kind for kind in lane.kinds if kind in every]
    if chosen and right:
        theirs = {kind for name in chosen for kind in kinds[name]}
        if not theirs & set(right):
            yield (
                f"nothing goes this way: {', '.join(chosen)} has no {' or '.join(right)}, but "
                f"{', '.join(sorted(theirs))}."
            )
    for given in lane.workspaces:
        # Any word may be a workspace; one that is nearly that of the box is a slip of the hand.
        if given != DEFAULT_WORKSPACE and difflib.get_close_matches(given, [DEFAULT_WORKSPACE], cutoff=0.75):
            yield f"workspaces: did you mean {DEFAULT_WORKSPACE} by {given!r}?"
        elif given != given.strip() or not given:
            yield f"workspaces: {given!r} begins or ends with a blank, or is empty; no workspace does."


def _unknown(setting: str, noun: str, given: Sequence[str], known: Sequence[str]) -> Iterator[str]:
    for word in given:
        if word not in known:
            near = difflib.get_close_matches(word.lower(), known, n=1)
            hint = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(sorted(known))}."
            yield f"{setting}: there is no {noun} {word!r}, so nothing of it goes this way. {hint}"
