"""`/v1/issues/bulk`: one decision about many issues."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ingestbox import rules
from ingestbox.errors import Fault, IngestError
from ingestbox.route import Answer, Parameter, Reply, Route
from ingestbox.rules import ONE_OF_THEM, Rule
from ingestbox.store import ReadTx, changes, issues
from ingestbox.store.issues import Issue
from ingestbox.store.review import Action
from ingestbox.store.ruling import Verdict
from ingestbox.store.sight import Sight
from ingestbox.web.binding import Request
from ingestbox.web.idempotency import key_of
from ingestbox.web.v1 import fields, lists
from ingestbox.web.v1.byrule import SHOWN_ROWS, ByRule, RowChange, Ruled, outcome_of, rows_of
from ingestbox.web.v1.issues import decision, wanted_of
from ingestbox.web.v1.parts import Parts
from ingestbox.web.v1.repair import SLICE, Repair, check_match
from ingestbox.web.v1.repeats import Repeats
from ingestbox.web.v1.resolving import COMMENT_LENGTH
from ingestbox.web.v1.sight import ALL, EDITORS, REVIEWERS, check_role, sight_of

MOST_AT_ONCE = 1_000
"""Issues that one call decides about."""

MOST_READS = 20
"""Pages that one call looks for them in: with a filter that few issues pass about 1 s."""

EITHER: dict[str, Any] = {
    "allOf": [
        {"oneOf": [{"required": ["ids"]}, {"required": ["filter"]}]},
        {
            "oneOf": [
                {"required": ["action"], "properties": {"rule": False, "reprocess": {"const": False}}},
                {"required": ["rule"], "properties": {"action": False}},
            ]
        },
    ],
    "dependentRequired": {"cursor": ["filter"]},
}


class IssueFilter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Open issues, newest first: those of a job, a family, a code, or, of refused deliveries, a lane."""

    job: str | None = None
    family: str | None = None
    code: str | None = None
    lane: str | None = None


