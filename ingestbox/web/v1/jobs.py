"""`/v1/jobs`: what intake requests made, how far each is; cancelling one, and processing one again."""

from __future__ import annotations

from typing import Annotated, Literal, cast, get_args

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ingestbox.clock import iso
from ingestbox.errors import IngestError
from ingestbox.model import Job, JobState, Notice
from ingestbox.route import Answer, Parameter, Reply, Route, limit_of
from ingestbox.sheet import JobFile
from ingestbox.store import ReadTx, changes, files, jobs, staging
from ingestbox.store.audit import Act
from ingestbox.store.changes import CancelJob, ReprocessJob, Which
from ingestbox.store.jobs import Wanted
from ingestbox.store.review import Blocked
from ingestbox.store.staging import Staged
from ingestbox.store.trail import name_of
from ingestbox.web.binding import Request
from ingestbox.web.box import job_file
from ingestbox.web.v1 import lists
from ingestbox.web.v1.audit import act
from ingestbox.web.v1.parts import Parts
from ingestbox.web.v1.rows import Rows
from ingestbox.web.v1.sight import (
    ALL,
    EDITORS,
    JOB_ID,
    READERS,
    REVIEWERS,
    SUBMITTERS,
    check_role,
    job_of,
    sight_of,
    staging_of,
)

Phase = Literal[
    "loading", "checking", "turn", "consolidating", "waiting", "done", "undoing", "undone", "cancelled"
]
State = Literal["queued", "running", "review", "completed", "failed", "cancelled"]
STATES: tuple[str, ...] = get_args(State)
Sort = Literal["newest", "oldest"]
SORTS: tuple[str, ...] = get_args(Sort)

MOST_SEARCH = 200
"""Characters of a search."""

_WHICH: dict[str, Which] = {"issues": "retry", "all": "redo"}


class Counts(msgspec.Struct, frozen=True):
    """A job's records by what became of them; together they are `total`."""

    pending: int
    finished: Annotated[int, Meta(description="Done, or superseded by a later intake of the same object.")]
    issue: Annotated[int, Meta(description="Wait for a person.")]
    discarded: int


class JobLinks(msgspec.Struct, frozen=True):
    """Where to go on from a job: paths below the address of the box, as `status_url` is."""

    self: str
    records: str
    issues: str
    events: str


class StagingBody(msgspec.Struct, frozen=True):
    """How far a job is whose rows wait until all are right or given up, and become objects together."""

    phase: Annotated[
        Phase,
        Meta(
            description="`waiting`: for a person. `turn`: for another job of the same person to end. "
            "`consolidating`: its objects are made; they are seen when it is `done`. `undoing`: they are "
            "taken back."
        ),
    ]
    checks: Annotated[int, Meta(ge=0, description="How often its rows were checked.")]
    open_issues: Annotated[int, Meta(ge=0, description="Each may hold several records.")]
    resolved_issues: Annotated[int, Meta(ge=0)]
    baseline: Annotated[
        bool, Meta(description="What exists already is passed over instead of being an issue.")
    ]
    undone_at: str | None
    removed: Annotated[int, Meta(ge=0, description="Objects that undoing it took back.")]
    kept: Annotated[int, Meta(ge=0, description="Objects that it left, since they were changed meanwhile.")]


class JobBody(msgspec.Struct, frozen=True):
    """A job as it is now; times are ISO 8601."""

    id: str
    family: str
    workspace: str
    created_by: str
    created_by_name: Annotated[
        str | UnsetType | None,
        Meta(description="The address of the user, or the name of the key, that this is."),
    ]
    source: str
    name: str
    state: State
    total: Annotated[int, Meta(description="Records received.")]
    processed: Annotated[int, Meta(description="Records that are not pending, whatever became of them.")]
    issues: Annotated[int, Meta(description="Open issues: records that wait for a person.")]
    progress: Annotated[float, Meta(ge=0, le=1, description="processed / total.")]
    counts: Counts
    tallies: Annotated[dict[str, int], Meta(description="What the family counts.")]
    warnings: list[Notice]
    error: str | None
    submitted_at: str
    started_at: str | None
    completed_at: str | None
    updated_at: str
    links: JobLinks
    file: Annotated[
        JobFile | UnsetType,
        Meta(description="Of an upload: what the file is, and how it is read. Not in lists."),
    ] = UNSET
    staging: Annotated[
        StagingBody | UnsetType, Meta(description="Of families whose rows wait for each other.")
    ] = UNSET


class JobPage(msgspec.Struct, frozen=True):
    """A page of jobs."""

    jobs: list[JobBody]
    next_cursor: str | None


