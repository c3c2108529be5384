"""Whose a record is, for when a person asks to be erased."""

from __future__ import annotations

from typing import Any

import msgspec

from ingestbox.enrich.mailbox import canonical
from ingestbox.families.audience.fields import EMAILS, is_filled

_decode = msgspec.json.Decoder(dict[str, Any]).decode


def addresses(record: bytes) -> list[str]:
    """The addresses of the person that a record (JSON) is about: business, private or any, they are all the
    same person's. Raises msgspec.DecodeError for what is no record."""
    given = _decode(record)
    return [canonical(given[name]).address for name in EMAILS if is_filled(given.get(name))]
