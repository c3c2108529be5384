"""Who sees what of jobs and what belongs to them (contract: common, Who sees what): their workspace does, and
an administrator who asks for `all=true`. What is out of sight is answered as what does not exist."""

from __future__ import annotations

from ingestbox.errors import IngestError
from ingestbox.family import Parameter
from ingestbox.model import EVERYWHERE, Job, Role
from ingestbox.store import Store, jobs
from ingestbox.web.binding import Request
from ingestbox.web.v1 import lists

REVIEWERS = frozenset({Role.ANALYST, Role.EDITOR})
"""Who reads records and decides about them."""

SUBMITTERS = REVIEWERS | {Role.INGEST, Role.UPLOADER}
"""Who sends jobs, and may take one back."""

JOB_ID = Parameter("id", "The job's public id.", place="path")


def scope(ask: Request) -> str | None:
    """The workspace whose rows the caller sees; None: every one. Raises bad_parameter, forbidden."""
    everywhere = lists.everywhere(ask.caller, ask.query)
    if everywhere or (ask.caller.workspace == EVERYWHERE and ask.caller.operates):
        return None
    return ask.caller.workspace


async def job_of(store: Store, ask: Request) -> Job:
    """The job that the path names. Raises IngestError `job_not_found`."""
    workspace, public_id = scope(ask), ask.path["id"]
    job = await store.read_with(lambda tx: jobs.find(tx, public_id, workspace))
    if job is None:
        raise IngestError("job_not_found")
    return job
