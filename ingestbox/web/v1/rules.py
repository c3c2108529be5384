"""`/v1/rules`: decisions that are kept, and applied to later imports before a person is asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta
from msgspec.structs import asdict

from ingestbox import rules as leaf
from ingestbox.clock import iso
from ingestbox.errors import Fault, IngestError
from ingestbox.route import Answer, Parameter, Reply, Route, limit_of
from ingestbox.rules import ONE_OF_THEM, Rule
from ingestbox.store import ReadTx, operations, rules, trail
from ingestbox.store.bulkundo import UNDO_DAYS
from ingestbox.store.once import Denied, Once
from ingestbox.store.rules import DropRule, KeepRule, KeptRule
from ingestbox.web.binding import Request
from ingestbox.web.idempotency import key_of
from ingestbox.web.v1 import fields, lists
from ingestbox.web.v1.audit import act
from ingestbox.web.v1.issues import decision
from ingestbox.web.v1.keys import REPLAYED
from ingestbox.web.v1.parts import Parts
from ingestbox.web.v1.sight import ALL, EDITORS, sight_of

MAX_NAME = 100
MAX_CODE = 100

ID = Parameter("id", "The rule's id, as the list has it.", place="path")
_NAME = fields.text(MAX_NAME)


class NewRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a rule is kept with: it decides about the issues of a family that have this code."""

    name: Annotated[
        str, Meta(min_length=1, max_length=MAX_NAME, description="What jobs and rows call it by.")
    ]
    family: str
    code: Annotated[
        str, Meta(min_length=1, max_length=MAX_CODE, description="Of issues, such as `duplicate_email`.")
    ]
    rule: Annotated[Rule, Meta(extra_json_schema=ONE_OF_THEM)]


class ToldRule(KeptRule, frozen=True):
    """A rule, and what it did lately."""

    imports: Annotated[
        int, Meta(ge=0, description=f"To how many it was applied in the last {UNDO_DAYS} days.")
    ] = 0
    applied_at: Annotated[str | None, Meta(description="When it was last, of those.")] = None
    created_by_name: Annotated[
        str | None, Meta(description="The address of the user, or the name of the key, that keeps it.")
    ] = None


class RulePage(msgspec.Struct, frozen=True):
    """A page of rules, newest first; they are applied in the order in which they were made."""

    rules: list[ToldRule]
    next_cursor: str | None


class DroppedRule(msgspec.Struct, frozen=True):
    """A rule that is applied to nothing any more."""

    id: str
    dropped: bool


class Rules:
    """The rules in sight."""

    def __init__(self, parts: Parts) -> None:
        self._store = parts.store
        self._families = parts.families

    def routes(self) -> tuple[Route, ...]:
        """What web binds."""
        return (
            Route(
                "POST",
                "/v1/rules",
                self.keep,
                "Keep a rule for later imports",
                EDITORS,
                "control_kb",
                description="It is applied to the imports that come after it: your own, in a family whose "
                "objects are private. What it does can be seen: each row that it changed has a note, the job "
                "a warning with the counts and the id that takes it back (POST /v1/audit/{id}/undo), and the "
                "issue is resolved by `rule:<name>`. It decides in the first check of an import alone, so "
                "that what a person decides later stays.",
                body=NewRule,
                example={
                    "name": "keep complete",
                    "family": "contacts",
                    "code": "duplicate_email",
                    "rule": {"keep": "most_complete"},
                },
                answers=(Answer(ToldRule, 201, "Kept."),),
                errors=("malformed_json", "validation_failed", "rule_exists", "too_many_rules"),
                idempotent=True,
            ),
            Route(
                "GET",
                "/v1/rules",
                self.page,
                "Kept rules",
                EDITORS,
                parameters=(*lists.PAGE, ALL),
                answers=(Answer(RulePage),),
                errors=("bad_parameter",),
            ),
            Route(
                "GET",
                "/v1/rules/{id}",
                self.one,
                "One kept rule",
                EDITORS,
                parameters=(ID, ALL),
                answers=(Answer(ToldRule),),
                errors=("bad_parameter", "not_found"),
            ),
            Route(
                "DELETE",
                "/v1/rules/{id}",
                self.drop,
                "Take a rule away",
                EDITORS,
                description="It is not applied to imports that are checked from now on; what it did stays.",
                parameters=(ID, ALL),
                answers=(Answer(DroppedRule),),
                errors=("bad_parameter", "not_found"),
            ),
        )

    async def keep(self, ask: Request) -> Reply:
        """POST /v1/rules."""
        wanted = decision(ask.body, NewRule)
        family = self._families.get(wanted.family)
        faults = [Fault("invalid", sentence, field="rule") for sentence in leaf.faults(wanted.rule)]
        if not _NAME.holds(wanted.name):
            faults.append(fields.fault("name", _NAME.sentence))
        if family is None or family.staging is None:
            faults.append(fields.fault("family", "must be one whose rows wait for each other"))
        elif wanted.rule.kind == "keep" and wanted.code != family.staging.repeated[0]:
            faults.append(fields.fault("code", f"must be {family.staging.repeated[0]} for keep"))
        if faults or family is None:
            raise fields.refused(faults)
        made = await self._store.write(
            KeepRule(
                wanted.family,
                ask.caller.subject if family.private else "",
                wanted.name,
                wanted.code,
                wanted.rule,
                act(ask, self._store.clock.now_ms()),
                Once(key_of(ask), b"", KeptRule),
            )
        )
        if isinstance(made, Denied):
            raise IngestError(made.code)
        (told,) = await self._store.read_with(lambda tx: _told(tx, [made.what]))
        return Reply(told, 201, REPLAYED if made.replayed else ())

    async def page(self, ask: Request) -> Reply:
        """GET /v1/rules."""
        sight, below, limit = sight_of(ask, self._families), lists.below(ask.query), limit_of(ask.query)

        def read(tx: ReadTx) -> tuple[list[ToldRule], int | None]:
            found, last = rules.listed(tx, sight, below, limit)
            return _told(tx, found), last

        found, last = await self._store.read_with(read)
        return Reply(RulePage(found, lists.cursor(last) if last else None))

    async def one(self, ask: Request) -> Reply:
        """GET /v1/rules/{id}."""
        kept = await self._rule(ask)
        (told,) = await self._store.read_with(lambda tx: _told(tx, [kept]))
        return Reply(told)

    async def drop(self, ask: Request) -> Reply:
        """DELETE /v1/rules/{id}."""
        kept = await self._rule(ask)
        by = act(ask, self._store.clock.now_ms()).within(kept.workspace)
        if not await self._store.write(DropRule(int(kept.id), by)):
            raise IngestError("not_found", f"There is no rule {kept.id}.")
        return Reply(DroppedRule(kept.id, dropped=True))

    async def _rule(self, ask: Request) -> KeptRule:
        rule_id, sight = lists.number(ask.path["id"], "rule"), sight_of(ask, self._families)
        kept = await self._store.read_with(lambda tx: rules.one(tx, rule_id, sight))
        if kept is None:
            raise IngestError("not_found", f"There is no rule {rule_id}.")
        return kept


def _told(tx: ReadTx, found: Sequence[KeptRule]) -> list[ToldRule]:
    """The rules with what they did."""
    did = operations.applied(tx, [int(each.id) for each in found])
    return [
        ToldRule(
            **asdict(each),
            imports=count,
            applied_at=iso(last_ms),
            created_by_name=trail.name_of(tx, each.created_by),
        )
        for each in found
        for count, last_ms in (did.get(int(each.id), (0, None)),)
    ]
