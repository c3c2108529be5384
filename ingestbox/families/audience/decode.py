"""From a JSON body to a batch of records, with every fault of every record (contract: audience)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec
from msgspec import Raw, UnsetType

from ingestbox import strictjson
from ingestbox.errors import Fault
from ingestbox.families.audience.about import fields_of, invalid, name_of, too_many
from ingestbox.families.audience.check import check
from ingestbox.families.audience.gathering import DEPTH, Gathering
from ingestbox.families.envelope import Envelope, TooManyError, elements
from ingestbox.family import Batch, Checked

SOURCE = "json_api"

_envelope = Envelope("upload_name", "fields", "records")


async def decode(body: bytes, *, max_records: int, partial: bool) -> Batch:
    """Decodes and checks a body, record by record; between slices other requests get their turn.

    Raises IngestError: `malformed_json`, or `validation_failed` (400).
    """
    found = await _envelope.open(body)
    if found is None:
        raise invalid([Fault("wrong_type", "The body must be an object with upload_name and records")])
    upload_name, wrong = name_of(await _value(found[0], "upload_name"))
    fields, wrong_fields = fields_of(await _value(found[1], "fields"))
    faults = [*wrong, *wrong_fields]
    gathered = Gathering()
    for index, raw in enumerate(await _records(found[2], max_records, faults)):
        await gathered.read(bytes(raw), f"Record {index}")
    return gathered.batch(SOURCE, upload_name, fields, partial=partial, faults=faults)


async def _value(member: Raw | UnsetType, name: str) -> object:
    if isinstance(member, UnsetType):
        return None
    return await strictjson.decode_in_turns(member, f"The member `{name}`", strictjson.MAX_DEPTH - 1)


async def _records(member: Raw | UnsetType, most: int, faults: Sequence[Fault]) -> Sequence[Raw]:
    """Their bytes; none where there are none. Raises IngestError for what is no list, and for too many."""
    if isinstance(member, UnsetType) or (len(member) == 4 and bytes(member) == b"null"):
        return ()
    await asyncio.sleep(0)
    try:
        raws = await elements(member, most)
    except TooManyError:
        raise invalid([*faults, too_many(most)]) from None
    if raws is None:
        wrong = Fault("wrong_type", "records must be a list of objects", field="records")
        raise invalid([*faults, wrong])
    return raws


PLACE = "_row"
"""The member in which the box keeps a file's row that it could not read, until a person writes its record."""


class _Place(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What that member holds (`pipeline/tables.py`). A record may have a member of that name itself, which
    stays."""

    line: int
    row: int
    code: str
    message: str
    raw: str | None = None
    cells: list[str] | None = None


_members = msgspec.json.Decoder(dict[str, Raw])
_place = msgspec.json.Decoder(_Place)


def check_record(payload: bytes) -> Checked:
    """One record that a person has corrected, as JSON, without what the box noted of a row that it could not
    read: a record holds what somebody gave, and nothing else. Raises IngestError `malformed_json`."""
    value = strictjson.decode(payload, "The record", DEPTH)
    key, faults = check(value, None)
    if isinstance(value, dict) and PLACE in value:
        payload = _without_place(payload)
    return Checked(key, msgspec.json.format(payload, indent=-1), faults)


def _without_place(payload: bytes) -> bytes:
    members = _members.decode(payload)
    try:
        _place.decode(members[PLACE])
    except msgspec.ValidationError:
        return payload
    return msgspec.json.encode({name: value for name, value in members.items() if name != PLACE})
