"""`/v1/issues/{id}/resolve`: what a person decides about an issue: correct, try again, accept what is held,
give up, and, of rows that wait for each other, which of them stays."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ingestbox.errors import Fault, IngestError
from ingestbox.route import Answer, Parameter, Reply, Route
from ingestbox.store.issues import Issue
from ingestbox.web.binding import Request
from ingestbox.web.v1 import fields, lists
from ingestbox.web.v1.issues import ETAG, ISSUE_ID, IssueBody, Issues, decision, delivery_of, etag_of
from ingestbox.web.v1.parts import Parts
from ingestbox.web.v1.repair import Found, Repair, check_match
from ingestbox.web.v1.rows import Rows
from ingestbox.web.v1.sight import ALL, REVIEWERS, sight_of

COMMENT_LENGTH = 2_000

IF_MATCH = Parameter("If-Match", "The issue's ETag: 412 when it is another one by now.", place="header")

PATCH_FOR_EDIT: dict[str, Any] = {
    "oneOf": [
        {"properties": {"action": {"const": "edit"}}, "required": ["patch"]},
        {"properties": {"action": {"const": "keep"}, "patch": False}, "required": ["record"]},
        {
            "properties": {
                "action": {"enum": ["discard", "retry", "accept", "update"]},
                "patch": False,
                "record": False,
            }
        },
    ]
}


class Resolution(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is decided: `edit` takes `patch`, a JSON Merge Patch (RFC 7396) on the record's content; `keep`
    takes `record`."""

    action: Literal["discard", "retry", "accept", "edit", "keep", "update"]
    patch: Annotated[Any, Meta(description="For `edit`: what PATCH /v1/records/{id} takes.")] = UNSET
    record: Annotated[
        str | UnsetType,
        Meta(description="The row that `keep` keeps; for `edit`, the one of several that is corrected."),
    ] = UNSET
    comment: (
        Annotated[str, Meta(max_length=COMMENT_LENGTH, description="What is said of it; the issue keeps it.")]
        | UnsetType
    ) = UNSET


