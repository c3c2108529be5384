"""The body of a batch by its content type: JSON, lines of JSON, or CSV (contract: audience).

What a JSON body says in its members, the others have in the query: `upload_name` and `fields`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import msgspec

from ingestbox import strictjson
from ingestbox.config import MIB
from ingestbox.errors import Fault, IngestError
from ingestbox.families import said
from ingestbox.families.audience import csvbody, ndjson
from ingestbox.families.audience.about import fields_of, invalid, name_of
from ingestbox.families.audience.csvbody import Found, Question
from ingestbox.families.audience.decode import decode
from ingestbox.families.audience.gathering import Gathering
from ingestbox.family import Ask, Batch, Intake

JSON, CSV = "application/json", "text/csv"
NDJSON = ("application/x-ndjson", "application/ndjson", "application/jsonl")
MEDIA_TYPES = (JSON, *NDJSON, CSV)

CSV_SOURCE = "csv_api"

TIMES = 8
"""Rows may become so many times as large as a body may be: each record repeats the columns' names."""

_encode = msgspec.msgpack.Encoder().encode
_found = msgspec.msgpack.Decoder(Found)
_slices = msgspec.msgpack.Decoder(list[Intake])


async def batch_of(ask: Ask, *, partial: bool) -> Batch:
    """The batch of a request. Raises IngestError: malformed_json, validation_failed (400), bad_parameter,
    payload_too_large, and what `Box.compute` does."""
    media = ask.headers.get("content-type", JSON).partition(";")[0].strip().lower()
    most = ask.limits.audience_records
    if media not in (*NDJSON, CSV):
        return await decode(ask.body, max_records=most, partial=partial)
    name, wrong = name_of(ask.query.get("upload_name"))
    fields, wrong_fields = fields_of(_fields(ask.query))
    faults = [*wrong, *wrong_fields]
    if media == CSV:
        return await _csv(ask, name, fields, faults, partial=partial)
    gathered = await ndjson.gather(ask.body, most, faults)
    return gathered.batch(ndjson.SOURCE, name, fields, partial=partial, faults=faults)


def _fields(query: Mapping[str, str]) -> object:
    given = query.get("fields", "")
    if not given.strip():
        return None
    try:
        return strictjson.decode(given.encode("utf-8", "surrogatepass"), "fields")
    except IngestError as problem:
        raise IngestError("bad_parameter", problem.detail) from None


async def _csv(
    ask: Ask, name: str, fields: Sequence[str] | None, faults: Sequence[Fault], *, partial: bool
) -> Batch:
    limits = ask.limits
    question = Question(
        data=ask.body,
        encoding=said.encoding(ask.query),
        delimiter=said.delimiter(ask.query),
        mapping=msgspec.json.encode(said.mapping(ask.query)),
        records=limits.audience_records,
        size=TIMES * limits.audience_mb * MIB,
    )
    found = _found.decode(await ask.box.compute(csvbody.FUNCTION, _encode(question)))
    if found.refusal is not None:
        raise _refused(found.refusal, faults)
    gathered = Gathering()
    for each in found.slices:
        await asyncio.sleep(0)
        for record in _slices.decode(each):
            await gathered.made(record)
    return gathered.batch(
        CSV_SOURCE,
        name,
        found.fields if fields is None else fields,
        partial=partial,
        faults=faults,
        warnings=found.notices,
    )


def _refused(refusal: Fault, faults: Sequence[Fault]) -> IngestError:
    if refusal.code in ("bad_parameter", "payload_too_large"):
        return IngestError(refusal.code, refusal.message)
    return invalid([*faults, refusal])
