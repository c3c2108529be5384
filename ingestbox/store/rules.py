"""Rules that a person keeps: made, listed, taken away, and applied to each later import before a person is
asked.

They are applied in the first check of an import alone: what a person decides after that is not overruled. The
rows are checked again after that, and a second round decides about what came of the first; then it is over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from ingestbox.clock import iso
from ingestbox.family import Family
from ingestbox.model import Job, Notice
from ingestbox.rules import Rule
from ingestbox.store import Store
from ingestbox.store.audit import Act
from ingestbox.store.bulk import BeginOperation, ChangeRows, Done, Ending, Planned
from ingestbox.store.once import Denied, Made, Once
from ingestbox.store.pages import page
from ingestbox.store.readers import ReadTx
from ingestbox.store.ruling import Ruling
from ingestbox.store.sight import Sight
from ingestbox.store.staging import Hold
from ingestbox.store.unit import Tx

NOUN = "rule"

MOST_RULES = 100
"""What one owner keeps for a family: each is a pass over an import's issues."""

ROUNDS = 2

MOST_ROWS = 1 << 62
ISSUES_AT_ONCE = 500

NOTICE = "rule_applied"

_rule = msgspec.json.Decoder(Rule)
_notices = msgspec.json.Decoder(list[Notice])


class KeptRule(msgspec.Struct, frozen=True):
    """A rule that is applied to later imports; `owner` is whose (null: everybody's in the workspace)."""

    id: str
    name: str
    family: str
    code: str
    rule: Rule
    workspace: str
    owner: str | None
    created_by: str
    created_at: str


def _kept(row: tuple[Any, ...]) -> KeptRule:
    rule_id, workspace, family, owner, name, code, rule, created_by, created_ms = row
    return KeptRule(
        str(rule_id),
        name,
        family,
        code,
        _rule.decode(rule),
        workspace,
        owner or None,
        created_by,
        iso(created_ms) or "",
    )


@dataclass(frozen=True, slots=True)
class KeepRule:
    """Keeps a rule, once for an Idempotency-Key. `owner` is empty for the whole workspace's."""

    family: str
    owner: str
    name: str
    code: str
    rule: Rule
    act: Act
    once: Once[KeptRule]
    weight: int = 4

    def apply(self, tx: Tx) -> Made[KeptRule] | Denied:
        """Inserts it. Denied: rule_exists, too_many_rules, what stands in the Idempotency-Key's way."""
        if (earlier := self.once.earlier(tx)) is not None:
            return earlier
        place = {"workspace": self.act.workspace, "family": self.family, "owner": self.owner}
        if tx.all("rules.count", place)[0][0] >= MOST_RULES:
            return Denied("too_many_rules")
        made = tx.one(
            "rules.insert",
            {
                **place,
                "name": self.name,
                "code": self.code,
                "rule": msgspec.json.encode(self.rule).decode(),
                "actor": self.act.actor,
                "now": self.act.now_ms,
            },
        )
        if made is None:
            return Denied("rule_exists")
        row = tx.one("rules.one", {"id": made[0]})
        assert row is not None
        kept = _kept(row)
        self.act.note(tx, "rule.keep", NOUN, kept.id, after=_facts(kept))
        return self.once.keep(tx, kept, self.act.now_ms)


@dataclass(frozen=True, slots=True)
class DropRule:
    """Takes a rule away; what it did stays. Whether it was there."""

    rule_id: int
    act: Act
    weight: int = 2

    def apply(self, tx: Tx) -> bool:
        """Deletes it."""
        row = tx.one("rules.one", {"id": self.rule_id})
        if row is None:
            return False
        tx.run("rules.remove", {"id": self.rule_id})
        self.act.note(tx, "rule.drop", NOUN, self.rule_id, before=_facts(_kept(row)))
        return True


def _facts(kept: KeptRule) -> dict[str, object]:
    return {
        "name": kept.name,
        "family": kept.family,
        "code": kept.code,
        "rule": msgspec.to_builtins(kept.rule),
    }


def one(tx: ReadTx, rule_id: int, sight: Sight) -> KeptRule | None:
    """The rule, if it is in sight."""
    row = tx.one("rules.one", {"id": rule_id})
    return _kept(row) if row is not None and _seen(row, sight) else None


def listed(tx: ReadTx, sight: Sight, below: int, limit: int) -> tuple[list[KeptRule], int | None]:
    """A page of the rules in sight, newest first, and the id to go on under."""
    found = page(tx.each("rules.page", {"below": below}), limit, lambda row: _seen(row, sight))
    return [_kept(row) for row in found.rows], found.last


