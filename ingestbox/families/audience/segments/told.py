"""What a segment is as an object: its record and result, as upstream gets them."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from ingestbox.families.audience import process
from ingestbox.model import Put, delivery_digest

SEGMENT: Final = "segment"


class Record(msgspec.Struct):
    """What a person decided about it. `filter` is as it was written; null: all records of the upload."""

    name: str
    upload_id: str
    filter: Any = None
    frozen: bool = False


class Result(msgspec.Struct, omit_defaults=True):
    """What came of it when it was put: how many records, and if it is frozen their indexes, in order."""

    count: int = -1
    rows: list[Annotated[int, Meta(ge=0)]] | None = None


_records = msgspec.json.Decoder(Record)
_results = msgspec.json.Decoder(Result)
_encode = msgspec.json.Encoder().encode


def record_of(record: bytes) -> Record:
    """The record from its JSON. Raises msgspec.DecodeError."""
    return _records.decode(record)


def rows_of(result: bytes) -> list[int]:
    """The indexes in a result. Raises msgspec.DecodeError."""
    return sorted(set(_results.decode(result).rows or ()))


def encoded(record: Record, count: int, rows: list[int] | None) -> tuple[bytes, bytes]:
    """Record and result as JSON."""
    return _encode(record), _encode(Result(count, rows))


def put_of(object_id: str, record: bytes, result: bytes) -> Put:
    """The put of a segment of this box's own."""
    columns = _columns(record_of(record))
    return Put(SEGMENT, object_id, result, columns, delivery_digest(record, result))


def project(kind: str, record: bytes, result: bytes) -> dict[str, str | int | float | None]:
    """The columns of an object of the family from its JSON.

    Raises whatever it meets in one that is none.
    """
    if kind != SEGMENT:
        return process.project(kind, record, result)
    told = record_of(record)
    rows_of(result)
    if not told.name or len(told.name) > MAX_TOLD or len(told.upload_id) > MAX_TOLD:
        raise ValueError(kind)
    return _columns(told)


def _columns(told: Record) -> dict[str, str | int | float | None]:
    return {"upload_id": told.upload_id, "frozen": int(told.frozen)}


MAX_TOLD = 200
"""Characters of a name that another box, or an erasure, gives."""
