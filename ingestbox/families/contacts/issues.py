"""`GET /issues…`: what stands in the way of an import, with the rows it is about (contract: contacts)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from ingestbox.clock import iso
from ingestbox.families.contacts import pages
from ingestbox.families.contacts.jobs import JOB_ID
from ingestbox.families.contacts.merge import newest
from ingestbox.families.contacts.shapes import AffectedRow, ContactsIssue, ContactsIssues, StagingStatus
from ingestbox.families.contacts.sight import (
    ALL,
    FAMILY,
    job_id_of,
    job_row,
    no_issue,
    no_job,
    scope,
    scoped,
    sight_of,
)
from ingestbox.family import Ask
from ingestbox.model import RecordState, checksum, index_of
from ingestbox.route import Answer, Parameter, Reply, Route
from ingestbox.store import ReadTx
from ingestbox.store.sight import Sight
from ingestbox.store.staged import issue_mark

MOST_ROWS = 1_000
"""Rows that are shown of one issue."""

LIST_ROWS = 20_000
LIST_BYTES = 8 * 1_048_576
"""Rows, and bytes of them as they are stored, that a list shows: beyond the first each further issue has its
first row alone, and beyond the second the list goes on with `next_cursor`."""

AT_ONCE = 250
"""Issues that one read fetches with their rows: some 20 ms."""

ISSUE_ID = Parameter("id", "The issue's `issue_id`.", int, "path")
ETAG = "Names the issue as it is: for If-Match."

STATUS: dict[str, StagingStatus] = {
    RecordState.PENDING: "READY",
    RecordState.ISSUE: "ISSUE",
    RecordState.DISCARDED: "DISCARD",
    RecordState.DONE: "SUCCESS",
    RecordState.SUPERSEDED: "SUCCESS",
}


class _Cells(msgspec.Struct):
    """What is shown of a row as it is stored; a row that could not be read has nothing of it."""

    email: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    company: str | None = None


_cells = msgspec.json.Decoder(_Cells)


def etag(issue_id: int, revision: int, resolved_ms: int | None) -> str:
    """Names one state of an issue, quotes and all (RFC 9110, 8.8.3)."""
    return f'"{issue_mark(issue_id, revision, resolved_ms)}"'


def row_body(row: tuple[Any, ...], created_ms: int) -> AffectedRow:
    """A staged row, from (id, key, state, payload, crc) with the texts as bytes; `created_ms` is its job's.

    Of a damaged one nothing is shown but where it is.
    """
    rid, key, state, payload, crc = row
    sound = checksum(key, payload) == crc
    cells = _cells.decode(payload) if sound else _Cells()
    return AffectedRow(
        staging_id=rid,
        staging_email=cells.email,
        staging_first_name=cells.first_name,
        staging_last_name=cells.last_name,
        staging_company=cells.company,
        staging_created_at=iso(created_ms) or "",
        staging_status=STATUS[state],
        row_number=index_of(rid) + 1,
        damaged=UNSET if sound else True,
    )


@dataclass(slots=True)
class _Budget:
    """What a list may still show."""

    rows: int = LIST_ROWS
    bytes: int = LIST_BYTES


def place_of(tx: ReadTx, issue_id: int, sight: Sight) -> tuple[str, int] | None:
    """The workspace and the job of an issue, if it is in sight."""
    row = tx.one("contacts.issue_place", {"id": issue_id})
    return None if row is None or not sight.admits(row[0], FAMILY, row[1]) else (row[0], row[2])


def read_issue(tx: ReadTx, issue_id: int, sight: Sight) -> tuple[ContactsIssue, str] | None:
    """The issue and its ETag, if it is in sight."""
    if place_of(tx, issue_id, sight) is None:
        return None
    found = tx.all("contacts.issues", {"ids": f"[{issue_id}]"})
    if not found:
        return None
    row = found[0]
    return _body(tx, row, MOST_ROWS, _Budget()), etag(row[0], row[8], row[4])


def _body(tx: ReadTx, row: tuple[Any, ...], limit: int, budget: _Budget) -> ContactsIssue:
    issue_id, job_id, code, message, resolved, resolver, comment, created, _, staged, run, affected = row
    rows: list[AffectedRow] = []
    for each in tx.each("contacts.issue_rows", {"issue_id": issue_id, "run": run, "limit": limit}):
        rows.append(row_body(each, staged))
        budget.bytes -= len(each[3])
        if budget.bytes < 0:
            break
    budget.rows -= len(rows)
    return ContactsIssue(
        issue_id=issue_id,
        issues_job_id=job_id,
        issue_type=code.upper(),
        issue_resolved=resolved is not None,
        issue_description=message,
        issue_resolved_at=iso(resolved),
        issue_resolved_by=resolver,
        issue_resolution_comment=comment,
        issue_created_at=iso(created) or "",
        affected_rows=rows,
        affected_total=affected,
    )


async def issues(ask: Ask) -> Reply:
    """GET /issues: of all the caller's jobs."""
    sight = sight_of(ask)
    return await _list(ask, scoped("issue_jobs", sight), scope(sight))