def _seen(row: tuple[Any, ...], sight: Sight) -> bool:
    return sight.admits(row[1], row[2], row[3] or row[7])


@dataclass(frozen=True, slots=True)
class EndRound:
    """The kept rules were applied; the job says so in its warnings. Raises LostClaimError."""

    hold: Hold
    rounds: int
    notices: Sequence[Notice]
    weight: int = 3

    def apply(self, tx: Tx) -> None:
        """Remembers the round, and puts the notices in the place of those of an earlier one."""
        self.hold.count(tx)
        job_id = self.hold.job.id
        tx.run("rules.end_round", {"job_id": job_id, "rounds": self.rounds})
        row = tx.one("rules.warnings", {"job_id": job_id})
        others = [] if row is None else [each for each in _notices.decode(row[0]) if each.code != NOTICE]
        warnings = msgspec.json.encode([*others, *self.notices]).decode()
        tx.run("rules.warn", {"job_id": job_id, "warnings": warnings})


async def apply_kept(
    store: Store, families: Mapping[str, Family], job: Job, hold: Callable[[], Hold]
) -> bool:
    """Applies its owner's rules to the issues of a job that was just checked; whether a row is another one
    now, so that all have to be checked again.

    `hold()` gives the worker's claim, renewed. Raises LostClaimError, IngestError.
    """
    rows = await store.read("rules.rounds", {"job_id": job.id})
    rounds = int(rows[0][0]) if rows else 0
    if rounds >= ROUNDS:
        return False
    scope = {"workspace": job.workspace, "family": job.family, "owner": job.created_by, "job_id": job.id}
    kept = [_kept(row) for row in await store.read("rules.for_job", scope)]
    if not kept:
        return False
    changed = 0
    for each in kept:
        changed += await _Application(store, families, job, each, hold).run()
    notices = [notice for each in kept if (notice := await _notice(store, job, each)) is not None]
    await store.write(EndRound(hold(), rounds + 1 if changed else ROUNDS, notices))
    return changed > 0


class _Application:
    """One kept rule, applied to one job."""

    def __init__(
        self,
        store: Store,
        families: Mapping[str, Family],
        job: Job,
        kept: KeptRule,
        hold: Callable[[], Hold],
    ) -> None:
        self._store = store
        self._families = families
        self._job = job
        self._kept = kept
        self._hold = hold
        self._operation: int | None = None

    async def run(self) -> int:
        """How many rows it changed."""
        name = self._kept.name
        ruling = Ruling(
            self._store,
            self._families,
            self._kept.rule,
            write=self._write,
            note=lambda text: f"Rule '{name}': {text[:1].lower()}{text[1:]}",
            noted=True,
            waiting=False,
        )
        changed = after = 0
        while True:
            place = {"job_id": self._job.id, "code": self._kept.code, "after": after, "limit": ISSUES_AT_ONCE}
            issues = [row[0] for row in await self._store.read("bulk.open_of_job", place)]
            if not issues:
                return changed
            verdicts = await ruling.apply(issues, MOST_ROWS)
            changed += sum(each.touched for each in verdicts.values())
            after = issues[-1]

    async def _write(self, workspace: str, rows: Sequence[Planned], endings: Sequence[Ending]) -> Done:
        actor = f"{NOUN}:{self._kept.name}"
        by = Act(actor, workspace, None, self._store.clock.now_ms())
        if self._operation is None:
            facts = {"job": self._job.public_id, **_facts(self._kept)}
            begin = BeginOperation(
                by,
                "rule.apply",
                NOUN,
                self._kept.id,
                facts,
                self._job.created_by,
                self._job.id,
                int(self._kept.id),
            )
            self._operation = await self._store.write(begin)
        return await self._store.write(ChangeRows(self._operation, rows, endings, by, actor, self._hold()))


async def _notice(store: Store, job: Job, kept: KeptRule) -> Notice | None:
    """What a rule did to a job, in all rounds; None: nothing."""

    def read(tx: ReadTx) -> tuple[int, int, int] | None:
        operation = tx.one("bulk.of_rule", {"job_id": job.id, "rule_id": int(kept.id)})
        if operation is None:
            return None
        discarded, changed = tx.all("bulk.counted", {"operation": operation[0]})[0]
        return int(operation[0]), int(discarded), int(changed)

    counted = await store.read_with(read)
    if counted is None:
        return None
    operation, discarded, changed = counted
    return Notice(
        NOTICE,
        f"Rule '{kept.name}' discarded {discarded:,} rows and changed {changed:,} "
        f"(taken back by POST /v1/audit/{operation}/undo)",
    )
