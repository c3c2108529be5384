"""Rows that are right become contacts. Runs in a child process, so it stays light."""

from __future__ import annotations

import zlib
from typing import Any

import msgspec

from ingestbox.families.contacts.fields import FIELDS, Row, key_of
from ingestbox.families.contacts.searched import company_key, words
from ingestbox.model import Chunk, Item, Outcome, Put, delivery_digest, record_id

KIND = "contact"


class ContactResult(msgspec.Struct, frozen=True):
    """A contact as it is kept, and as upstream is told of it."""

    email: str
    first_name: str
    last_name: str
    company: str


_rows = msgspec.json.Decoder(Row)
_results = msgspec.json.Decoder(ContactResult)
_encode = msgspec.json.Encoder().encode


def process(chunk: Chunk, steps: object = None) -> list[Outcome]:
    """A put for each row: of a contact of its own, or of the one that it is to update. No step of `enrich` is
    needed."""
    return [Outcome(item.index, _put(chunk.job, item)) for item in chunk.items]


def _put(job: int, item: Item) -> Put:
    row = _rows.decode(item.payload)
    contact = ContactResult(*(getattr(row, name).strip() for name in FIELDS))
    result = _encode(contact)
    return Put(
        kind=KIND,
        id=row.update or str(record_id(job, item.index)),
        result=result,
        columns=_columns(contact, item.key, result),
        digest=delivery_digest(item.payload, result),
    )


def _columns(contact: ContactResult, key: str, result: bytes) -> dict[str, str | int | float | None]:
    return {
        **msgspec.structs.asdict(contact),
        "email_key": key,
        "company_key": company_key(contact.company),
        "contact_crc": zlib.crc32(result),
        **words(**msgspec.structs.asdict(contact)),
    }


def project(kind: str, record: bytes, result: bytes) -> dict[str, str | int | float | None]:
    """The contact's columns from a delivery that arrived finished from another box.

    Raises whatever it meets in one that is not a contact.
    """
    contact = _results.decode(result)
    return _columns(contact, key_of(contact.email), _encode(contact))


def same(payloads: list[bytes]) -> list[bytes]:
    """What rows are compared by: all cells, the address as it is compared, and no blanks around any."""
    return [_likeness(payload) for payload in payloads]


def _likeness(payload: bytes) -> bytes:
    row: dict[str, Any] = msgspec.json.decode(payload)
    cells = {
        name: cell.strip() if isinstance(cell, str) else cell
        for name, cell in row.items()
        if not name.startswith("_")
    }
    cells["email"] = key_of(str(row.get("email") or ""))
    return _encode(sorted(cells.items()))
