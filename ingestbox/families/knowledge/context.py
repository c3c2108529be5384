"""What the store knows of articles that are to be processed. Light: children import it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from ingestbox.model import Job, index_of, record_id


class Known(msgspec.Struct, frozen=True, array_like=True):
    """Below which quality articles are held, and the type of the source of each, by its index: of those whose
    source is known."""

    low_quality: float = 0.0
    sources: dict[int, str] = {}


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Known).decode


def context(tx: Any, job: Job, indexes: Sequence[int], low_quality: float) -> bytes:
    """See `family.Family.context`; for `known`."""
    ids = msgspec.json.encode([record_id(job.id, index) for index in indexes]).decode()
    rows = tx.all("knowledge.source_types", {"ids": ids, "workspace": job.workspace})
    return _encode(Known(low_quality, {index_of(rid): kind for rid, kind in rows}))


def known(told: bytes) -> Known:
    """What `context` gave; nothing is known, and nothing held, without it."""
    return _decode(told) if told else Known()
