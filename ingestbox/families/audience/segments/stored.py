"""Segments as they are stored, and the records that are theirs."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
from msgspec import UNSET

from ingestbox.clock import iso
from ingestbox.errors import IngestError
from ingestbox.families.audience import filters
from ingestbox.families.audience.segments import told
from ingestbox.families.audience.segments.shapes import Segment
from ingestbox.families.audience.selection import (
    Chosen,
    Places,
    Upload,
    count_among,
    total_of,
    upload_from,
)
from ingestbox.families.audience.sight import FAMILY, sight_of
from ingestbox.family import Ask, Box
from ingestbox.store import ReadTx


@dataclass(frozen=True, slots=True)
class Kept:
    """A row of a segment. `record` is JSON (`told.Record`)."""

    id: int
    workspace: str
    origin: str
    owner: str
    object_id: str
    upload_id: str
    job_id: int
    version: int
    forward: bool
    frozen: bool
    created_ms: int
    updated_ms: int
    crc: int
    record: bytes

    @property
    def says(self) -> told.Record:
        """Its record. One that cannot be read any more has an empty name, and no filter."""
        try:
            return told.record_of(self.record)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return told.Record("", self.upload_id)


def kept_from(row: Sequence[Any]) -> Kept:
    """The segment of a row."""
    values = list(row)
    values[8], values[9] = bool(values[8]), bool(values[9])
    return Kept(*values)


def missing() -> IngestError:
    """What is said of a segment that is not there."""
    return IngestError("not_found", "Segment not found")


async def segment_of(ask: Ask) -> Kept:
    """The segment that the path names, as its upload is seen. Raises IngestError: bad_parameter, forbidden,
    not_found."""
    sight = sight_of(ask)
    named = {"object_id": ask.path["segment_id"], "box": ask.query.get("box", "")}
    rows = await ask.box.read("audience.segment", {**named, "workspace": ask.caller.workspace})
    if not rows:
        raise missing()
    kept = kept_from(rows[0])
    if not sight.admits(kept.workspace, FAMILY, None if kept.origin else kept.owner):
        raise IngestError("forbidden", "Access denied")
    return kept


async def upload_of(ask: Ask, kept: Kept) -> Upload:
    """Its upload. Raises IngestError `not_found`."""
    if kept.origin:
        params = {"public_id": kept.upload_id, "box": kept.origin, "workspace": kept.workspace}
        rows = await ask.box.read("audience.upload_from", params)
    else:
        rows = await ask.box.read("audience.upload", {"public_id": kept.upload_id})
    if not rows:
        if kept.origin:
            raise IngestError("not_found", "The upload of this segment is not here yet: only its box has it.")
        raise missing()
    return upload_from(rows[0])


async def chosen_of(box: Box, kept: Kept) -> Chosen:
    """Its records: those of its list, or those that its filter lets pass. Raises IngestError `damaged`."""
    if kept.frozen:
        return await box.read_with(partial(_places, kept.id))
    return passing(kept.says.filter)


def passing(written: Any) -> Chosen:
    """Those that pass a filter as it was written (JSON values): all without one, none of one that this box
    does not know."""
    if written is None:
        return None
    found, _ = filters.read(written)
    return () if found is None else found.condition


def _places(segment: int, tx: ReadTx) -> Places:
    row = tx.one("audience.segment_result", {"id": segment})
    if row is None:
        raise missing()
    record, result, crc = row
    if zlib.crc32(result + record) != crc:
        raise IngestError("damaged")
    return tuple(told.rows_of(result))


async def count_of(box: Box, upload: Upload, chosen: Chosen, reads: int) -> tuple[int, bool, int]:
    """How many records there are of a selection now, whether they were counted to the end, and how many of
    the reads that it might take are left."""
    if chosen is None:
        return upload.stored, True, reads
    if isinstance(chosen, Sequence):
        return await box.read_with(lambda tx: count_among(tx, upload, chosen)), True, reads - 1
    return await total_of(box, upload, chosen, reads)


def line_of(kept: Kept, count: tuple[int, bool] | None, *, everybody: bool) -> Segment:
    """The segment on the wire, with its count, if that is known."""
    says = kept.says
    return Segment(
        segment_id=kept.object_id,
        name=says.name,
        upload_id=kept.upload_id,
        filter=says.filter,
        frozen=kept.frozen,
        forward=kept.forward,
        created_at=iso(kept.created_ms) or "",
        updated_at=iso(kept.updated_ms) or "",
        count=UNSET if count is None else count[0],
        count_is=UNSET if count is None or count[1] else "lower bound",
        owner=kept.owner if everybody else UNSET,
        box=kept.origin or UNSET,
    )