class Resolving:
    """Decides about one of the issues of the jobs in sight."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._store = parts.store
        self._issues = Issues(parts)
        self._repair = Repair(parts)
        self._rows = Rows(parts)

    def routes(self) -> tuple[Route, ...]:
        """What web binds."""
        return (
            Route(
                "POST",
                "/v1/issues/{id}/resolve",
                self.resolve,
                "Resolve an issue",
                REVIEWERS,
                body_limit="feedback_json_mb",
                description="`discard` gives the record up; `retry` has it processed once more as it is (422 "
                "when it would not be let in so); `edit` corrects it first. Of two who decide at once one is "
                "told that it is resolved already.\n\nWhat is `held`, such as an article of low quality, can "
                "be read and found in this box, and is not forwarded. `accept` has it processed once more, "
                "and forwarded as it is: its code holds it no more, until the record is corrected. `retry` "
                "holds it again if there is still reason to, and `discard` removes what became of it.\n\n"
                "In a staged family (contacts; role editor) `discard` "
                "gives up all rows that wait on the issue (repeat a call that was cut short), `keep` all but "
                "one, `retry` reprocesses the job. `edit` corrects the row that waits, or, of several, the "
                "one that is named; If-Match may be the row's ETag. The issue is resolved once nothing of it "
                "is left to decide; what is wrong still is open again when the job has gone on. `update` is "
                "for a row whose key exists already: it will update what exists.\n\nOf a refused delivery "
                "(`delivery_refused`) `retry` sends the line again: the issue is resolved when the upstream "
                "takes it, and has the new words if it is refused again. `discard` needs a `comment`, the "
                "reason why the upstream does without it. `edit` corrects the record behind it, as PATCH "
                "/v1/records/{id} does; its new version is delivered by itself.",
                body=Annotated[Resolution, Meta(extra_json_schema=PATCH_FOR_EDIT)],
                example={"action": "edit", "patch": {"summary": "The delivery was late"}},
                parameters=(ISSUE_ID, IF_MATCH, ALL),
                answers=(Answer(IssueBody, headers=ETAG),),
                errors=(
                    "bad_parameter",
                    "not_found",
                    "job_not_waiting",
                    "job_active",
                    "job_ended",
                    "malformed_json",
                    "validation_failed",
                    "issue_resolved",
                    "issue_not_held",
                    "record_not_waiting",
                    "record_changed",
                    "duplicate_content",
                    "job_cancelled",
                    "precondition_failed",
                    "damaged",
                    "issue_not_existing",
                    "rows_undecided",
                    "nothing_to_update",
                    "superseded",
                    "turn_taken",
                    "key_taken",
                    "lane_off",
                    "reason_required",
                    "forbidden",
                ),
            ),
        )

    async def resolve(self, ask: Request) -> Reply:
        """POST /v1/issues/{id}/resolve."""
        issue = await self._issues.find(ask, sight_of(ask, self._parts.families))
        wanted = decision(ask.body, Resolution)
        _check(wanted, issue)
        if issue.resolved_ms is not None:
            raise IngestError("issue_resolved")
        found = await self._repair.find(issue.record_id, None)
        delivery = await self._store.read_with(lambda tx: delivery_of(tx, issue))
        etag = etag_of(issue, found, delivery)
        comment = None if wanted.comment is UNSET else wanted.comment
        if wanted.action == "edit":
            patch = bytes(msgspec.json.decode(ask.body, type=_Patch).patch)
            await self._edit(ask, issue, await self._row(issue, found, wanted.record), patch, etag, comment)
            return await self._issues.answer(issue)
        check_match(ask.headers, etag)
        if wanted.action == "keep" and wanted.record is not UNSET:
            await self._rows.keep(ask, found.job, issue, _record(wanted.record), comment)
        elif wanted.action == "update":
            said = etag if "if-match" in ask.headers else None
            await self._rows.update(ask, found.job, issue, said, comment)
        elif wanted.action in ("discard", "retry", "accept"):
            if wanted.action == "accept" and not issue.held:
                raise IngestError("issue_not_held")
            if wanted.action != "discard" and not issue.grouped and issue.lane is None:
                self._repair.check_fit(found)
            (outcome,) = await self._repair.decide([issue], wanted.action, ask, comment)
            if outcome is not None:
                raise IngestError(outcome)
        return await self._issues.answer(issue)

    async def _edit(
        self, ask: Request, issue: Issue, row: Found, patch: bytes, etag: str, comment: str | None
    ) -> None:
        """Corrects a record. If-Match may be the ETag of the issue, or the record's."""
        named = etag if _names(ask.headers.get("if-match", ""), etag) else None
        await self._repair.edit(ask, row, patch, named, comment)
        if issue.grouped:
            now = await self._repair.find(row.record.id, None)
            moved = now.record.key != row.record.key
            await self._rows.settle(ask, row.job, issue, comment, moved=moved)

    async def _row(self, issue: Issue, first: Found, named: str | UnsetType) -> Found:
        """The record that a correction is meant for. Raises IngestError `validation_failed` if it is not
        plain which, `record_not_waiting` for one that does not wait on the issue."""
        if not issue.grouped:
            if named is not UNSET and _record(named) != issue.record_id:
                raise IngestError("record_not_waiting", f"The record {named[:40]} is none of this issue.")
            return first
        if named is not UNSET:
            rid = _record(named)
            if not await self._rows.waits(issue, rid):
                raise IngestError("record_not_waiting", f"The record {rid} does not wait on this issue.")
            return await self._repair.find(rid, None)
        only = await self._rows.only(issue)
        if only is not None:
            return await self._repair.find(only, None)
        sentence = "several records wait on this issue: name the one that is corrected in record"
        raise fields.refused([Fault("invalid", sentence, field="record")])


def _check(wanted: Resolution, issue: Issue) -> None:
    """Raises IngestError `validation_failed` for members that do not go together."""
    if (wanted.action == "edit") is not (wanted.patch is not UNSET):
        raise fields.refused(
            [Fault("invalid", "patch belongs to the action edit, which needs it", field="patch")]
        )
    if wanted.action == "keep" and wanted.record is UNSET:
        raise fields.refused([Fault("missing", "keep needs record, the row that is kept", field="record")])
    if wanted.action not in ("keep", "edit") and wanted.record is not UNSET:
        raise fields.refused([Fault("invalid", "record goes with keep and edit", field="record")])
    if wanted.action in ("keep", "update") and not issue.grouped:
        sentence = f"{wanted.action} is for families whose rows wait for each other"
        raise fields.refused([Fault("invalid", sentence, field="action")])


def _record(text: str) -> int:
    found = lists.id_of(text)
    if found is None:
        raise fields.refused([Fault("invalid", "record must be a record's id", field="record")])
    return found


def _names(if_match: str, etag: str) -> bool:
    return etag in if_match


class _Patch(msgspec.Struct):
    """The patch as the bytes it is."""

    patch: msgspec.Raw
