"""Records become objects with what is found out about each. Runs in a child process, so it stays light."""

from __future__ import annotations

from typing import Any

import msgspec

from ingestbox.families.audience.facts import facts_of, match_of
from ingestbox.families.audience.shapes import Result
from ingestbox.model import Chunk, Item, Outcome, Put, delivery_digest

KIND = "record"

_decode = msgspec.json.Decoder(dict[str, Any]).decode
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_results = msgspec.json.Decoder(Result)
_encode = msgspec.json.Encoder().encode


def process(chunk: Chunk, steps: object = None) -> list[Outcome]:
    """A put for each record, under the id `<upload>/<index>`. No step of `enrich` is needed."""
    return [Outcome(item.index, _put(chunk.public_id, item)) for item in chunk.items]


def object_id(upload: str, index: int) -> str:
    """What the object of a record is called."""
    return f"{upload}/{index}"


def _put(upload: str, item: Item) -> Put:
    facts, match = facts_of(_decode(item.payload))
    result = _encode(facts)
    return Put(
        kind=KIND,
        id=object_id(upload, item.index),
        result=result,
        columns={"email": facts["_email"]},
        digest=delivery_digest(item.payload, result),
        match=match,
    )


def project(kind: str, record: bytes, result: bytes) -> dict[str, str | int | float | None]:
    """The record's columns from a delivery that arrived finished from another box, and of one that is put
    again: what its result says, whatever would be found out about it here. Its match is empty: what came from
    another box is told apart there.

    Raises msgspec.ValidationError for one that is no record, or whose result nobody could be shown.
    """
    _members.decode(record)
    found = _results.decode(result)
    return {"email": found.email, "match": "", "duplicate_of": found.duplicate_of}


def match(record: bytes) -> str:
    """What a record (JSON) is compared by (`facts.match_of`). Raises msgspec.DecodeError for what is none."""
    return match_of(_decode(record))
