"""Making, changing and removing sources: units of work (`store.unit`)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import msgspec
from msgspec import UNSET

from ingestbox.families.knowledge.sources.frequency import every_ms
from ingestbox.families.knowledge.sources.shapes import NewSource, SourceAnswer, SourceChange
from ingestbox.families.knowledge.sources.stored import Kept, Says, kept_of, source_of
from ingestbox.store.audit import Act
from ingestbox.store.once import Denied, Made, Once
from ingestbox.store.unit import Tx

NOUN = "source"


@dataclass(frozen=True, slots=True)
class MakeSource:
    """Makes a source, once for an Idempotency-Key. One that became known by its articles is configured; one
    that is just as it is to be stays so."""

    wanted: NewSource
    act: Act
    once: Once[SourceAnswer]
    weight: int = 4

    def apply(self, tx: Tx) -> Made[SourceAnswer] | Denied:
        """Denied: source_exists, or what stands in the Idempotency-Key's way."""
        if (earlier := self.once.earlier(tx)) is not None:
            return earlier
        now, wanted = self.act.now_ms, self.wanted
        was = find(tx, self.act.workspace, wanted.id)
        if was is not None and was.status != "unconfigured":
            if not _alike(was, wanted):
                return Denied("source_exists")
            return self.once.keep(tx, SourceAnswer(source=source_of(was, now)), now)
        if was is None:
            tx.run("knowledge.source_add", _row(self.act.workspace, _new(wanted, now)))
            made = find(tx, self.act.workspace, wanted.id)
            assert made is not None
            self.act.note(tx, "source.create", NOUN, wanted.id, after=_facts(made))
        else:
            made = _configured(was, wanted, now)
            tx.run("knowledge.source_change", _row(self.act.workspace, made))
            self.act.note(tx, "source.change", NOUN, wanted.id, before=_facts(was), after=_facts(made))
        return self.once.keep(tx, SourceAnswer(source=source_of(made, now)), now)


@dataclass(frozen=True, slots=True)
class ChangeSource:
    """Changes what is said of a source."""

    source_id: str
    wanted: SourceChange
    act: Act
    weight: int = 3

    def apply(self, tx: Tx) -> Kept | None:
        """As it is now; None: there is none."""
        was = find(tx, self.act.workspace, self.source_id)
        if was is None:
            return None
        kept = _changed(was, self.wanted, self.act.now_ms)
        if _facts(kept) == _facts(was):
            return was
        tx.run("knowledge.source_change", _row(self.act.workspace, kept))
        self.act.note(tx, "source.change", NOUN, self.source_id, before=_facts(was), after=_facts(kept))
        return kept


@dataclass(frozen=True, slots=True)
class RemoveSource:
    """Removes a source without content."""

    source_id: str
    act: Act
    weight: int = 3

    def apply(self, tx: Tx) -> Denied | None:
        """Denied: source_not_found, source_has_content."""
        was = find(tx, self.act.workspace, self.source_id)
        if was is None:
            return Denied("source_not_found")
        where = {"workspace": self.act.workspace, "source_id": self.source_id}
        if was.total_content > 0:
            return Denied("source_has_content")
        tx.run("knowledge.source_remove", where)
        self.act.note(tx, "source.remove", NOUN, self.source_id, before=_facts(was))
        return None


def find(tx: Tx, workspace: str, source_id: str) -> Kept | None:
    """A source of a workspace."""
    row = tx.one("knowledge.source", {"workspace": workspace, "source_id": source_id})
    return None if row is None else kept_of(row)


def _new(wanted: NewSource, now_ms: int) -> Kept:
    return Kept(
        id=0,
        source_id=wanted.id,
        name=wanted.name,
        type=wanted.type,
        status=wanted.status,
        crawl_frequency=wanted.crawl_frequency,
        says=Says(wanted.base_url, wanted.language, wanted.selectors),
        every_ms=every_ms(wanted.crawl_frequency),
        total_content=0,
        last_crawl_ms=None,
        heard_ms=None,
        since_ms=now_ms,
        created_ms=now_ms,
        updated_ms=now_ms,
    )


def _configured(was: Kept, wanted: NewSource, now_ms: int) -> Kept:
    counted = {name: getattr(was, name) for name in ("id", "total_content", "last_crawl_ms", "heard_ms")}
    return replace(_new(wanted, now_ms), created_ms=was.created_ms, **counted)


def _changed(was: Kept, wanted: SourceChange, now_ms: int) -> Kept:
    says = msgspec.structs.replace(was.says, **_given(wanted, ("base_url", "language", "selectors")))
    given = _given(wanted, ("name", "type", "status", "crawl_frequency"))
    if was.status == "unconfigured" and wanted.status is UNSET:
        given["status"] = "active"  # it is being configured
    kept = replace(was, says=says, updated_ms=now_ms, **given)
    kept = replace(kept, every_ms=every_ms(kept.crawl_frequency))
    # Silence counts anew when somebody begins to listen, or for something else.
    if (kept.status, kept.every_ms) != (was.status, was.every_ms):
        kept = replace(kept, since_ms=now_ms)
    return kept


def _given(wanted: SourceChange, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(wanted, name) for name in names if getattr(wanted, name) is not UNSET}


def _alike(was: Kept, wanted: NewSource) -> bool:
    return _facts(was) == _facts(_new(wanted, 0))


def _facts(kept: Kept) -> dict[str, object]:
    """What somebody said of it: what the trail shows."""
    return {
        "name": kept.name,
        "type": kept.type,
        "status": kept.status,
        "crawl_frequency": kept.crawl_frequency,
        **msgspec.structs.asdict(kept.says),
    }


def _row(workspace: str, kept: Kept) -> dict[str, object]:
    return {
        "workspace": workspace,
        "source_id": kept.source_id,
        "name": kept.name,
        "type": kept.type,
        "status": kept.status,
        "crawl_frequency": kept.crawl_frequency,
        "settings": msgspec.json.encode(kept.says).decode(),
        "every_ms": kept.every_ms,
        "since_ms": kept.since_ms,
        "updated_ms": kept.updated_ms,
    }