async def issues_of_job(ask: Ask) -> Reply:
    """GET /issues/job/{id}."""
    sight, job_id = sight_of(ask), job_id_of(ask)
    if await ask.box.read_with(lambda tx: job_row(tx, job_id, sight)) is None:
        raise no_job(job_id)
    return await _list(ask, "contacts.issue_jobs_one", {"job_id": job_id})


async def _list(ask: Ask, query: str, params: dict[str, object]) -> Reply:
    """The issues of the jobs that a query names, newest first."""
    part = pages.part_of(ask.query)

    def ids(tx: ReadTx) -> tuple[int, int, list[int]]:
        jobs = tx.all(query, {**params, "below": part.below})
        sources = [(row[3], row[0]) for row in jobs if row[3] is not None]

        def fetch(job_id: int, below: int, limit: int) -> list[tuple[Any, ...]]:
            return tx.all("contacts.issue_ids", {"job_id": job_id, "below": below, "limit": limit})

        found = [row[0] for row in newest(sources, fetch, part.limit + 1)]
        return sum(row[1] for row in jobs), sum(row[2] for row in jobs), found

    total, unresolved, found = await ask.box.read_with(ids)
    shown, budget = await _bodies(ask, found[: part.limit])
    last: str | UnsetType = UNSET
    if shown and (budget.bytes < 0 or len(found) > part.limit):
        last = pages.cursor(shown[-1].issue_id)
    return Reply(ContactsIssues(shown, total, total - unresolved, unresolved, last))


async def _bodies(ask: Ask, ids: Sequence[int]) -> tuple[list[ContactsIssue], _Budget]:
    """The issues, as far as the budget reaches; some at a time, so that no read takes long."""
    budget = _Budget()
    shown: list[ContactsIssue] = []

    def some(tx: ReadTx, start: int) -> list[ContactsIssue]:
        wanted = msgspec.json.encode(ids[start : start + AT_ONCE]).decode()
        made: list[ContactsIssue] = []
        before = budget.rows
        for row in tx.all("contacts.issues", {"ids": wanted}):
            limit = max(1, min(MOST_ROWS, budget.rows))
            made.append(_body(tx, row, limit, budget))
            if budget.bytes < 0 or before - budget.rows > 4 * AT_ONCE:
                break
        return made

    start = 0
    while start < len(ids) and budget.bytes >= 0:
        place = start
        made = await ask.box.read_with(lambda tx: some(tx, place))  # noqa: B023 - awaited here
        shown += made
        start = ids.index(made[-1].issue_id, start) + 1 if made else start + AT_ONCE
    return shown, budget


async def issue(ask: Ask) -> Reply:
    """GET /issues/{id}."""
    sight, issue_id = sight_of(ask), pages.number(ask.path["id"])
    found = await ask.box.read_with(lambda tx: None if issue_id is None else read_issue(tx, issue_id, sight))
    if found is None:
        raise no_issue(ask.path["id"])
    return Reply(found[0], headers=(("ETag", found[1]),))


ROUTES: tuple[Route, ...] = (
    Route(
        "GET",
        "/issues",
        issues,
        "What stands in the way of your imports",
        description="Newest first, resolved ones too. Of each issue the rows that failed under it when its "
        f"job was last checked are shown: to {MOST_ROWS:,}, while a list has no more than {LIST_ROWS:,}; "
        "after that the first row of each.",
        parameters=(*pages.PARAMETERS, ALL),
        answers=(Answer(ContactsIssues, description="The issues."),),
        errors=("bad_parameter", "forbidden"),
    ),
    Route(
        "GET",
        "/issues/job/{id}",
        issues_of_job,
        "What stands in the way of one import",
        description="As in GET /issues.",
        parameters=(JOB_ID, *pages.PARAMETERS, ALL),
        answers=(Answer(ContactsIssues, description="The issues."),),
        errors=("bad_parameter", "forbidden", "job_not_found"),
    ),
    Route(
        "GET",
        "/issues/{id}",
        issue,
        "One issue with its rows",
        parameters=(ISSUE_ID, ALL),
        answers=(Answer(ContactsIssue, description="The issue.", headers={"ETag": ETAG}),),
        errors=("bad_parameter", "forbidden", "not_found"),
    ),
)
