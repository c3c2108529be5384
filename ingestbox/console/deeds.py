"""What can be done with a job: by whom, in which state, and by which call of the API."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ingestbox.model import Caller, Role
from ingestbox.web.v1.jobs import JobBody
from ingestbox.web.v1.sight import EDITORS, READERS, REVIEWERS, SUBMITTERS


class Deed(msgspec.Struct, frozen=True):
    """`call` is the last part of the call's route, `query` its parameters; `hurts` if it cannot be taken
    back. Its texts are in `texts/jobs.toml` under `deeds`."""

    name: str
    call: str
    query: Mapping[str, str] = {}
    hurts: bool = False

    @property
    def route(self) -> str:
        """The call's route."""
        return f"/v1/jobs/{{id}}/{self.call}"


CANCEL = Deed("cancel", "cancel", hurts=True)
AGAIN = Deed("again", "reprocess")
ALL_AGAIN = Deed("all-again", "reprocess", {"records": "all"})
GO_ON = Deed("go-on", "reprocess")
UNDO = Deed("undo", "undo", hurts=True)

DEEDS: Mapping[str, Deed] = {deed.name: deed for deed in (CANCEL, AGAIN, ALL_AGAIN, GO_ON, UNDO)}


def deeds(job: JobBody, me: Caller) -> list[Deed]:
    """What this person can do with the job as it is. What changed meanwhile the API says."""
    return [deed for deed, roles in _possible(job) if me.may(roles)]


def _possible(job: JobBody) -> list[tuple[Deed, frozenset[Role]]]:
    made = job.counts.finished
    if job.staging:
        return _of_staged(job, job.staging.phase, made)
    found: list[tuple[Deed, frozenset[Role]]] = []
    if job.state in ("completed", "failed", "review"):
        if job.issues:
            found.append((AGAIN, REVIEWERS))
        if made:
            found.append((ALL_AGAIN, REVIEWERS))
    if job.state in ("queued", "running", "review"):
        found.append((CANCEL, SUBMITTERS))
    return found


def _of_staged(job: JobBody, phase: str, made: int) -> list[tuple[Deed, frozenset[Role]]]:
    if phase == "done":
        return [(UNDO, EDITORS)]
    found: list[tuple[Deed, frozenset[Role]]] = []
    if job.state in ("review", "failed"):
        found.append((GO_ON, READERS))
    if job.state in ("review", "failed", "queued") and not made and phase not in ("turn", "consolidating"):
        found.append((CANCEL, EDITORS))
    return found
