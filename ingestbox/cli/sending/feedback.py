"""Batches of feedback: `POST /api/data-ingest`, each a job that is followed to its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import click
import httpx2
import msgspec

from ingestbox.cli.sending.asking import Asker, not_a_box
from ingestbox.cli.sending.service import NO_BOX, Outcome, Taken
from ingestbox.cli.sending.tally import Refused, Tally

NEXT: Mapping[int, str] = {
    401: " Get a key where the box is: ingestbox key create --name NAME --role ingest; and give it in "
    "INGESTBOX_TOKEN.",
    403: " Ask for a key with such a role: ingestbox key create --name NAME --role ingest.",
    404: NO_BOX,
}


class _Taken(msgspec.Struct):
    """The 200 of an intake."""

    job_id: str
    record_count: int
    outcomes: list[Outcome] = []


class _Fault(msgspec.Struct):
    message: str
    index: int | None = None


class _Job(msgspec.Struct):
    """A job, as far as waiting for it goes."""

    status: str
    error: str | None = None
    errors: list[_Fault] = []


class Feedback:
    """See Service."""

    path = "/api/data-ingest"
    next = NEXT

    def taken(self, content: bytes) -> Taken:
        """See Service."""
        found = msgspec.json.decode(content, type=_Taken)
        return Taken(found.job_id, found.outcomes)

    async def follow(self, asker: Asker, batch_id: str, places: Sequence[str], tally: Tally) -> None:
        """See Service."""
        job = await self._ended(asker, batch_id)
        known = {each.place for each in tally.refused}
        for fault in job.errors:
            place = places[fault.index] if fault.index is not None else f"job {batch_id}"
            if place not in known:  # --partial has told of it already
                tally.issues.append(Refused(place, fault.message))
        if job.status == "failed":
            tally.failed.append(f"{batch_id}: {job.error or 'nothing in it could be processed'}")
        else:
            tally.completed += 1

    async def _ended(self, asker: Asker, job_id: str) -> _Job:
        def over(response: httpx2.Response) -> _Job | None:
            if response.status_code != 200:
                raise click.ClickException(f"Job {job_id}: {asker.about(response)}")
            try:
                job = msgspec.json.decode(response.content, type=_Job)
            except msgspec.DecodeError:
                not_a_box(response)
            return job if job.status in ("completed", "failed") else None

        return await asker.watch(f"/api/job/{job_id}", over)
