"""The audit trail: who changed what, when, from what to what; written with the change, never altered.

But for one thing: an erasure puts a mark in the place of an address in what was before and after.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from ingestbox.clock import iso
from ingestbox.model import EVERYWHERE
from ingestbox.store import ReadTx, Store
from ingestbox.store.unit import Tx

_FIRST_MS, _LAST_MS = -(1 << 63), (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Act:
    """Who does something, as a part of the unit that does it: `note` writes it in the same transaction."""

    actor: str
    workspace: str
    request_id: str | None
    now_ms: int

    def within(self, workspace: str) -> Act:
        """The same, for the trail of another workspace: what is changed there is read there."""
        return replace(self, workspace=workspace)

    def note(
        self,
        tx: Tx,
        action: str,
        noun: str,
        object_id: str | int,
        *,
        before: Mapping[str, object] | None = None,
        after: Mapping[str, object] | None = None,
    ) -> None:
        """Adds a line: `action` such as `key.revoke`, on the object of kind `noun`.

        `before` and `after` hold what changed, as JSON can. Never a secret, a password or its hash.
        """
        tx.run(
            "audit.insert",
            {
                "now": self.now_ms,
                "workspace": self.workspace,
                "actor": self.actor,
                "action": action,
                "object": noun,
                "object_id": str(object_id),
                "before": None if before is None else msgspec.json.encode(before).decode(),
                "after": None if after is None else msgspec.json.encode(after).decode(),
                "request_id": self.request_id,
            },
        )


class AuditLine(msgspec.Struct, frozen=True):
    """One line of the trail; `before` and `after` hold what changed, and null what was not there."""

    id: str
    at: str
    actor: str
    workspace: str
    action: str
    object: str
    object_id: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    request_id: str | None


class Wanted(msgspec.Struct, frozen=True):
    """Which lines: None leaves a column out of account. `object_id` needs `object`; times are Unix ms."""

    workspace: str | None
    actor: str | None = None
    action: str | None = None
    object: str | None = None
    object_id: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None

    @property
    def filters(self) -> bool:
        """Whether lines are left out that lie between others."""
        columns = (self.actor, self.action, self.object, self.since_ms, self.until_ms)
        return any(column is not None for column in columns)


class Page(msgspec.Struct, frozen=True):
    """Lines, newest first, and the id to go on below: None when there are no more."""

    lines: list[AuditLine]
    below: int | None


SCAN = 5_000
SCANS = 20
"""Lines looked at in one read, and reads for one page: a filter that matches hardly anything gives a short
page that goes on, never a long read."""


async def page(store: Store, wanted: Wanted, below: int, limit: int) -> Page:
    """The lines with an id under `below`."""
    lines: list[AuditLine] = []
    reach: int | None = below
    for _ in range(SCANS):
        if reach is None or len(lines) > limit:
            break
        found, reach = await store.read_with(_Slice(wanted, reach, limit + 1 - len(lines)).read)
        lines += found
    if len(lines) > limit:
        return Page(lines[:limit], int(lines[limit - 1].id))
    return Page(lines, reach)


@dataclass(frozen=True, slots=True)
class _Slice:
    """What is read in one go."""

    wanted: Wanted
    below: int
    limit: int

    def read(self, tx: ReadTx) -> tuple[list[AuditLine], int | None]:
        """The lines, at most `limit`, and the id below which the next slice begins: None after the last."""
        wanted = self.wanted
        one = wanted.object is not None and wanted.object_id is not None
        place = "_of_object" if one else "" if wanted.workspace is not None else "_everywhere"
        scan = SCAN if wanted.filters else self.limit
        params = {
            **msgspec.structs.asdict(wanted),
            "workspace": wanted.workspace or EVERYWHERE,
            "since_ms": _FIRST_MS if wanted.since_ms is None else wanted.since_ms,
            "until_ms": _LAST_MS if wanted.until_ms is None else wanted.until_ms,
            "below": self.below,
            "limit": self.limit,
            "scan": scan,
        }
        lines = [_line(row) for row in tx.all(f"audit.page{place}", params)]
        if len(lines) == self.limit:
            return lines, int(lines[-1].id)
        count, lowest = tx.all(f"audit.reach{place}", params)[0]
        return lines, None if count < scan else lowest


def _line(row: tuple[Any, ...]) -> AuditLine:
    line_id, at_ms, workspace, actor, action, noun, object_id, before, after, request_id = row
    return AuditLine(
        id=str(line_id),
        at=iso(at_ms) or "",
        actor=actor,
        workspace=workspace,
        action=action,
        object=noun,
        object_id=object_id,
        before=_facts(before),
        after=_facts(after),
        request_id=request_id,
    )


def _facts(text: str | None) -> dict[str, Any] | None:
    return None if text is None else msgspec.json.decode(text, type=dict[str, Any])
