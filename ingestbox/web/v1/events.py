"""`/v1/jobs/{id}/events`: a job's progress as Server-Sent Events, until it ends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, MutableMapping
from dataclasses import dataclass
from typing import Any

import msgspec
from sse_starlette.event import ServerSentEvent
from sse_starlette.sse import EventSourceResponse, SendTimeoutError

from ingestbox.errors import IngestError
from ingestbox.model import Job, JobState
from ingestbox.route import Answer, Parameter, Reply, Route
from ingestbox.store import ReadTx, jobs
from ingestbox.store.staging import Staged
from ingestbox.store.trail import name_of
from ingestbox.web.binding import Request
from ingestbox.web.bodies import Receive
from ingestbox.web.streams import Send, Streamed
from ingestbox.web.v1.jobs import body_of, staged_of
from ingestbox.web.v1.parts import Parts
from ingestbox.web.v1.progress import MOST_WATCHERS, Watcher
from ingestbox.web.v1.sight import ALL, JOB_ID, job_of

log = logging.getLogger("ingestbox.web")

APART_SECONDS = 0.25
"""Events of one stream are at least this far apart; what changes in between is one event."""

LOOK_SECONDS = 5.0
"""Without being told of a change the job is looked at again after this long."""

CHECK_SECONDS = 5.0
"""The caller's credentials are looked at again after this long: a stream ends with its token, key or role."""

PING_SECONDS = 15
SEND_SECONDS = 30.0
"""A client that takes nothing for this long is given up."""

RETRY_SECONDS = 5

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Seen:
    """A job as it was read, with how far its rows are if they wait for each other, and its creator's name."""

    job: Job
    staged: Staged | None = None
    maker: str | None = None


class Events:
    """Streams of a job's progress."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._store = parts.store
        self._progress = parts.progress
        self._guard = parts.guard

    def routes(self) -> tuple[Route, ...]:
        """What web binds."""
        return (
            Route(
                "GET",
                "/v1/jobs/{id}/events",
                self.stream,
                "A job's progress as it happens",
                description="Server-Sent Events. Each event's data is the job as GET /v1/jobs/{id} gives it: "
                "`job` first, `progress` after each change (at most four a second), `end` when the job is "
                "completed, failed or cancelled; then the stream closes. Every event is whole: a client that "
                "comes back with Last-Event-ID has missed nothing, since it gets the job as it is. A stream "
                "that closes without `end` is to be opened again; it closes so too with its token or key.",
                parameters=(
                    JOB_ID,
                    Parameter("Last-Event-ID", "Taken, and not needed.", place="header"),
                    ALL,
                ),
                answers=(Answer(None, description="Events.", media_type="text/event-stream"),),
                errors=("bad_parameter", "job_not_found", "overloaded"),
            ),
        )

    async def stream(self, ask: Request) -> Reply:
        """GET /v1/jobs/{id}/events."""
        job = await job_of(self._parts, ask)
        if self._progress.full:
            raise IngestError(
                "overloaded", f"{MOST_WATCHERS} streams of events are open.", retry_after=RETRY_SECONDS
            )

        async def app(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
            with self._progress.watching(job.id) as watcher:
                response = EventSourceResponse(
                    self._events(ask, job.id, watcher), ping=PING_SECONDS, send_timeout=SEND_SECONDS, sep="\n"
                )
                try:
                    await response(scope, receive, send)
                except SendTimeoutError:
                    log.info("A stream's client takes nothing.", extra={"job_id": job.public_id})

        return Streamed(app=app)

    async def _events(self, ask: Request, job_id: int, watcher: Watcher) -> AsyncIterator[ServerSentEvent]:
        """The job whenever it has changed; ends with the job, the caller's credentials, or the box."""
        shown: Seen | None = None
        check_at = self._store.clock.monotonic() + CHECK_SECONDS
        while not watcher.closed:
            if self._store.clock.monotonic() >= check_at:
                if not await self._admits(ask):
                    return
                check_at = self._store.clock.monotonic() + CHECK_SECONDS
            seen = await self._store.read_with(lambda tx: self._look(tx, job_id))
            if seen is None:
                return
            if seen != shown:
                yield _event("job" if shown is None else "progress", seen)
                shown = seen
                if ended(seen):
                    yield _event("end", seen)
                    return
                await asyncio.sleep(APART_SECONDS)
            await watcher.wait(LOOK_SECONDS)

    def _look(self, tx: ReadTx, job_id: int) -> Seen | None:
        job = jobs.by_id(tx, job_id, None)
        if job is None:
            return None
        return Seen(job, staged_of(tx, self._parts, job), name_of(tx, job.created_by))

    async def _admits(self, ask: Request) -> bool:
        """Whether the caller is still who opened the stream. An issuer that cannot be asked ends nothing."""
        try:
            return await self._guard.caller(ask.headers) == ask.caller
        except IngestError as error:
            return error.status not in (401, 403)


def ended(seen: Seen) -> bool:
    """Whether nothing more happens to the job by itself."""
    job = seen.job
    if seen.staged is not None and seen.staged.phase == "undoing":
        return False
    if job.state is JobState.CANCELLED:
        return job.processed == job.total
    return job.state in (JobState.COMPLETED, JobState.FAILED)


def _event(name: str, seen: Seen) -> ServerSentEvent:
    job, body = seen.job, body_of(seen.job, None, seen.staged, seen.maker)
    return ServerSentEvent(_encode(body).decode(), event=name, id=f"{job.updated_ms}-{job.processed}")
