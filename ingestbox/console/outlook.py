"""What a job is doing, and what happens next, as a person would say it."""

from __future__ import annotations

from typing import Any

import msgspec

from ingestbox.model import Caller
from ingestbox.web.v1.jobs import JobBody
from ingestbox.web.v1.sight import EDITORS, READERS, REVIEWERS


class Outlook(msgspec.Struct, frozen=True):
    """`text` names a sentence in `texts/jobs.toml` (`outlook`), `values` fill it; `detail` is what the box
    said of it. `moving`: more happens by itself. `issues`: the sentence is about open issues, which have a
    page (for whom the job `opens`). `measured`: `processed` of `total` says how far it is."""

    text: str
    values: dict[str, Any] = {}
    detail: str = ""
    moving: bool = False
    issues: bool = False
    measured: bool = True


def opens(job: JobBody, me: Caller | None) -> bool:
    """Whether this reader sees the job's records and issues: who may only upload, of what they sent."""
    if me is None:
        return False
    return me.may(REVIEWERS) or (me.may(READERS) and job.created_by == me.subject)


def outlook(job: JobBody, me: Caller | None) -> Outlook:
    """The sentence for this reader."""
    staging = job.staging or None
    phase = staging.phase if staging else ""
    who = "you" if me is not None and me.may(EDITORS if staging else REVIEWERS) else "others"
    moving = job.state in ("queued", "running")
    if phase == "undoing":
        return Outlook("undoing", moving=True, measured=False)
    if phase == "undone" and staging:
        return Outlook("undone", {"removed": staging.removed, "kept": staging.kept})
    if moving and job.error:
        return Outlook("again", detail=job.error, moving=True)
    if moving and phase in ("loading", "checking", "turn", "consolidating"):
        # Rows that are right stay pending until all are: what is processed says nothing of how far it is.
        name = "queued" if job.state == "queued" and phase in ("loading", "checking") else phase
        return Outlook(name, moving=True, measured=phase == "consolidating")
    if moving:
        return Outlook(job.state, moving=True)
    if job.state == "cancelled":
        return (
            Outlook("cancelling", moving=True)
            if job.counts.pending
            else Outlook("cancelled_staged" if staging else "cancelled")
        )
    if staging and job.state in ("review", "failed"):
        waits = staging.open_issues > 0
        if job.error:
            return Outlook("failed", detail=job.error, issues=waits, measured=False)
        if waits:
            return Outlook(f"waiting_{who}", {"n": staging.open_issues}, issues=True, measured=False)
        return Outlook("resolved", measured=False)
    if job.state == "failed" and (job.error or not job.issues):
        return Outlook("failed" if job.error else "failed_all", detail=job.error or "", issues=job.issues > 0)
    if job.issues:
        rest = "left" if job.state == "completed" else "records"
        return Outlook(f"{rest}_{who}", {"n": job.issues}, issues=True)
    return Outlook("completed")