class Bulk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is decided about many: `ids`, or all that `filter` finds, up to 1,000 in one call. It is an
    `action`, or, about rows of a staged family (contacts), a `rule`."""

    action: Action | UnsetType = UNSET
    rule: Annotated[Rule | UnsetType, Meta(extra_json_schema=ONE_OF_THEM)] = UNSET
    ids: Annotated[list[str], Meta(min_length=1, max_length=MOST_AT_ONCE)] | UnsetType = UNSET
    filter: IssueFilter | UnsetType = UNSET
    cursor: Annotated[
        str | UnsetType, Meta(description="With `filter`: the `next_cursor` of the call before.")
    ] = UNSET
    comment: (
        Annotated[
            str,
            Meta(
                max_length=COMMENT_LENGTH,
                description="With `action`: what is said of all of them; refused deliveries are given up for "
                "a reason alone.",
            ),
        ]
        | UnsetType
    ) = UNSET
    dry_run: bool = False
    reprocess: Annotated[
        bool, Meta(description="With `rule`: the jobs go on at once, if this call reaches all of the issues.")
    ] = False


class BulkOutcome(msgspec.Struct, frozen=True):
    """What became of one: `open` in a dry run, `resolved`, or the code of what stands in the way.

    By a rule also `changed` (whether its rows are right now is found when the job goes on), `unchanged` (the
    rule makes nothing else of its rows), `in_part` and `not_reached` (one call takes no more: do it again).
    `changed` and `discarded` count its rows.
    """

    id: str
    outcome: str
    changed: int | UnsetType = UNSET
    discarded: int | UnsetType = UNSET
    rows: Annotated[
        list[RowChange] | UnsetType,
        Meta(description=f"In a dry run: the first {SHOWN_ROWS} rows of all, with what would change."),
    ] = UNSET


class BulkBody(msgspec.Struct, frozen=True):
    """What became of all. `next_cursor`: where the filter may find others still. The members after it are
    those of a rule."""

    action: Action | None
    dry_run: bool
    matched: int
    resolved: int
    outcomes: list[BulkOutcome]
    next_cursor: str | None
    rule: Rule | UnsetType = UNSET
    audit_id: Annotated[
        str | UnsetType | None,
        Meta(description="What POST /v1/audit/{id}/undo takes this back by; null when nothing was changed."),
    ] = UNSET
    changed: Annotated[int | UnsetType, Meta(description="Rows with another content.")] = UNSET
    discarded: Annotated[int | UnsetType, Meta(description="Rows that were given up.")] = UNSET
    jobs: Annotated[list[str] | UnsetType, Meta(description="Jobs that are to go on: reprocess them.")] = (
        UNSET
    )
    queued: Annotated[list[str] | UnsetType, Meta(description="Jobs that do so now.")] = UNSET


Decided = tuple[BulkBody, tuple[tuple[str, str], ...]]
"""The answer, and its headers."""


class BulkIssues:
    """Decides about many issues of the jobs in sight."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._store = parts.store
        self._repair = Repair(parts)
        self._by_rule = ByRule(parts)
        self._repeats = Repeats(parts.store)

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
                "what stands in the way, such as `validation_failed` for one that needs a correction, or "
                "`issue_not_held` for one of which nothing came that `accept` could have forwarded. A "
                "call that is cut short, or repeated, finds the others open still. With a filter that few "
                "issues pass a call may find less than it could, or nothing, and still give a `next_cursor`. "
                "Of refused deliveries (`delivery_refused`) `retry` sends the lines again (`again`: each is "
                "open until the upstream takes it), and `discard` needs a `comment`."
                "\n\nA `rule` (role editor) decides about the rows of issues of a staged family, whose job "
                "waits: of rows that repeat each other the most complete is kept; all are given up; a field "
                "is set; fields are trimmed and put into lower case. A row that somebody else changes "
                "meanwhile stays as it is (`record_changed`). With `dry_run` nothing is changed, and the "
                "answer has what would be; its ETag as If-Match holds the call to that: 412, and nothing "
                "done, when rows were changed since so that it would do something else. `audit_id` takes all "
                "of it back while the job waits: POST /v1/audit/{id}/undo.",
                body=Annotated[Bulk, Meta(extra_json_schema=EITHER)],
                example={"filter": {"code": "text_required"}, "action": "discard", "dry_run": True},
                parameters=(
                    Parameter("dry_run", "As in the body.", bool),
                    Parameter("If-Match", "With `rule`: the ETag of its dry run.", place="header"),
                    ALL,
                ),
                answers=(Answer(BulkBody, some={"ETag": "Of a dry run by `rule`: what it would do."}),),
                errors=(
                    *("bad_parameter", "job_not_found", "malformed_json", "validation_failed"),
                    *("precondition_failed", "request_in_progress"),
                ),
                idempotent=True,
            ),
        )

    async def bulk(self, ask: Request) -> Reply:
        """POST /v1/issues/bulk."""
        wanted = _wanted(ask)
        if wanted.dry_run:  # changes nothing: asked again it says what is so now, and names that in its ETag
            key_of(ask)  # one that is not good is said, though nothing is kept under it
            body, headers = await self._decide(ask, wanted)
            return Reply(body, headers=headers)
        return await self._repeats.once(ask, BulkBody, lambda: self._decide(ask, wanted))

    async def _decide(self, ask: Request, wanted: Bulk) -> Decided:
        sight = sight_of(ask, self._parts.families)
        named: list[str] = []
        following: int | None = None
        if wanted.filter is not UNSET and wanted.ids is UNSET:
            chosen, following = await self._matching(sight, wanted.filter, _below(wanted))
        elif wanted.ids is not UNSET and wanted.filter is UNSET and wanted.cursor is UNSET:
            named = fields.each_once(wanted.ids)
            chosen = await self._named(named, sight)
        else:
            sentence = "give either ids or filter; cursor goes with filter"
            raise fields.refused([Fault("invalid", sentence, field="ids")])
        if wanted.rule is not UNSET:
            return await self._rule(ask, wanted, wanted.rule, chosen, named, following)
        assert wanted.action is not UNSET  # _wanted saw to it
        still = [each for each in chosen if each.resolved_ms is None]
        outcomes = dict.fromkeys(named, "not_found")
        outcomes.update((str(each.id), "issue_resolved") for each in chosen)
        if wanted.dry_run:
            outcomes.update((str(each.id), "open") for each in still)
        else:
            fit = still
            if wanted.action != "discard":
                hindrances = await self._hindrances(still)
                if wanted.action == "accept":
                    hindrances |= {each.id: "issue_not_held" for each in still if not each.held}
                outcomes.update((str(number), code) for number, code in hindrances.items())
                fit = [each for each in still if each.id not in hindrances]
            comment = None if wanted.comment is UNSET else wanted.comment
            decided = await self._repair.decide(fit, wanted.action, ask, comment)
            outcomes.update(
                (str(each.id), code or _done(each, wanted.action))
                for each, code in zip(fit, decided, strict=True)
            )
        body = BulkBody(
            action=wanted.action,
            dry_run=wanted.dry_run,
            matched=len(chosen),
            resolved=sum(1 for outcome in outcomes.values() if outcome == "resolved"),
            outcomes=[BulkOutcome(*pair) for pair in outcomes.items()],
            next_cursor=None if following is None else lists.cursor(following),
        )
        return body, ()

    async def _rule(
        self,
        ask: Request,
        wanted: Bulk,
        rule: Rule,
        chosen: Sequence[Issue],
        named: Sequence[str],
        following: int | None,
    ) -> Decided:
        """The same by a rule."""
        check_role(ask, EDITORS)
        agreed = None
        if "if-match" in ask.headers and not wanted.dry_run:
            tried = await self._by_rule.apply(ask, rule, chosen, dry_run=True)
            check_match(ask.headers, tried.etag)
            agreed = tried.plan
        ruled = await self._by_rule.apply(ask, rule, chosen, dry_run=wanted.dry_run, agreed=agreed)
        cut = [each.id for each in chosen if not _reached(ruled, each.id)]
        if cut and wanted.filter is not UNSET:
            following = cut[0] + 1
        queued: list[str] = []
        if wanted.reprocess and not wanted.dry_run and not cut and following is None:
            queued = await self._by_rule.go_on(ask, ruled.verdicts)
        outcomes = {name: BulkOutcome(name, "not_found") for name in named}
        for each in chosen:
            verdict = ruled.verdicts.get(each.id)
            outcomes[str(each.id)] = _outcome(each.id, verdict, dry_run=wanted.dry_run)
        verdicts = ruled.verdicts.values()
        body = BulkBody(
            action=None,
            dry_run=wanted.dry_run,
            matched=len(chosen),
            resolved=sum(1 for each in outcomes.values() if each.outcome == "resolved"),
            outcomes=list(outcomes.values()),
            next_cursor=None if following is None else lists.cursor(following),
            rule=rule,
            audit_id=None if ruled.audit_id is None else str(ruled.audit_id),
            changed=sum(each.changed for each in verdicts),
            discarded=sum(each.discarded for each in verdicts),
            jobs=[] if wanted.dry_run else sorted(set(ruled.jobs.values()).difference(queued)),
            queued=queued,
        )
        return body, (("ETag", ruled.etag),) if wanted.dry_run else ()

    async def _matching(self, sight: Sight, given: IssueFilter, below: int) -> tuple[list[Issue], int | None]:
        """The newest open issues under an id that pass the filter, and the id to go on under."""
        wanted = await wanted_of(
            self._store,
            sight,
            job=given.job,
            family=given.family,
            code=given.code,
            open_=True,
            lane=given.lane,
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

    async def _named(self, ids: Sequence[str], sight: Sight) -> list[Issue]:
        """Those of the ids that are in sight."""
        numbers = [number for number in map(lists.id_of, ids) if number is not None]

        def read(tx: ReadTx) -> list[Issue]:
            found = (issues.one(tx, number, sight) for number in numbers)
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
        if issue.grouped or issue.lane is not None:
            return None  # it is the whole job that is processed again; or the line is sent as it is
        row = tx.one("records.payload", {"id": issue.record_id})
        return "damaged" if row is None else changes.hindrance(self._parts.families.get(issue.family), *row)


def _done(issue: Issue, action: Action) -> str:
    return "again" if issue.lane is not None and action == "retry" else "resolved"


def _wanted(ask: Request) -> Bulk:
    """What is asked for, by body and query. Raises IngestError: malformed_json, validation_failed,
    bad_parameter."""
    wanted = decision(ask.body, Bulk)
    if (wanted.action is UNSET) is (wanted.rule is UNSET):
        raise fields.refused([Fault("invalid", "give either action or rule", field="action")])
    wrong = [] if wanted.rule is UNSET else rules.faults(wanted.rule)
    if wrong:
        raise fields.refused([Fault("invalid", sentence, field="rule") for sentence in wrong])
    dry_run = lists.flag(ask.query, "dry_run")
    wanted = msgspec.structs.replace(wanted, dry_run=wanted.dry_run or dry_run)
    if wanted.comment is not UNSET and wanted.rule is not UNSET:
        raise fields.refused([Fault("invalid", "comment goes with action", field="comment")])
    if wanted.reprocess and wanted.rule is UNSET:
        raise fields.refused([Fault("invalid", "reprocess goes with rule", field="reprocess")])
    return wanted


def _reached(ruled: Ruled, issue: int) -> bool:
    """Whether an issue was decided about to its end."""
    verdict = ruled.verdicts.get(issue)
    return verdict is not None and verdict.code != "in_part"


def _outcome(issue: int, verdict: Verdict | None, *, dry_run: bool) -> BulkOutcome:
    return BulkOutcome(
        str(issue),
        outcome_of(verdict, dry_run=dry_run),
        0 if verdict is None else verdict.changed,
        0 if verdict is None else verdict.discarded,
        rows_of(verdict) if dry_run and verdict is not None else UNSET,
    )


def _below(wanted: Bulk) -> int:
    """The id that issues are looked for under. Raises IngestError `validation_failed`."""
    if wanted.cursor is UNSET:
        return lists.NEWEST
    try:
        return lists.below({"cursor": wanted.cursor})
    except IngestError as error:
        raise fields.refused([Fault("invalid", error.detail.rstrip("."), field="cursor")]) from None
