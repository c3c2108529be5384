"""Issues as the store gives them: what a machine could not finish, and what a person made of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ingestbox.model import Job
from ingestbox.store import jobs
from ingestbox.store.pages import page
from ingestbox.store.readers import ReadTx
from ingestbox.store.sight import Sight


@dataclass(frozen=True, slots=True)
class Issue:
    """One thing wrong with one record; open while `resolved_ms` is None. Times are Unix milliseconds.

    Of a staged job it may hold several records that fail alike (then it has a `key`), of which `record_id` is
    the first; `revision` counts what people changed of it. `made_by` is who made the job.

    `held` is 1 for one whose record became an object that waits to be forwarded.

    That of a refused delivery has the `lane` and `seq` of the line, and the upstream's code as `refusal`.
    """

    id: int
    record_id: int
    workspace: str
    family: str
    code: str
    message: str
    field: str | None
    created_ms: int
    resolved_ms: int | None
    resolution: str | None
    resolved_by: str | None
    job_id: int
    job: str
    made_by: str
    comment: str | None
    revision: int
    key: str | None
    lane: str | None
    seq: int | None
    refusal: str | None
    held: int

    @property
    def grouped(self) -> bool:
        """Whether it may hold several records."""
        return self.key is not None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refused line behind an issue, as it is now.

    `state` is None once it is refused no more; `lane_state` for a lane that is gone. `head` is the version
    of the object by now, and `newest` its newest delivery, if that is here still.
    """

    state: str | None
    refused_ms: int | None
    decided_by: str | None
    decided_ms: int | None
    op: str
    kind: str
    object_id: str
    version: int
    lane_state: str | None
    head: int | None
    newest: int | None

    @property
    def superseded(self) -> bool:
        """Whether the object has got a newer version since, or is gone: an upstream ignores this one then."""
        return self.head is not None and self.head > self.version


MOST_JOBS = 1_000
"""Jobs that one page of groups looks at, at most: some 50 ms."""

MOST_COUNTED = 300_000
"""Issues that one page of groups counts, before it ends (one group at least): some 20 ms."""


@dataclass(frozen=True, slots=True)
class Group:
    """A job with open issues: how many, by code."""

    job: Job
    kinds: tuple[tuple[str, int], ...]

    @property
    def open(self) -> int:
        """All of them."""
        return sum(count for _, count in self.kinds)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which issues: of those in sight (None: everybody's). None leaves a column out of account, too. `job_id`
    is the job's id in the store."""

    sight: Sight | None
    job_id: int | None = None
    family: str | None = None
    code: str | None = None
    open: bool | None = None
    lane: str | None = None

    def keeps(self, row: tuple[Any, ...]) -> bool:
        """Whether a row is one of them."""
        return (
            (self.sight is None or self.sight.admits(row[2], row[3], row[13]))
            and self.family in (None, row[3])
            and self.code in (None, row[4])
            and self.open in (None, row[8] is None)
            and self.lane in (None, row[17])
        )


def one(tx: ReadTx, issue_id: int, sight: Sight | None) -> Issue | None:
    """The issue, if it is in sight (None: whoever's)."""
    row = tx.one("issues.one", {"id": issue_id})
    seen = row is not None and (sight is None or sight.admits(row[2], row[3], row[13]))
    return Issue(*row) if row is not None and seen else None


def refusal(tx: ReadTx, issue: Issue) -> Refusal | None:
    """The refused line of an issue of one; None if its delivery is not here any more."""
    row = tx.one("parked.about", {"lane": issue.lane, "seq": issue.seq})
    return None if row is None else Refusal(*row)


def first_records(tx: ReadTx, issue: Issue, limit: int) -> tuple[list[int], int]:
    """Ids of the issue's records, the first of them, and how many there are."""
    if not issue.grouped:
        return [issue.record_id], 1
    ids = [row[0] for row in tx.all("issues.records", {"id": issue.id, "limit": limit})]
    if len(ids) < limit:
        return ids, len(ids)
    return ids, tx.all("issues.size", {"id": issue.id})[0][0]


def waiting(tx: ReadTx, issue_id: int, after: int, limit: int) -> tuple[list[int], int | None]:
    """Ids of records that wait on this issue, those after a record, and the id to go on after: a record that
    was corrected and fails with another one now is not among them. They may be fewer than there are."""
    rows = tx.each("issues.waiting", {"id": issue_id, "after": after})
    found = page(rows, limit, lambda row: bool(row[1]))
    return [row[0] for row in found.rows], found.last


def listed(tx: ReadTx, wanted: Wanted, below: int, limit: int) -> tuple[list[Issue], int | None]:
    """A page of issues, newest first, under the id `below`, and the id to go on under.

    What no index narrows is walked: such a page may be short.
    """
    workspace = None if wanted.sight is None else wanted.sight.workspace
    if wanted.job_id is not None and wanted.open and wanted.code is not None:
        kind = {"job_id": wanted.job_id, "code": wanted.code, "below": below}
        rows = tx.each("issues.open_of_kind", kind)
    elif wanted.job_id is not None:
        rows = tx.each("issues.of_one_job", {"job_id": wanted.job_id, "below": below})
    elif workspace is None:
        rows = tx.each("issues.everywhere", {"below": below})
    elif wanted.open:
        rows = tx.each("issues.open_of_workspace", {"workspace": workspace, "below": below})
    else:
        rows = tx.each("issues.of_workspace", {"workspace": workspace, "below": below})
    found = page(rows, limit, wanted.keeps)
    return [Issue(*row) for row in found.rows], found.last


def listed_up(tx: ReadTx, wanted: Wanted, above: int, limit: int) -> tuple[list[Issue], int | None]:
    """A page of one job's issues, oldest first, over the id `above`, and the id to go on over."""
    place = {"job_id": wanted.job_id, "above": above}
    if wanted.open and wanted.code is not None:
        rows = tx.each("issues.open_of_kind_up", {**place, "code": wanted.code})
    else:
        rows = tx.each("issues.of_one_job_up", place)
    found = page(rows, limit, wanted.keeps)
    return [Issue(*row) for row in found.rows], found.last


def groups(tx: ReadTx, wanted: Wanted, below: int, limit: int) -> tuple[list[Group], int | None]:
    """A page of jobs with open issues, newest first, under the job id `below`, and the id to go on under.

    Jobs are gone through by seeks, and those that are not wanted are left out: a page may be short. `open` of
    `wanted` is left out of account.
    """
    found: list[Group] = []
    counted = 0
    if wanted.job_id is not None:
        below = min(below, wanted.job_id + 1)
    for _ in range(MOST_JOBS):
        if len(found) == limit or counted > MOST_COUNTED:
            return found, below
        row = tx.one("issues.next_open_job", {"below": below})
        if row is None or (wanted.job_id is not None and row[0] != wanted.job_id):
            return found, None
        below = row[0]
        job = jobs.by_id(tx, below, wanted.sight)
        if job is None or wanted.family not in (None, job.family):
            continue
        kinds = _kinds(tx, below, wanted.code)
        if kinds:
            found.append(Group(job, kinds))
            counted += found[-1].open
    return found, below


def _kinds(tx: ReadTx, job_id: int, code: str | None) -> tuple[tuple[str, int], ...]:
    if code is None:
        return tuple(tx.all("issues.open_kinds", {"job_id": job_id}))
    return tuple(tx.all("issues.open_of_one_kind", {"job_id": job_id, "code": code}))