def body_of(
    job: Job,
    file: JobFile | None = None,
    staged: Staged | None = None,
    maker: str | UnsetType | None = UNSET,
) -> JobBody:
    """The job on the wire; `file` is what it came as, if it did; `staged` is there if its rows wait for each
    other; `maker` is what its creator is called."""
    place = f"/v1/jobs/{job.public_id}"
    return JobBody(
        id=job.public_id,
        family=job.family,
        workspace=job.workspace,
        created_by=job.created_by,
        created_by_name=maker,
        source=job.source,
        name=job.name,
        state=cast("State", job.state.value),  # a job that can be seen is in one of these
        total=job.total,
        processed=job.processed,
        issues=job.issues,
        progress=round(job.processed / job.total, 4) if job.total else 1.0,
        counts=Counts(
            pending=job.total - job.processed,
            finished=job.processed - job.issues - job.discarded,
            issue=job.issues,
            discarded=job.discarded,
        ),
        tallies=job.tallies,
        warnings=job.warnings,
        error=job.error,
        submitted_at=iso(job.submitted_ms) or "",
        started_at=iso(job.started_ms),
        completed_at=iso(job.completed_ms),
        updated_at=iso(job.updated_ms) or "",
        links=JobLinks(place, f"{place}/records", f"/v1/issues?job={job.public_id}", f"{place}/events"),
        file=UNSET if file is None else file,
        staging=UNSET if staged is None else _staging(staged),
    )


def _staging(staged: Staged) -> StagingBody:
    return StagingBody(
        phase=cast("Phase", staged.phase),
        checks=staged.run,
        open_issues=staged.open_issues,
        resolved_issues=staged.issues_seen - staged.open_issues,
        baseline=staged.baseline,
        undone_at=iso(staged.undone_ms),
        removed=staged.removed,
        kept=staged.kept,
    )


def staged_of(tx: ReadTx, parts: Parts, job: Job) -> Staged | None:
    """How far a staged job is; None for one of another family."""
    return None if staging_of(parts, job) is None else staging.of_job(tx, job.id)


