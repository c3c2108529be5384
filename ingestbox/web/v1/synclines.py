"""The lines of a batch from another box, checked: where each stands, and what it carries."""

from __future__ import annotations

import datetime
import hashlib
import logging
from collections.abc import Mapping, Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from ingestbox import strictjson
from ingestbox.errors import MAX_FAULTS, Fault, IngestError
from ingestbox.family import Family
from ingestbox.model import EVERYWHERE, Caller, Columns, delivery_digest
from ingestbox.store.chain import Link
from ingestbox.store.sync import SyncLine
from ingestbox.web.v1.syncshapes import NAME

log = logging.getLogger(__name__)

_EPOCH = datetime.datetime.fromtimestamp(0, datetime.UTC)

_Number = Annotated[int, Meta(ge=1, le=2**63 - 1)]
_Word = Annotated[str, Meta(min_length=1, max_length=200)]
_Name = Annotated[str, Meta(pattern=f"^(?:{NAME.pattern})$")]
_Id = Annotated[str, Meta(min_length=1, max_length=1_000)]


class Head(msgspec.Struct):
    """What places a line in its batch."""

    box: str
    epoch: str
    seq: _Number
    op: str


class _Line(Head):
    """A line that carries something."""

    version: _Number
    workspace: _Word
    family: _Word
    kind: _Word
    id: _Id
    at: str
    hash: str
    job_id: Annotated[str, Meta(max_length=200)] | None = None
    owner: Annotated[str, Meta(max_length=1_000)] | None = None
    record: msgspec.Raw = msgspec.Raw(b"")
    result: msgspec.Raw = msgspec.Raw(b"")
    lineage: msgspec.Raw = msgspec.Raw(b"")
    origin: _Name | None = None
    origin_epoch: _Name | None = None


class Placed(msgspec.Struct, frozen=True):
    """The header fields of a batch."""

    box: str
    epoch: str
    link: Link


class RejectError(Exception):
    """A line that is not applied: its code and a sentence that does not repeat the line's content."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code)
        self.code = code
        self.message = message


_head = msgspec.json.Decoder(Head)
_line = msgspec.json.Decoder(_Line)


def heads(placed: Placed, texts: Sequence[bytes]) -> list[Head]:
    """Where each line stands. Raises IngestError validation_failed with the index of each misplaced one."""
    found: list[Head] = []
    faults: list[Fault] = []
    before = placed.link.after
    for index, text in enumerate(texts):
        try:
            head = _head.decode(text)
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            faults.append(Fault("line_invalid", f"The line is not a delivery: {_brief(error)}.", index))
        else:
            if (head.box, head.epoch) != (placed.box, placed.epoch):
                faults.append(Fault("box_mismatch", "The line is of another box or epoch.", index, "box"))
            if head.seq <= before:
                faults.append(Fault("seq_order", "The seqs of the lines must ascend.", index, "seq"))
            before = head.seq
            found.append(head)
        if len(faults) >= MAX_FAULTS:
            break
    if not faults and (found[0].seq, found[-1].seq) != (placed.link.first, placed.link.last):
        faults.append(Fault("seq_range", "Ingestbox-Seq does not name the first and last line.", None, "seq"))
    if faults:
        raise IngestError("validation_failed", faults=faults)
    return found


def checked(families: Mapping[str, Family], head: Head, text: bytes, caller: Caller) -> SyncLine:
    """The line, ready to be applied. Raises RejectError."""
    if head.op not in ("put", "delete"):
        raise RejectError("op_unsupported", "The op is none of put, delete and skip.")
    try:
        line = _line.decode(text)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise RejectError("line_invalid", f"The line is not a delivery: {_brief(error)}.") from None
    if (line.origin is None) is not (line.origin_epoch is None):
        raise RejectError("line_invalid", "The members origin and origin_epoch go together.")
    if line.origin is not None and not all(map(NAME.fullmatch, (line.origin, line.origin_epoch or ""))):
        raise RejectError("line_invalid", "A name in it ends with a line end.")  # a `$` lets that pass
    record, result = bytes(line.record), bytes(line.result)
    if delivery_digest(record, result) != line.hash:
        raise RejectError("hash_mismatch", "The hash is not that of record and result.")
    family = families.get(line.family)
    if family is None:
        raise RejectError("family_unknown", "This box does not have the family.")
    if line.kind not in family.kinds:
        raise RejectError("kind_unknown", "The family does not have objects of this kind.")
    if caller.workspace not in (line.workspace, EVERYWHERE):
        raise RejectError("workspace_forbidden", "The sender's credentials are for another workspace.")
    return SyncLine(
        seq=line.seq,
        mark=_mark(line),
        op=line.op,
        version=line.version,
        workspace=line.workspace,
        family=line.family,
        kind=line.kind,
        object_id=line.id,
        job_id=line.job_id or "",
        at_ms=_at_ms(line.at),
        columns=_columns(family, line, record, result) if line.op == "put" else {},
        record=record,
        result=result,
        digest=line.hash,
        owner=line.owner or "",
        lineage=_lineage(line),
        origin=line.origin or "",
        origin_epoch=line.origin_epoch or "",
    )


def _columns(family: Family, line: _Line, record: bytes, result: bytes) -> Columns:
    """The projection's values. Raises RejectError for a record or result that does not fit the family."""
    try:
        strictjson.decode(record)
        strictjson.decode(result)
        return family.project(line.kind, record, result)
    except Exception as error:  # noqa: BLE001 - whatever another box's record does to it, the others go on
        log.warning(
            "A line of another box does not fit its family.",
            extra={"box": line.box, "seq": line.seq, "family": line.family, "error": type(error).__name__},
        )
        raise RejectError("record_invalid", "The record is not one that the family can take.") from None


def _lineage(line: _Line) -> bytes:
    """As it came: it may go on upstream, where it has to be JSON too."""
    found = bytes(line.lineage)
    try:
        if found:
            strictjson.decode(found)
    except IngestError:
        raise RejectError("line_invalid", "The member lineage is not JSON.") from None
    return found


def _at_ms(text: str) -> int:
    try:
        moment = datetime.datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError(text)
        # An offset can lead out of the years 1 to 9999 of UTC, where nobody could show the time any more.
        return (moment.astimezone(datetime.UTC) - _EPOCH) // datetime.timedelta(milliseconds=1)
    except (ValueError, OverflowError):
        raise RejectError("line_invalid", "The member at is not a time with its offset.") from None


def _mark(line: _Line) -> int:
    """64 bits that differ when the line says something else (not when it is only spelt otherwise)."""
    said: tuple[object, ...] = (line.op, line.version, line.workspace, line.family, line.kind, line.id)
    said += (line.hash,) if line.origin is None else (line.hash, line.origin, line.origin_epoch)
    return int.from_bytes(hashlib.sha256(msgspec.json.encode(said)).digest()[:8], "big", signed=True)


def _brief(error: Exception) -> str:
    """What a decoder said, without the place in the bytes and without the bytes."""
    return str(error).removeprefix("JSON is malformed: ").rstrip(".")[:200]
