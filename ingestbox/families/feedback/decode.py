"""From a JSON body to a batch of records, with every fault of every record (contract: feedback, Body)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from ingestbox import strictjson
from ingestbox.errors import Fault, IngestError
from ingestbox.families.envelope import Envelope, TooManyError, elements
from ingestbox.families.feedback.check import check
from ingestbox.family import Batch, Checked, Intake
from ingestbox.model import Notice

RECORD_DEPTH = 2
"""A record lies this deep in its body."""

MAX_NOTICES = 100
"""Warnings of a job, which every list of jobs repeats; past it they are counted."""

SLICE_BYTES = 262_144
"""Decoded at a stretch: about 1 ms, for which msgspec holds the interpreter."""


_envelope = Envelope("records")


@dataclass(frozen=True, slots=True)
class Decoded:
    """A batch, and what is said about each of its records in a partial acceptance."""

    batch: Batch
    outcomes: list[dict[str, object]]


async def decode(body: bytes, *, max_records: int, partial: bool) -> Decoded:
    """Decodes and checks a body, record by record; between slices other requests get their turn.

    Raises IngestError `malformed_json` (400), or `validation_failed` (422) with the faults: for any fault at
    all, or, with `partial`, when no record is good.
    """
    keys: list[str] = []
    given: list[object] = []
    faults: list[list[Fault]] = []
    payloads: list[bytes] = []
    size = 0
    depth = strictjson.MAX_DEPTH - RECORD_DEPTH
    over_lines = b"\n" in body or b"\r" in body
    for index, raw in enumerate(await split(body, max_records)):
        payload = bytes(raw)
        if len(payload) > SLICE_BYTES:
            value = await strictjson.decode_in_turns(payload, f"Record {index}", depth)
            await asyncio.sleep(0)
        else:
            value = strictjson.decode(payload, f"Record {index}", depth)
        key, found = check(value, index)
        keys.append(key)
        given.append(value.get("id") if isinstance(value, dict) else None)
        faults.append(found)
        # Only line ends between tokens go, for a delivery is one line.
        payloads.append(msgspec.json.format(payload, indent=-1) if over_lines else payload)
        size += len(payload)
        if size > SLICE_BYTES:
            size = 0
            await asyncio.sleep(0)
    bad = [fault for found in faults for fault in found]
    if bad and (not partial or all(faults)):
        raise _invalid(bad, sum(1 for found in faults if found), len(faults))
    winners = {key: index for index, key in enumerate(keys) if not faults[index]}
    records = [
        Intake(
            key=key,
            payload=payloads[index],
            fault=faults[index][0] if faults[index] else None,
            superseded=not faults[index] and winners[key] != index,
        )
        for index, key in enumerate(keys)
    ]
    batch = Batch(
        family="feedback",
        source="json_api",
        name=f"{len(records)}-records.json",
        records=records,
        warnings=_notices(records, winners),
    )
    return Decoded(batch, _outcomes(records, given) if partial else [])


async def split(body: bytes, max_records: int) -> Sequence[msgspec.Raw]:
    """The records' bytes, not looked into yet; everything around them is checked.

    Raises IngestError `malformed_json` or `validation_failed`, before there are more than `max_records`.
    """
    found = await _envelope.open(body)
    if found is None or isinstance(found[0], msgspec.UnsetType):
        raise _wrong_shape()
    try:
        raws = await elements(found[0], max_records)
    except TooManyError:
        raise _of_batch(f"records exceeds batch limit of {max_records}", "batch_too_large") from None
    if raws is None:
        raise _wrong_shape()
    if not raws:
        raise _of_batch("records cannot be empty", "empty_batch")
    return raws


def _wrong_shape() -> IngestError:
    fault = Fault("wrong_type", "records must be a list of objects", field="records")
    return IngestError(
        "validation_failed", "The body must be an object with a list `records`.", faults=[fault]
    )


def _of_batch(sentence: str, code: str) -> IngestError:
    return IngestError("validation_failed", sentence, faults=[Fault(code, sentence, field="records")])


def check_record(payload: bytes) -> Checked:
    """One record by itself, as JSON. Raises IngestError `malformed_json`."""
    value = strictjson.decode(payload, "The record", strictjson.MAX_DEPTH - RECORD_DEPTH)
    key, faults = check(value, None)
    return Checked(key, msgspec.json.format(payload, indent=-1), faults)


def _invalid(faults: list[Fault], bad: int, total: int) -> IngestError:
    first = faults[0]
    where = f"record {first.index}" + (f", field {first.field}" if first.field else "")
    return IngestError(
        "validation_failed",
        f"{bad} of {total} records are not valid; the first: {where}: {first.message}.",
        faults=faults,
    )


def _notices(records: list[Intake], winners: dict[str, int]) -> list[Notice]:
    repeated = [(index, record.key) for index, record in enumerate(records) if record.superseded]
    notices = [
        Notice("duplicate_id", f"id {key!r} is sent again as record {winners[key]}, which wins", index)
        for index, key in repeated[:MAX_NOTICES]
    ]
    if more := len(repeated) - len(notices):
        notices.append(Notice("duplicate_id", f"{more} more records are sent again later in the batch"))
    return notices


def _outcomes(records: list[Intake], given: list[object]) -> list[dict[str, object]]:
    outcomes: list[dict[str, object]] = []
    for index, record in enumerate(records):
        outcome: dict[str, object] = {"index": index, "id": record.key or given[index], "outcome": "accepted"}
        if record.fault is not None:
            outcome.update(outcome="rejected", code=record.fault.code, message=record.fault.message)
        elif record.superseded:
            outcome.update(outcome="duplicate", code="duplicate_id")
        outcomes.append(outcome)
    return outcomes
