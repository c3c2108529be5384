"""`/v1/jobs`: what intake requests made, how far each is; cancelling one, and processing one again."""

from __future__ import annotations

from typing import Annotated, Literal, cast, get_args

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ingestbox.clock import iso
from ingestbox.errors import IngestError
from ingestbox.family import Answer, JobFile, Parameter, Reply, Route, limit_of
from ingestbox.model import Job, JobState, Notice
from ingestbox.store import changes, files, jobs
from ingestbox.store.changes import CancelJob, ReprocessJob, Which
from ingestbox.store.review import Blocked
from ingestbox.web.binding import Request
from ingestbox.web.box import job_file
from ingestbox.web.v1 import lists
from ingestbox.web.v1.audit import act
from ingestbox.web.v1.parts import Parts
from ingestbox.web.v1.sight import JOB_ID, REVIEWERS, SUBMITTERS, job_of, scope

State = Literal["queued", "running", "review", "completed", "failed", "cancelled"]
STATES: tuple[str, ...] = get_args(State)

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


class JobBody(msgspec.Struct, frozen=True):
    """A job as it is now; times are ISO 8601."""

    id: str
    family: str
    workspace: str
    created_by: str
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


class JobPage(msgspec.Struct, frozen=True):
    """A page of jobs, newest first."""

    jobs: list[JobBody]
    next_cursor: str | None


def body_of(job: Job, file: JobFile | None = None) -> JobBody:
    """The job on the wire; `file` is what it came as, if it did."""
    place = f"/v1/jobs/{job.public_id}"
    return JobBody(
        id=job.public_id,
        family=job.family,
        workspace=job.workspace,
        created_by=job.created_by,
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
    )


class Jobs:
    """The jobs of the caller's workspace."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._store = parts.store

    def routes(self) -> tuple[Route, ...]:
        """What web binds."""
        return (
            Route(
                "GET",
                "/v1/jobs",
                self.page,
                "Jobs, newest first",
                description="With `all=true` and a filter a page may have fewer jobs than `limit`, or none, "
                "and still a `next_cursor`.",
                parameters=(
                    Parameter("family", "Jobs of this family alone.", lists.one_of(self._parts.families)),
                    Parameter("state", "Jobs in this state alone.", State),
                    *lists.PAGE,
                    lists.ALL,
                ),
                answers=(Answer(JobPage),),
                errors=("bad_parameter",),
            ),
            Route(
                "GET",
                "/v1/jobs/{id}",
                self.one,
                "One job",
                parameters=(JOB_ID, lists.ALL),
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
                "discarded; that is final. A job that was cancelled before is answered as it is.",
                parameters=(JOB_ID, lists.ALL),
                answers=(Answer(JobBody),),
                errors=("bad_parameter", "job_not_found", "job_ended"),
            ),
            Route(
                "POST",
                "/v1/jobs/{id}/reprocess",
                self.reprocess,
                "Process a job's records again",
                REVIEWERS,
                description="Of a job that ended or waits for a person: the records with an open issue, or, "
                "with `records=all`, these and those that are done. A record that is done once more makes a "
                "new version of its object, which is delivered again, unless a later intake gave the object: "
                "then that stays. Superseded and discarded records stay so, and issues that a correction "
                "alone can resolve stay open.",
                parameters=(
                    JOB_ID,
                    Parameter("records", "Which records; `issues` unless given.", Literal["issues", "all"]),
                    lists.ALL,
                ),
                answers=(Answer(JobBody),),
                errors=("bad_parameter", "job_not_found", "job_active", "job_cancelled"),
            ),
        )

    async def page(self, ask: Request) -> Reply:
        """GET /v1/jobs."""
        workspace, below, limit = scope(ask), lists.below(ask.query), limit_of(ask.query)
        family = lists.choice(ask.query, "family", self._parts.families)
        state = lists.choice(ask.query, "state", STATES)
        families = [family] if family else list(self._parts.families) if state else []
        states = [JobState(state)] if state else []
        found, last = await self._store.read_with(
            lambda tx: jobs.listed(tx, workspace, families, states, below, limit)
        )
        return Reply(JobPage([body_of(job) for job in found], lists.cursor(last) if last else None))

    async def one(self, ask: Request) -> Reply:
        """GET /v1/jobs/{id}."""
        job = await job_of(self._store, ask)
        facts = await self._store.read_with(lambda tx: files.facts_of(tx, job.id))
        return Reply(body_of(job, None if facts is None else job_file(facts)))

    async def cancel(self, ask: Request) -> Reply:
        """POST /v1/jobs/{id}/cancel."""
        job = await job_of(self._store, ask)
        by = act(ask, self._store.clock.now_ms()).within(job.workspace)
        return await self._changed(ask, job, await self._store.write(CancelJob(job.id, job.public_id, by)))

    async def reprocess(self, ask: Request) -> Reply:
        """POST /v1/jobs/{id}/reprocess."""
        job = await job_of(self._store, ask)
        which = _WHICH[lists.choice(ask.query, "records", _WHICH) or "issues"]
        by = act(ask, self._store.clock.now_ms()).within(job.workspace)
        blocked = await self._store.write(ReprocessJob(job.id, job.public_id, which, by))
        return await self._changed(ask, job, blocked)

    async def _changed(self, ask: Request, job: Job, blocked: Blocked | None) -> Reply:
        """Takes a change that has begun to its end, tells who has to know, and answers the job."""
        if blocked is not None:
            raise IngestError(blocked.code)
        self._parts.progress.changed(job.id)
        await changes.carry_out(self._store, self._parts.families, job.id)
        self._parts.progress.changed(job.id)
        self._parts.ring(job.id)
        return await self.one(ask)
