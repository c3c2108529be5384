"""Making, changing and removing segments: units of work (`store.unit`)."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from typing import Any

from ingestbox.families.audience.segments import told
from ingestbox.families.audience.segments.shapes import Segment
from ingestbox.families.audience.segments.stored import Kept, line_of
from ingestbox.families.audience.sight import FAMILY
from ingestbox.model import Job
from ingestbox.store import jobs
from ingestbox.store.audit import Act
from ingestbox.store.once import Denied, Made, Once
from ingestbox.store.putting import put_object, weight_of_put
from ingestbox.store.removal import ROWS_AN_OBJECT, Scope, remove
from ingestbox.store.unit import Tx

NEW = 0
"""The id of a row that has none yet."""


@dataclass(frozen=True, slots=True)
class Content:
    """What a segment is and came to, as JSON (`told`), and how many records it has."""

    record: bytes
    result: bytes
    count: tuple[int, bool]

    @property
    def crc(self) -> int:
        """Of the two."""
        return zlib.crc32(self.result + self.record)


@dataclass(frozen=True, slots=True)
class CreateSegment:
    """Makes a segment, once for an Idempotency-Key. `kept` is how it is to be."""

    kept: Kept
    content: Content
    act: Act
    once: Once[Segment]

    @property
    def weight(self) -> int:
        """Its row, and what is told upstream."""
        return 5 + weight_of_put(self.content.record, self.content.result)

    def apply(self, tx: Tx) -> Made[Segment] | Denied:
        """Denied: not_found without its upload, job_active while that is processed and it is frozen or
        forwarded, what stands in the Idempotency-Key's way."""
        if (earlier := self.once.earlier(tx)) is not None:
            return earlier
        if (hindered := _hindered(tx, self.kept)) is not None:
            return Denied(hindered)
        now = self.kept.created_ms
        tx.run("audience.add_segment", _row(self.kept, self.content, now))
        if self.kept.forward:
            _put(tx, self.kept, self.content, now)
        self.act.note(tx, "segment.create", told.SEGMENT, self.kept.object_id, after=_facts(self.kept))
        what = line_of(self.kept, self.content.count, everybody=False)
        return self.once.keep(tx, what, self.act.now_ms)


@dataclass(frozen=True, slots=True)
class ChangeSegment:
    """Makes of a segment as it `was` what it is to be. What upstream has is put anew, or removed there."""

    was: Kept
    kept: Kept
    content: Content
    act: Act

    @property
    def weight(self) -> int:
        """As of a new one, or of one that goes."""
        return 5 + ROWS_AN_OBJECT + weight_of_put(self.content.record, self.content.result)

    def apply(self, tx: Tx) -> Kept | Denied | None:
        """As it is now; None: it was not as it `was` any more. Denied: as in CreateSegment."""
        was, kept, now = self.was, self.kept, self.act.now_ms
        if (hindered := _hindered(tx, kept)) is not None:
            return Denied(hindered)
        guard = {"was_updated": was.updated_ms, "was_crc": was.crc, "was_forward": was.forward}
        # A clock that stands still, or goes back, must not make two states look like one.
        at = max(now, was.updated_ms + 1)
        if tx.run("audience.change_segment", {**_row(kept, self.content, at), **guard}) != 1:
            return None
        if kept.forward:
            _put(tx, kept, self.content, at)
        elif was.forward:
            remove(tx, scope_of(kept), [kept.object_id], now)
            tx.run("audience.add_segment", _row(kept, self.content, at))  # for people it is still there
        self.act.note(
            tx, "segment.change", told.SEGMENT, kept.object_id, before=_facts(was), after=_facts(kept)
        )
        return replace(kept, updated_ms=at)


@dataclass(frozen=True, slots=True)
class RemoveSegment:
    """Removes a segment of this box, upstream too; whether it was there."""

    kept: Kept
    act: Act
    weight: int = 3 + ROWS_AN_OBJECT

    def apply(self, tx: Tx) -> bool:
        """Removes it."""
        where = {"workspace": self.kept.workspace, "origin": "", "object_id": self.kept.object_id}
        gone = remove(tx, scope_of(self.kept), [self.kept.object_id], self.act.now_ms)
        # Also what upstream was never told of.
        if not tx.run("audience.remove_segment", where) and not gone:
            return False
        self.act.note(tx, "segment.remove", told.SEGMENT, self.kept.object_id, before=_facts(self.kept))
        return True


def scope_of(kept: Kept) -> Scope:
    """Whose object it is."""
    return Scope(kept.workspace, FAMILY, told.SEGMENT, kept.owner, kept.upload_id)


def _hindered(tx: Tx, kept: Kept) -> str | None:
    """The code of what stands in its way."""
    row = tx.one("audience.segment_settled", {"job_id": kept.job_id})
    if row is None:
        return "not_found"
    return None if row[0] or not (kept.frozen or kept.forward) else "job_active"


def _put(tx: Tx, kept: Kept, content: Content, now_ms: int) -> None:
    put = told.put_of(kept.object_id, content.record, content.result)
    put_object(tx, _job(tx, kept), put, content.record, now_ms)


def _job(tx: Tx, kept: Kept) -> Job:
    row = tx.one("erasures.job", {"id": kept.job_id})
    assert row is not None  # jobs stay
    return jobs.from_row(row)


def _row(kept: Kept, content: Content, now_ms: int) -> dict[str, Any]:
    return {
        "id": kept.id or None,
        "workspace": kept.workspace,
        "owner": kept.owner,
        "object_id": kept.object_id,
        "upload_id": kept.upload_id,
        "job_id": kept.job_id,
        "version": kept.version,
        "forward": int(kept.forward),
        "frozen": int(kept.frozen),
        "created_ms": kept.created_ms,
        "now": now_ms,
        "crc": content.crc,
        "record": content.record,
        "result": content.result,
    }


def _facts(kept: Kept) -> dict[str, object]:
    says = kept.says
    return {
        "name": says.name,
        "upload": kept.upload_id,
        "filter": says.filter,
        "frozen": kept.frozen,
        "forward": kept.forward,
    }


def with_content(kept: Kept, content: Content) -> Kept:
    """The segment with another content."""
    return replace(kept, record=content.record, crc=content.crc)
