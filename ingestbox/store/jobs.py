"""Jobs as the store gives them."""

from __future__ import annotations

from typing import Any

import msgspec

from ingestbox.model import Job, JobState, Notice

_tallies = msgspec.json.Decoder(dict[str, int])
_warnings = msgspec.json.Decoder(list[Notice])


def from_row(row: tuple[Any, ...]) -> Job:
    """A row of the `jobs.*` queries, whose columns are in the order of `Job`'s fields."""
    values = list(row)
    values[7] = JobState(values[7])
    values[12] = _tallies.decode(values[12])
    values[13] = _warnings.decode(values[13])
    return Job(*values)


def state_params(states: tuple[JobState, ...]) -> dict[str, str]:
    """Six parameters for the `IN` of `jobs.newest`, the last one repeated."""
    padded = (states + states[-1:] * 6)[:6]
    return {f"state{number}": state for number, state in enumerate(padded, start=1)}
