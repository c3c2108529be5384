"""The audit trail: who changed what, when, from what to what; written with the change, never altered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from ingestbox.clock import iso
from ingestbox.store import Store
from ingestbox.store.writer import Tx


@dataclass(frozen=True, slots=True)
class Act:
    """Who does something, as a part of the unit that does it: `note` writes it in the same transaction."""

    actor: str
    workspace: str
    request_id: str | None
    now_ms: int

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


async def page(store: Store, workspace: str, below: int, limit: int) -> list[AuditLine]:
    """The workspace's lines with an id under `below`, newest first."""
    rows = await store.read("audit.page", {"workspace": workspace, "below": below, "limit": limit})
    return [
        AuditLine(
            id=str(line_id),
            at=iso(at_ms) or "",
            actor=actor,
            workspace=space,
            action=action,
            object=noun,
            object_id=object_id,
            before=_facts(before),
            after=_facts(after),
            request_id=request_id,
        )
        for line_id, at_ms, space, actor, action, noun, object_id, before, after, request_id in rows
    ]


def _facts(text: str | None) -> dict[str, Any] | None:
    return None if text is None else msgspec.json.decode(text, type=dict[str, Any])
