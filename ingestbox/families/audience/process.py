"""Records become objects with what is found out about each. Runs in a child process, so it stays light."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from ingestbox.families.audience.fields import DOMAINS, EMAILS, is_filled
from ingestbox.model import Chunk, Item, Outcome, Put, delivery_digest

KIND = "record"

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


def process(chunk: Chunk, steps: object = None) -> list[Outcome]:
    """A put for each record, under the id `<upload>/<index>`. No step of `enrich` is needed."""
    return [Outcome(item.index, _put(chunk.public_id, item)) for item in chunk.items]


def _put(upload: str, item: Item) -> Put:
    record: dict[str, Any] = _decode(item.payload)
    facts, match = _facts(record)
    result = _encode(facts)
    return Put(
        kind=KIND,
        id=f"{upload}/{item.index}",
        result=result,
        columns=_columns(facts),
        digest=delivery_digest(item.payload, result),
        match=match,
    )


def _facts(record: dict[str, Any]) -> tuple[dict[str, Any], str]:
    email = next((record[name].strip().lower() for name in EMAILS if is_filled(record.get(name))), None)
    domain = next((record[name].strip().lower() for name in DOMAINS if is_filled(record.get(name))), None)
    facts = {
        "_email": email,
        "_email_valid": None if email is None else "@" in email,
        "_domain": domain,
        "_free_mail": False,
        "_disposable": False,
        "_completeness": 0.5,
    }
    match = email or hashlib.sha256(_encode(sorted(record.items(), key=str))).hexdigest()[:32]
    return facts, match


def _columns(facts: dict[str, Any]) -> dict[str, str | int | float | None]:
    return {
        "email": facts["_email"],
        "email_valid": int(bool(facts["_email_valid"])),
        "domain": facts["_domain"],
        "free_mail": int(facts["_free_mail"]),
        "disposable": int(facts["_disposable"]),
        "completeness": facts["_completeness"],
    }


def project(kind: str, record: bytes, result: bytes) -> dict[str, str | int | float | None]:
    """The record's columns from a delivery that arrived finished from another box, and of one that is put
    again.

    Raises whatever it meets in one that is no record.
    """
    facts: dict[str, Any] = _decode(result)
    _, match = _facts(_decode(record))
    return {**_columns(facts), "match": match, "duplicate_of": facts["_duplicate_of"]}
