"""One rule for the rows of many issues: what `/v1/issues/bulk` does with `rule`, and how that is told."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from ingestbox.errors import IngestError
from ingestbox.rules import Rule
from ingestbox.store import jobs, records
from ingestbox.store.bulk import BeginOperation, ChangeRows, Done, Ending, Planned
from ingestbox.store.issues import Issue
from ingestbox.store.ruling import Plan, Ruling, Verdict
from ingestbox.web.binding import Request
from ingestbox.web.v1.audit import act
from ingestbox.web.v1.parts import Parts
from ingestbox.web.v1.rows import Rows

MOST_ROWS = 20_000
"""Rows that one call changes at most: some 10 s."""

SHOWN_ROWS = 100
"""Rows that a dry run shows."""


class RowChange(msgspec.Struct, frozen=True):
    """A row that would be changed: the members that differ, and its state, as they are and would be."""

    record: str
    index: Annotated[int, Meta(description="Its place in the job, from 0.")]
    state: Annotated[
        Literal["pending", "issue", "discarded"],
        Meta(description="What it would be: right, wrong, given up."),
    ]
    before: dict[str, Any]
    after: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Ruled:
    """What became of the issues: a verdict for each that was reached, by its id. `audit_id` is None when
    nothing was changed; `plan` is that of a dry run."""

    verdicts: dict[int, Verdict]
    audit_id: int | None
    plan: Plan

    @property
    def etag(self) -> str:
        """Names what a dry run would do: another one as soon as it would do something else."""
        digest = hashlib.sha256()
        for rid, made in sorted(self.plan.items()):
            digest.update(rid.to_bytes(8, "big") + made)
        return f'"{digest.hexdigest()[:32]}"'

    @property
    def jobs(self) -> dict[int, str]:
        """The jobs with rows that are not as they were: id in the store, public id."""
        facts = [each.facts for each in self.verdicts.values() if each.touched or each.resolved]
        return {each.job_id: each.job for each in facts if each is not None}


class ByRule:
    """Applies rules to issues in sight."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._store = parts.store
        self._rows = Rows(parts)

    async def apply(
        self,
        ask: Request,
        rule: Rule,
        issues: Sequence[Issue],
        *,
        dry_run: bool,
        agreed: Plan | None = None,
    ) -> Ruled:
        """Applies it, or with `dry_run` says what that would do. With `agreed`, the plan of a dry run, rows
        of which it would make something else stay as they are."""
        by = act(ask, self._store.clock.now_ms())
        told = msgspec.to_builtins(rule)
        begun: list[int] = []

        async def write(workspace: str, rows: Sequence[Planned], endings: Sequence[Ending]) -> Done:
            if not begun:
                facts = {"rule": told, "issues": len(issues)}
                begun.append(
                    await self._store.write(
                        BeginOperation(by, "issue.bulk", "rule", rule.kind, facts, by.actor)
                    )
                )
            unit = ChangeRows(begun[0], rows, endings, by.within(workspace), by.actor)
            done = await self._store.write(unit)
            for job_id in {records.place(row.edit.record_id)[0] for row in rows}:
                self._parts.progress.changed(job_id)
            return done

        ruling = Ruling(
            self._store,
            self._parts.families,
            rule,
            write=None if dry_run else write,
            facts={"rule": told},
            agreed=agreed,
        )
        shown = SHOWN_ROWS if dry_run else 0
        verdicts = await ruling.apply([each.id for each in issues], MOST_ROWS, shown)
        return Ruled(verdicts, begun[0] if begun else None, ruling.plan)

    async def go_on(self, ask: Request, verdicts: dict[int, Verdict]) -> list[str]:
        """Queues the jobs of these issues that wait for a person; their public ids."""
        queued: list[str] = []
        named = {each.facts.job_id for each in verdicts.values() if each.facts is not None}
        for job_id in sorted(named):
            job = await self._store.read_with(partial(jobs.by_id, job_id=job_id, sight=None))
            if job is None or job.family not in self._parts.families:
                continue
            if self._parts.families[job.family].staging is None:
                continue
            try:
                await self._rows.go_on(ask, job)
            except IngestError as error:
                if error.code not in ("job_cancelled", "job_active", "job_ended", "job_not_found"):
                    raise
            else:
                queued.append(job.public_id)
        return queued


def outcome_of(verdict: Verdict | None, *, dry_run: bool) -> str:
    """What became of an issue, in a word."""
    if verdict is None:
        return "not_reached"
    if verdict.code is not None:
        return verdict.code
    if dry_run:
        return "open" if verdict.touched else "unchanged"
    if verdict.resolved:
        return "resolved"
    return "changed" if verdict.touched else "unchanged"


def rows_of(verdict: Verdict) -> list[RowChange]:
    """The rows that a dry run found."""
    edits = [planned.edit for planned in verdict.rows]
    return [
        RowChange(
            str(edit.record_id),
            records.place(edit.record_id)[1],
            edit.state,
            dict(edit.before),
            dict(edit.after),
        )
        for edit in edits
    ]
