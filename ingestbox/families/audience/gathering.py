"""The records of a body as they are found, one after the other, and the batch that they make."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ingestbox import strictjson
from ingestbox.errors import MAX_FAULTS, Fault
from ingestbox.families.audience.about import NO_RECORD, invalid
from ingestbox.families.audience.check import NEEDED, RECORD_DEPTH, check, no_text
from ingestbox.family import Batch, Intake
from ingestbox.model import Notice

SLICE_BYTES = 262_144
"""Read at a stretch: about 1.5 ms, for which msgspec and the checks hold the interpreter."""

RECORD_BYTES = 1_500
"""What a record costs beside its bytes, in bytes: some 8 µs."""

MAX_NOTICES = 100
"""Warnings of a job, which every list of jobs repeats; past it they are counted."""

DEPTH = strictjson.MAX_DEPTH - RECORD_DEPTH

_encode = msgspec.json.Encoder().encode


class Gathering:
    """Takes records, good and bad; between slices other requests get their turn."""

    def __init__(self) -> None:
        self._records: list[Intake] = []
        self._names: dict[str, None] = {}
        self._faults: list[Fault] = []  # the first ones of all records
        self._found = 0  # faults
        self._bad = 0  # records
        self._doubts: list[Notice] = []
        self._doubtful = 0
        self._size = 0

    def __len__(self) -> int:
        return len(self._records)

    async def read(self, payload: bytes, place: str) -> None:
        """Takes the next record, as JSON; `place` says in messages what it is.

        Raises IngestError `malformed_json`.
        """
        if len(payload) > SLICE_BYTES:
            value = await strictjson.decode_in_turns(payload, place, DEPTH)
        else:
            value = strictjson.decode(payload, place, DEPTH)
        index = len(self._records)
        key, faults = check(value, index)
        if isinstance(value, dict):
            if not value.keys() <= self._names.keys():
                self._names.update(dict.fromkeys(value))
            if not faults:
                self._doubt(value, index)
        # Only line ends between tokens go, for a delivery is one line.
        over_lines = b"\n" in payload or b"\r" in payload
        line = msgspec.json.format(payload, indent=-1) if over_lines else payload
        await self._add(key, line, faults)

    async def unreadable(self, line: int, raw: str, fault: Fault) -> None:
        """Takes the next record, of which only its line is known, and its text, as far as it is kept."""
        index = len(self._records)
        told = {"line": line, "row": index + 1, "raw": raw, "code": fault.code, "message": fault.message}
        await self._add("", _encode({"_row": told}), [msgspec.structs.replace(fault, index=index)])

    async def made(self, record: Intake) -> None:
        """Takes the next record as a child made it."""
        index, fault = len(self._records), record.fault
        faults = [] if fault is None else [msgspec.structs.replace(fault, index=index)]
        await self._add(record.key, record.payload, faults)

    async def _add(self, key: str, payload: bytes, faults: Sequence[Fault]) -> None:
        self._records.append(Intake(key, payload, faults[0] if faults else None))
        if faults:
            self._bad += 1
            self._found += len(faults)
            self._faults += faults[: MAX_FAULTS - len(self._faults)]
        self._size += len(payload) + RECORD_BYTES
        if self._size > SLICE_BYTES:
            self._size = 0
            await asyncio.sleep(0)

    def _doubt(self, value: Mapping[str, Any], index: int) -> None:
        for name in no_text(value):
            self._doubtful += 1
            if len(self._doubts) < MAX_NOTICES:
                told = f"{name} is no text; it counts as not filled in"
                self._doubts.append(Notice("wrong_type", told, index))

    def batch(
        self,
        source: str,
        name: str,
        fields: Sequence[str] | None,
        *,
        partial: bool,
        faults: Sequence[Fault] = (),
        warnings: Sequence[Notice] = (),
    ) -> Batch:
        """The batch. `fields` are those that are given (None: the records' own); `faults` are those of what
        stands beside the records, and refuse it whatever the mode.

        Raises IngestError `validation_failed` (400) with every fault: for any at all, or, with `partial`,
        when no record is good.
        """
        total = len(self._records)
        every = [*faults, *self._faults]
        if not total:
            raise invalid([*every, Fault("empty_batch", NO_RECORD, field="records")])
        if faults:
            raise invalid(every)
        if self._bad and (not partial or self._bad == total):
            raise invalid(every, self._told(total))
        columns = list(self._names) if fields is None else fields
        return Batch(
            family="audience",
            source=source,
            name=name,
            records=self._records,
            warnings=[*warnings, *self._notices()],
            about={"fields": _encode(columns).decode()},
        )

    def _told(self, total: int) -> str:
        first = self._faults[0]
        if first.code == "missing_required":
            sentence = f"Missing required fields for enrichment: record {first.index}. {NEEDED}"
        else:
            sentence = f"Record {first.index} is not valid: {first.message.rstrip('.')}."
        if self._bad > 1:
            sentence += f" {self._bad:,} of {total:,} records are not valid."
        if self._found > len(self._faults):
            sentence += f" Of their {self._found:,} faults the first {len(self._faults):,} are listed."
        return sentence

    def _notices(self) -> list[Notice]:
        if more := self._doubtful - len(self._doubts):
            told = f"{more:,} more values of records are no text where an address or a domain belongs"
            return [*self._doubts, Notice("wrong_type", told)]
        return self._doubts
