"""Jobs as the store gives them."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import msgspec

from ingestbox.model import Job, JobState, Notice
from ingestbox.store.pages import page
from ingestbox.store.readers import ReadTx

VISIBLE = tuple(state for state in JobState if state is not JobState.RECEIVING)
"""The states of jobs that are shown."""

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


def find(tx: ReadTx, public_id: str, workspace: str | None) -> Job | None:
    """The job with this public id, if it is visible and of this workspace (None: of any)."""
    row = tx.one("jobs.find", {"public_id": public_id})
    return _in_sight(row, workspace)


def by_id(tx: ReadTx, job_id: int, workspace: str | None) -> Job | None:
    """The same by its id in the store."""
    return _in_sight(tx.one("jobs.by_id", {"id": job_id}), workspace)


def _in_sight(row: tuple[Any, ...] | None, workspace: str | None) -> Job | None:
    job = None if row is None else from_row(row)
    return job if job is not None and workspace in (None, job.workspace) else None


def listed(
    tx: ReadTx,
    workspace: str | None,
    families: Sequence[str],
    states: Sequence[JobState],
    below: int,
    limit: int,
) -> tuple[list[Job], int | None]:
    """A page of jobs, newest first, under the id `below`, and the id to go on under.

    `families` and `states` empty let all pass. Within a workspace a filter is a few ranges of an index, each
    in order; for every workspace (None) the jobs are walked, and a page may be short.
    """
    if workspace is None:
        walked = page(
            tx.each("jobs.everywhere", {"below": below}),
            limit,
            lambda row: (not families or row[2] in families) and (not states or row[7] in states),
        )
        return [from_row(row) for row in walked.rows], walked.last
    if not families:
        walked = page(tx.each("jobs.of_workspace", {"workspace": workspace, "below": below}), limit)
        return [from_row(row) for row in walked.rows], walked.last
    wanted = {"workspace": workspace, "below": below, "limit": limit + 1}
    rows = [
        row
        for family in families
        for state in states or VISIBLE
        for row in tx.all("jobs.of_kind", {**wanted, "family": family, "state": state.value})
    ]
    rows.sort(key=operator.itemgetter(0), reverse=True)
    more = len(rows) > limit
    return [from_row(row) for row in rows[:limit]], rows[limit - 1][0] if more else None
