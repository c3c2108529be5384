"""Jobs as the store gives them."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import msgspec

from ingestbox.model import Job, JobState, Notice
from ingestbox.store.readers import ReadTx

_tallies = msgspec.json.Decoder(dict[str, int])
_warnings = msgspec.json.Decoder(list[Notice])


def from_row(row: tuple[Any, ...]) -> Job:
    """A row of the `jobs.*` queries, whose columns are in the order of `Job`'s fields."""
    values = list(row)
    values[7] = JobState(values[7])
    values[12] = _tallies.decode(values[12])
    values[13] = _warnings.decode(values[13])
    return Job(*values)


def newest(tx: ReadTx, workspace: str, family: str, states: Sequence[JobState], limit: int) -> list[Job]:
    """The newest jobs in any of these states: the first of each state's newest."""
    params = {"workspace": workspace, "family": family, "limit": limit}
    rows = [row for state in states for row in tx.all("jobs.newest", {**params, "state": state})]
    rows.sort(key=operator.itemgetter(0), reverse=True)
    return [from_row(row) for row in rows[:limit]]
