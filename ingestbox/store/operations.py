"""Decisions about many rows, as they can be looked at for as long as they can be taken back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from ingestbox.rules import Rule
from ingestbox.store import ReadTx, records
from ingestbox.store.pages import page
from ingestbox.store.sight import Sight

MOST_COUNTED = 20_000
"""Rows that are counted for a list; one more stands for any number above."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One of them. `job` (public id and name) is that of the first row it changed; `rule` is None when the
    trail does not say any more."""

    id: int
    workspace: str
    actor: str
    at_ms: int
    undone_ms: int | None
    rule_id: int | None
    rule_name: str | None
    rule: Rule | None
    job: tuple[str, str] | None
    rows: int


class _Facts(msgspec.Struct):
    """What the trail says of one."""

    rule: Rule | None = None
    name: str | None = None


def listed(
    tx: ReadTx, sight: Sight, below: int, limit: int, rule_id: int | None = None
) -> tuple[list[Operation], int | None]:
    """A page of what `sight` may take back, newest first, and the id to go on under."""

    def wanted(row: tuple[Any, ...]) -> bool:
        own = sight.workspace in (None, row[1]) and sight.subject in (None, row[2])
        return own and rule_id in (None, row[5])

    found = page(tx.each("operations.page", {"below": below}), limit, wanted)
    return [_operation(tx, row, sight) for row in found.rows], found.last


def applied(tx: ReadTx, rules: Sequence[int]) -> dict[int, tuple[int, int]]:
    """To how many imports each of these rules was applied, and when last (Unix ms), by its id."""
    given = {"rules": msgspec.json.encode(rules).decode()}
    return {row[0]: (row[1], row[2]) for row in tx.all("operations.of_rules", given)}


def _operation(tx: ReadTx, row: tuple[Any, ...], sight: Sight) -> Operation:
    number, workspace, actor, at_ms, job_id, rule_id, undone_ms, after = row
    facts = _facts(after)
    operation = {"operation": number}
    if job_id is None and (first := tx.all("operations.first", operation)[0][0]) is not None:
        job_id = records.place(first)[0]
    job = None if job_id is None else tx.one("operations.job", {"id": job_id})
    seen = job is not None and sight.admits(job[2], job[3], job[4])
    return Operation(
        number,
        workspace,
        actor,
        at_ms,
        undone_ms,
        rule_id,
        facts.name,
        facts.rule,
        (job[0], job[1]) if job is not None and seen else None,
        tx.all("operations.count", {**operation, "limit": MOST_COUNTED + 1})[0][0],
    )


def _facts(after: str | None) -> _Facts:
    """An erasure may have put its mark anywhere in it."""
    try:
        return _Facts() if after is None else msgspec.json.decode(after, type=_Facts)
    except msgspec.ValidationError:
        return _Facts()