class Jobs:
    """The jobs in sight."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._store = parts.store
        self._rows = Rows(parts)

    def routes(self) -> tuple[Route, ...]:
        """What web binds."""
        return (
            Route(
                "GET",
                "/v1/jobs",
                self.page,
                "Jobs, newest first",
                description="Of most families those of your workspace; of private ones, such as contacts, "
                "your own. With `all=true`, a filter or a search a page may have fewer jobs than `limit`, or "
                "none, and still a `next_cursor`. Filters narrow each other. A cursor belongs to the `sort` "
                "that it came with.",
                parameters=(
                    Parameter("family", "Jobs of this family alone.", lists.one_of(self._parts.families)),
                    Parameter("state", "Jobs in this state alone.", State),
                    Parameter("source", "Jobs that came this way alone, such as `csv_upload`."),
                    *lists.SPAN,
                    Parameter(
                        "q",
                        "Jobs whose file's name has words that begin with these, in any order, or whose id "
                        "begins so (4 characters or more; the 200 last ones).",
                        Annotated[str, Meta(max_length=MOST_SEARCH)],
                    ),
                    Parameter("sort", "`newest` first unless given.", Sort),
                    *lists.PAGE,
                    ALL,
                ),
                answers=(Answer(JobPage),),
                errors=("bad_parameter",),
            ),
            Route(
                "GET",
                "/v1/jobs/{id}",
                self.one,
                "One job",
                parameters=(JOB_ID, ALL),
                answers=(Answer(JobBody),),
                errors=("bad_parameter", "job_not_found"),
            ),
            Route(
                "POST",
                "/v1/jobs/{id}/cancel",
                self.cancel,
                "Cancel a job",
                SUBMITTERS,
                description="What is done stays done. Records that are pending, or wait on an issue, are "
                "discarded; that is final. An object that is of such a record alone (of audience) goes, "
                "upstream too. A job that was cancelled before is answered as it is. One of a "
                "staged family (contacts) takes the role editor; it may have failed, but nobody may be at "
                "work on it.",
                parameters=(JOB_ID, ALL),
                answers=(Answer(JobBody),),
                errors=("bad_parameter", "job_not_found", "job_ended", "job_active", "partly_made"),
            ),
            Route(
                "POST",
                "/v1/jobs/{id}/reprocess",
                self.reprocess,
                "Process a job's records again",
                READERS,
                description="Of a job that ended or waits for a person: the records with an open issue, or, "
                "with `records=all`, these and those that are done. A record that is done once more makes a "
                "new version of its object, which is delivered again, unless a later intake gave the object: "
                "then that stays. Superseded and discarded records stay so, and issues that a correction "
                "alone can resolve stay open. Of a staged family (contacts), also by who may only upload: "
                "all rows that are not given up are checked again, and become objects if none fails.",
                parameters=(
                    JOB_ID,
                    Parameter("records", "Which records; `issues` unless given.", Literal["issues", "all"]),
                    ALL,
                ),
                answers=(Answer(JobBody),),
                errors=("bad_parameter", "job_not_found", "job_active", "job_cancelled", "job_ended"),
            ),
            Route(
                "POST",
                "/v1/jobs/{id}/undo",
                self.undo,
                "Take a completed job back",
                EDITORS,
                description="Of a staged family (contacts). The objects that the job made are removed, "
                "unless they were changed since, and upstream is told; `staging` has how many. A job that "
                "was taken back before is answered as it is.",
                parameters=(JOB_ID, ALL),
                answers=(Answer(JobBody),),
                errors=("bad_parameter", "job_not_found", "job_not_completed", "turn_taken"),
            ),
        )

    async def page(self, ask: Request) -> Reply:
        """GET /v1/jobs."""
        known = self._parts.families
        query = ask.query
        sight, limit = sight_of(ask, known), limit_of(query)
        oldest = lists.choice(query, "sort", SORTS) == "oldest"
        start = lists.position(query, 0) if oldest else lists.below(query)
        family = lists.choice(query, "family", known)
        state = lists.choice(query, "state", STATES)
        search = query.get("q", "").strip()
        if len(search) > MOST_SEARCH:
            raise IngestError("bad_parameter", f"q has {MOST_SEARCH} characters at most.")
        wanted = Wanted(
            families=[family] if family else None,
            states=[JobState(state)] if state else None,
            source=query.get("source"),
            since_ms=lists.moment(query, "since"),
            until_ms=lists.moment(query, "until"),
            search=search or None,
        )

        def read(tx: ReadTx) -> tuple[list[JobBody], int | None]:
            found, last = jobs.listed(tx, sight, list(known), wanted, start, limit, oldest=oldest)
            makers = {name: name_of(tx, name) for name in {job.created_by for job in found}}
            return [
                body_of(job, None, staged_of(tx, self._parts, job), makers[job.created_by]) for job in found
            ], last

        # At once: it is merged of the jobs of each state, and one that moves on meanwhile would come twice.
        found, last = await self._store.read_at_once(read)
        return Reply(JobPage(found, lists.cursor(last) if last else None))

    async def one(self, ask: Request) -> Reply:
        """GET /v1/jobs/{id}."""
        return await self._answer(await job_of(self._parts, ask))

    async def _answer(self, job: Job) -> Reply:
        def read(tx: ReadTx) -> JobBody:
            now = jobs.by_id(tx, job.id, None) or job
            facts = files.facts_of(tx, job.id)
            file = None if facts is None else job_file(facts)
            return body_of(now, file, staged_of(tx, self._parts, job), name_of(tx, job.created_by))

        return Reply(await self._store.read_with(read))

    async def cancel(self, ask: Request) -> Reply:
        """POST /v1/jobs/{id}/cancel."""
        job = await job_of(self._parts, ask)
        staged = staging_of(self._parts, job) is not None
        if staged:
            check_role(ask, EDITORS)
        unit = CancelJob(job.id, job.public_id, self._act(ask, job), staged)
        return await self._changed(job, await self._store.write(unit))

    async def reprocess(self, ask: Request) -> Reply:
        """POST /v1/jobs/{id}/reprocess."""
        job = await job_of(self._parts, ask)
        which = _WHICH[lists.choice(ask.query, "records", _WHICH) or "issues"]
        if staging_of(self._parts, job) is not None:
            await self._rows.go_on(ask, job)
            return await self._answer(job)
        check_role(ask, REVIEWERS)
        unit = ReprocessJob(job.id, job.public_id, which, self._act(ask, job))
        return await self._changed(job, await self._store.write(unit))

    async def undo(self, ask: Request) -> Reply:
        """POST /v1/jobs/{id}/undo."""
        job = await job_of(self._parts, ask)
        await self._rows.undo(ask, job)
        return await self._answer(job)

    def _act(self, ask: Request, job: Job) -> Act:
        return act(ask, self._store.clock.now_ms()).within(job.workspace)

    async def _changed(self, job: Job, blocked: Blocked | None) -> Reply:
        """Takes a change that has begun to its end, tells who has to know, and answers the job."""
        if blocked is not None:
            raise IngestError(blocked.code)
        self._parts.progress.changed(job.id)
        await changes.carry_out(self._store, self._parts.families, job.id)
        self._parts.wake()  # what is removed is told upstream
        self._parts.progress.changed(job.id)
        self._parts.ring(job.id)
        return await self._answer(job)
