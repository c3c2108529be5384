"""From a body to a batch of records, with every fault of every record (contract: audience)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from ingestbox import strictjson
from ingestbox.errors import Fault, IngestError
from ingestbox.families.audience.check import RECORD_DEPTH, check
from ingestbox.family import Batch, Intake

SLICE_BYTES = 262_144
"""Decoded at a stretch: about 1 ms, for which msgspec holds the interpreter."""

MAX_NAME = 100


class _Body(msgspec.Struct):
    records: list[msgspec.Raw]
    upload_name: str = ""
    fields: list[str] | None = None


_bodies = msgspec.json.Decoder(_Body)


async def decode(body: bytes, *, max_records: int, partial: bool) -> Batch:
    """Decodes and checks a body, record by record; between slices other requests get their turn.

    Raises IngestError: `malformed_json`, or `validation_failed` (400).
    """
    try:
        envelope = _bodies.decode(body)
    except strictjson.FAILURES:
        await strictjson.decode_in_turns(body)
        raise IngestError("validation_failed", "The body has another shape.", status=400) from None
    if not envelope.upload_name.strip():
        raise IngestError("validation_failed", "Upload name is required", status=400)
    if len(envelope.upload_name) > MAX_NAME:
        raise IngestError("validation_failed", "Upload name too long", status=400)
    if not envelope.records:
        raise IngestError("validation_failed", "At least one record is required", status=400)
    if len(envelope.records) > max_records:
        sentence = f"Batch size too large. Maximum {max_records} records per request."
        raise IngestError("validation_failed", sentence, status=400)
    records, names = await _records(envelope.records)
    faults = [record.fault for record in records if record.fault is not None]
    if faults and (not partial or len(faults) == len(records)):
        first = faults[0]
        raise IngestError(
            "validation_failed",
            f"Missing required fields for enrichment: record {first.index}. {first.message}",
            faults=faults,
            status=400,
        )
    fields = envelope.fields if envelope.fields is not None else names
    return Batch(
        family="audience",
        source="json_api",
        name=envelope.upload_name,
        records=records,
        about={"fields": msgspec.json.encode(fields).decode()},
    )


async def _records(raws: Sequence[msgspec.Raw]) -> tuple[list[Intake], list[str]]:
    records: list[Intake] = []
    names: dict[str, None] = {}
    size = 0
    for index, raw in enumerate(raws):
        payload = bytes(raw)
        value = strictjson.decode(payload, f"Record {index}", strictjson.MAX_DEPTH - RECORD_DEPTH)
        key, faults = check(value, index)
        if isinstance(value, dict):
            names.update(dict.fromkeys(value))
        # Only line ends between tokens go, for a delivery is one line.
        line = msgspec.json.format(payload, indent=-1) if b"\n" in payload or b"\r" in payload else payload
        records.append(Intake(key, line, _first(faults)))
        size += len(payload)
        if size > SLICE_BYTES:
            size = 0
            await asyncio.sleep(0)
    return records, list(names)


def _first(faults: Sequence[Fault]) -> Fault | None:
    return faults[0] if faults else None
