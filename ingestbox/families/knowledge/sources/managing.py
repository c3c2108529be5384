"""`…/sources`: what there is, and making, changing and removing it."""

from __future__ import annotations

from ingestbox.errors import IngestError
from ingestbox.families.knowledge.sources import bodies
from ingestbox.families.knowledge.sources.shapes import (
    STATUSES,
    SourceAnswer,
    SourceGone,
    SourceList,
)
from ingestbox.families.knowledge.sources.stored import kept_of, source_of
from ingestbox.families.knowledge.sources.units import ChangeSource, MakeSource, RemoveSource
from ingestbox.family import Ask
from ingestbox.route import Reply, limit_of
from ingestbox.store.audit import Act
from ingestbox.store.once import Denied, Once, Recall

WHOLE = 10_000
"""What the list has at most that is not asked for in parts (contract: common, Answers)."""

_REPLAYED = (("Idempotency-Replayed", "true"),)


async def listed(ask: Ask) -> Reply:
    """GET /knowledge-management/sources."""
    limit = limit_of(ask.query) if "limit" in ask.query or "cursor" in ask.query else WHOLE
    status = ask.query.get("status")
    if status not in (None, *STATUSES):
        raise IngestError("bad_parameter", f"status must be one of {', '.join(STATUSES)}.")
    asked = {"workspace": ask.caller.workspace, "below": _below(ask), "status": status}
    rows = await ask.box.read("knowledge.source_page", {**asked, "limit": limit + 1})
    now = ask.box.now_ms()
    found = [kept_of(row) for row in rows[:limit]]
    return Reply(
        SourceList(
            sources=[source_of(kept, now) for kept in found],
            next_cursor=str(found[-1].id) if len(rows) > limit else None,
        )
    )


async def one(ask: Ask) -> Reply:
    """GET /knowledge-management/sources/{source_id}."""
    row = {"workspace": ask.caller.workspace, "source_id": ask.path["source_id"]}
    rows = await ask.box.read("knowledge.source", row)
    if not rows:
        raise _missing(ask)
    return Reply(SourceAnswer(source=source_of(kept_of(rows[0]), ask.box.now_ms())))


async def create(ask: Ask) -> Reply:
    """POST /knowledge-management/sources."""
    once = Once(ask.box.creation(ask), b"", SourceAnswer)
    made = None if once.key is None else await ask.box.write(Recall(once))
    if made is None:
        made = await ask.box.write(MakeSource(bodies.new_source(ask.body), _act(ask), once))
    if isinstance(made, Denied):
        raise IngestError(made.code)
    return Reply(made.what, headers=_REPLAYED if made.replayed else ())


async def change(ask: Ask) -> Reply:
    """PUT /knowledge-management/sources/{source_id}."""
    wanted = bodies.change(ask.body)
    kept = await ask.box.write(ChangeSource(ask.path["source_id"], wanted, _act(ask)))
    if kept is None:
        raise _missing(ask)
    return Reply(SourceAnswer(source=source_of(kept, ask.box.now_ms())))


async def remove(ask: Ask) -> Reply:
    """DELETE /knowledge-management/sources/{source_id}."""
    source_id = ask.path["source_id"]
    denied = await ask.box.write(RemoveSource(source_id, _act(ask)))
    if denied is not None:
        raise _missing(ask) if denied.code == "source_not_found" else _with_remedy(denied.code)
    return Reply(SourceGone(id=source_id, message="The source is deleted."))


def _act(ask: Ask) -> Act:
    return Act(ask.caller.subject, ask.caller.workspace, ask.request_id, ask.box.now_ms())


def _missing(ask: Ask) -> IngestError:
    return IngestError("source_not_found", f"There is no source {ask.path['source_id'][:100]!r}.")


def _with_remedy(code: str) -> IngestError:
    """The family's errors have no place for a remedy but the sentence."""
    error = IngestError(code)
    error.detail = f"{error.detail} {error.remedy}"
    return error


def _below(ask: Ask) -> int:
    given = ask.query.get("cursor")
    if given is None:
        return (1 << 63) - 1
    if not (given.isascii() and given.isdigit() and len(given) < 19):
        raise IngestError("bad_parameter", "cursor must be a next_cursor of this list.")
    return int(given)
