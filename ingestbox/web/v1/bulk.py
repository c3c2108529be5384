"""`/v1/issues/bulk`: one decision about many issues."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ingestbox.errors import Fault, IngestError
from ingestbox.family import Answer, Reply, Route
from ingestbox.store import ReadTx, changes, issues
from ingestbox.store.issues import Issue
from ingestbox.store.review import Action
from ingestbox.web.binding import Request
from ingestbox.web.v1 import fields, lists
from ingestbox.web.v1.issues import decision, wanted_of
from ingestbox.web.v1.parts import Parts
from ingestbox.web.v1.repair import SLICE, Repair
from ingestbox.web.v1.sight import REVIEWERS, scope

MOST_AT_ONCE = 1_000
"""Issues that one call decides about."""

MOST_READS = 20
"""Pages that one call looks for them in: with a filter that few issues pass about 1 s."""

EITHER: dict[str, Any] = {
    "oneOf": [{"required": ["ids"]}, {"required": ["filter"]}],
    "dependentRequired": {"cursor": ["filter"]},
}


class IssueFilter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Open issues, newest first: those of a job, a family, a code."""

    job: str | None = None
    family: str | None = None
    code: str | None = None


class Bulk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is decided about many: `ids`, or all that `filter` finds, up to 1,000 in one call."""

    action: Action
    ids: Annotated[list[str], Meta(min_length=1, max_length=MOST_AT_ONCE)] | UnsetType = UNSET
    filter: IssueFilter | UnsetType = UNSET
    cursor: Annotated[
        str | UnsetType, Meta(description="With `filter`: the `next_cursor` of the call before.")
    ] = UNSET
    dry_run: bool = False


class BulkOutcome(msgspec.Struct, frozen=True):
    """What became of one: `open` in a dry run, `resolved`, or the code of what stands in the way."""

    id: str
    outcome: str


class BulkBody(msgspec.Struct, frozen=True):
    """What became of all. `next_cursor`: where the filter may find others still."""

    action: Action
    dry_run: bool
    matched: int
    resolved: int
    outcomes: list[BulkOutcome]
    next_cursor: str | None


class BulkIssues:
    """Decides about many issues of the jobs in sight."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._store = parts.store
        self._repair = Repair(parts)

    def routes(self) -> tuple[Route, ...]:
        """What web binds."""
        return (
            Route(
                "POST",
                "/v1/issues/bulk",
                self.bulk,
                "Resolve many issues",
                REVIEWERS,
                body_limit="control_kb",
                description="Each is decided by itself, and its outcome told: `resolved`, or the code of "
                "what stands in the way, such as `validation_failed` for one that needs a correction. A "
                "call that is cut short, or repeated, finds the others open still. With a filter that few "
                "issues pass a call may find less than it could, or nothing, and still give a `next_cursor`.",
                body=Annotated[Bulk, Meta(extra_json_schema=EITHER)],
                example={"filter": {"code": "text_required"}, "action": "discard", "dry_run": True},
                parameters=(lists.ALL,),
                answers=(Answer(BulkBody),),
                errors=("bad_parameter", "job_not_found", "malformed_json", "validation_failed"),
            ),
        )

    async def bulk(self, ask: Request) -> Reply:
        """POST /v1/issues/bulk."""
        wanted = decision(ask.body, Bulk)
        workspace = scope(ask)
        outcomes: dict[str, str] = {}
        following: int | None = None
        if wanted.filter is not UNSET and wanted.ids is UNSET:
            chosen, following = await self._matching(workspace, wanted.filter, _below(wanted))
        elif wanted.ids is not UNSET and wanted.filter is UNSET and wanted.cursor is UNSET:
            ids = fields.each_once(wanted.ids)
            chosen = await self._named(ids, workspace)
            outcomes = dict.fromkeys(ids, "not_found")
        else:
            sentence = "give either ids or filter; cursor goes with filter"
            raise fields.refused([Fault("invalid", sentence, field="ids")])
        still = [each for each in chosen if each.resolved_ms is None]
        outcomes.update((str(each.id), "issue_resolved") for each in chosen)
        if wanted.dry_run:
            outcomes.update((str(each.id), "open") for each in still)
        else:
            fit = still
            if wanted.action == "retry":
                hindrances = await self._hindrances(still)
                outcomes.update((str(number), code) for number, code in hindrances.items())
                fit = [each for each in still if each.id not in hindrances]
            decided = await self._repair.decide(fit, wanted.action, ask)
            outcomes.update(
                (str(each.id), code or "resolved") for each, code in zip(fit, decided, strict=True)
            )
        return Reply(
            BulkBody(
                action=wanted.action,
                dry_run=wanted.dry_run,
                matched=len(chosen),
                resolved=sum(1 for outcome in outcomes.values() if outcome == "resolved"),
                outcomes=[BulkOutcome(*pair) for pair in outcomes.items()],
                next_cursor=None if following is None else lists.cursor(following),
            )
        )

    async def _matching(
        self, workspace: str | None, given: IssueFilter, below: int
    ) -> tuple[list[Issue], int | None]:
        """The newest open issues under an id that pass the filter, and the id to go on under."""
        wanted = await wanted_of(
            self._store, workspace, job=given.job, family=given.family, code=given.code, open_=True
        )
        chosen: list[Issue] = []
        following: int | None = below
        for _ in range(MOST_READS):
            if following is None or len(chosen) == MOST_AT_ONCE:
                break
            start, room = following, MOST_AT_ONCE - len(chosen)

            def read(tx: ReadTx, start: int = start, room: int = room) -> tuple[list[Issue], int | None]:
                return issues.listed(tx, wanted, start, room)

            found, following = await self._store.read_with(read)
            chosen += found
        return chosen, following

    async def _named(self, ids: Sequence[str], workspace: str | None) -> list[Issue]:
        """Those of the ids that are in sight."""
        numbers = [number for number in map(lists.id_of, ids) if number is not None]

        def read(tx: ReadTx) -> list[Issue]:
            found = (issues.one(tx, number, workspace) for number in numbers)
            return [each for each in found if each is not None]

        return await self._store.read_with(read)

    async def _hindrances(self, chosen: Sequence[Issue]) -> dict[int, str]:
        """Why some cannot be tried again as they are: a code by the issue's id."""
        found: dict[int, str] = {}
        for start in range(0, len(chosen), SLICE):
            run = chosen[start : start + SLICE]

            def read(tx: ReadTx, run: Sequence[Issue] = run) -> list[str | None]:
                return [self._hindrance(tx, each) for each in run]

            codes = await self._store.read_with(read)
            found.update((each.id, code) for each, code in zip(run, codes, strict=True) if code is not None)
        return found

    def _hindrance(self, tx: ReadTx, issue: Issue) -> str | None:
        row = tx.one("records.payload", {"id": issue.record_id})
        return "damaged" if row is None else changes.hindrance(self._parts.families.get(issue.family), *row)


def _below(wanted: Bulk) -> int:
    """The id that issues are looked for under. Raises IngestError `validation_failed`."""
    if wanted.cursor is UNSET:
        return lists.NEWEST
    try:
        return lists.below({"cursor": wanted.cursor})
    except IngestError as error:
        raise fields.refused([Fault("invalid", error.detail.rstrip("."), field="cursor")]) from None
