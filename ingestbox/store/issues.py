"""Issues as the store gives them: what a machine could not finish, and what a person made of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ingestbox.store.pages import page
from ingestbox.store.readers import ReadTx


@dataclass(frozen=True, slots=True)
class Issue:
    """One thing wrong with one record; open while `resolved_ms` is None. Times are Unix milliseconds."""

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


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which issues: None leaves a column out of account. `job_id` is the job's id in the store."""

    workspace: str | None
    job_id: int | None = None
    family: str | None = None
    code: str | None = None
    open: bool | None = None

    def keeps(self, row: tuple[Any, ...]) -> bool:
        """Whether a row is one of them."""
        return (
            self.workspace in (None, row[2])
            and self.family in (None, row[3])
            and self.code in (None, row[4])
            and self.open in (None, row[8] is None)
        )


def one(tx: ReadTx, issue_id: int, workspace: str | None) -> Issue | None:
    """The issue, if it is of this workspace (None: of any)."""
    row = tx.one("issues.one", {"id": issue_id})
    return Issue(*row) if row is not None and workspace in (None, row[2]) else None


def listed(tx: ReadTx, wanted: Wanted, below: int, limit: int) -> tuple[list[Issue], int | None]:
    """A page of issues, newest first, under the id `below`, and the id to go on under.

    What no index narrows is walked: such a page may be short.
    """
    if wanted.job_id is not None:
        rows = tx.each("issues.of_one_job", {"job_id": wanted.job_id, "below": below})
    elif wanted.workspace is None:
        rows = tx.each("issues.everywhere", {"below": below})
    elif wanted.open:
        rows = tx.each("issues.open_of_workspace", {"workspace": wanted.workspace, "below": below})
    else:
        rows = tx.each("issues.of_workspace", {"workspace": wanted.workspace, "below": below})
    found = page(rows, limit, wanted.keeps)
    return [Issue(*row) for row in found.rows], found.last
