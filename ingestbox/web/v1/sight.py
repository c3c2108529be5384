"""Who sees what of jobs and what belongs to them (contract: common, Who sees what).

Of most families the workspace sees all; of private ones (`family.Family.private`) each person what they
made. An administrator who asks for `all=true` sees what everyone made: in the own workspace, or, whoever
operates the box, in every one. What is out of sight is answered as what does not exist.
"""

from __future__ import annotations

from collections.abc import Mapping

from ingestbox.errors import IngestError
from ingestbox.family import Family, Staging
from ingestbox.model import EVERYWHERE, Job, Role
from ingestbox.route import Parameter
from ingestbox.store import jobs
from ingestbox.store.sight import Sight
from ingestbox.web.binding import Request
from ingestbox.web.v1 import lists
from ingestbox.web.v1.parts import Parts

REVIEWERS = frozenset({Role.ANALYST, Role.EDITOR})
"""Who reads records and decides about them."""

READERS = REVIEWERS | {Role.UPLOADER}
"""Who reads records and issues: those who only upload, of what they sent."""

SUBMITTERS = REVIEWERS | {Role.INGEST, Role.UPLOADER}
"""Who sends jobs, and may take one back."""

EDITORS = frozenset({Role.EDITOR})
"""Who decides about rows that wait for each other (contract: contacts, Endpoints)."""

JOB_ID = Parameter("id", "The job's public id.", place="path")

ALL = Parameter(
    "all",
    "For administrators: what others made of a family that is private too; and of every workspace, for those "
    "who operate the box.",
    bool,
)


def sight_of(ask: Request, families: Mapping[str, Family]) -> Sight:
    """What the caller sees of jobs. Raises IngestError: bad_parameter, forbidden."""
    caller = ask.caller
    everyone = lists.flag(ask.query, "all")
    if everyone and not caller.may(_ADMINISTRATORS):
        raise IngestError("forbidden", "all=true needs the role admin.")
    anywhere = caller.operates and (everyone or caller.workspace == EVERYWHERE)
    private = frozenset(name for name, family in families.items() if family.private)
    return Sight(
        None if anywhere else caller.workspace,
        None if everyone else caller.subject,
        private,
    )


def reading_of(ask: Request, families: Mapping[str, Family]) -> Sight:
    """What the caller sees of records and issues: who may only upload, what they sent, of every family."""
    seen = sight_of(ask, families)
    return seen if ask.caller.may(REVIEWERS) else Sight(seen.workspace, seen.subject, frozenset(families))


async def job_of(parts: Parts, ask: Request, sight: Sight | None = None) -> Job:
    """The job that the path names. Raises IngestError `job_not_found`."""
    seen, public_id = sight or sight_of(ask, parts.families), ask.path["id"]
    job = await parts.store.read_with(lambda tx: jobs.find(tx, public_id, seen))
    if job is None:
        raise IngestError("job_not_found")
    return job


def staging_of(parts: Parts, job: Job) -> Staging | None:
    """How the job's rows wait for each other, if they do."""
    family = parts.families.get(job.family)
    return None if family is None else family.staging


def check_role(ask: Request, roles: frozenset[Role]) -> None:
    """Raises IngestError `forbidden` unless the caller has one of these: for calls whose roles depend on the
    family."""
    if not ask.caller.may(roles):
        raise IngestError("forbidden", f"This needs the role {' or '.join(sorted(roles))}.")


_ADMINISTRATORS = frozenset({Role.ADMIN})
