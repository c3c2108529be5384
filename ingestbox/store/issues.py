"""Issues as the store gives them: what a machine could not finish, and what a person made of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ingestbox.store.pages import page
from ingestbox.store.readers import ReadTx
from ingestbox.store.sight import Sight


@dataclass(frozen=True, slots=True)
class Issue:
    """One thing wrong with one record; open while `resolved_ms` is None. Times are Unix milliseconds.

    Of a staged job it may hold several records that fail alike (then it has a `key`), of which `record_id` is
    the first; `revision` counts what people changed of it. `made_by` is who made the job.
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

    @property
    def grouped(self) -> bool:
        """Whether it may hold several records."""
        return self.key is not None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which issues: of those in sight (None: everybody's). None leaves a column out of account, too. `job_id`
    is the job's id in the store."""

    sight: Sight | None
    job_id: int | None = None
    family: str | None = None
    code: str | None = None
    open: bool | None = None

    def keeps(self, row: tuple[Any, ...]) -> bool:
        """Whether a row is one of them."""
        return (
            (self.sight is None or self.sight.admits(row[2], row[3], row[13]))
            and self.family in (None, row[3])
            and self.code in (None, row[4])
            and self.open in (None, row[8] is None)
        )


def one(tx: ReadTx, issue_id: int, sight: Sight | None) -> Issue | None:
    """The issue, if it is in sight (None: whoever's)."""
    row = tx.one("issues.one", {"id": issue_id})
    seen = row is not None and (sight is None or sight.admits(row[2], row[3], row[13]))
    return Issue(*row) if row is not None and seen else None


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
    if wanted.job_id is not None:
        rows = tx.each("issues.of_one_job", {"job_id": wanted.job_id, "below": below})
    elif workspace is None:
        rows = tx.each("issues.everywhere", {"below": below})
    elif wanted.open:
        rows = tx.each("issues.open_of_workspace", {"workspace": workspace, "below": below})
    else:
        rows = tx.each("issues.of_workspace", {"workspace": workspace, "below": below})
    found = page(rows, limit, wanted.keeps)
    return [Issue(*row) for row in found.rows], found.last
