"""What is kept of each article where it is stored: whose text was there first, of which source it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from ingestbox.enrich.duplicates import text_hash
from ingestbox.family import Intake, Sifted
from ingestbox.model import record_id


class _Item(msgspec.Struct):
    source_id: str
    source_url: str
    content: str


_items = msgspec.json.Decoder(_Item)


class Keeping:
    """Writes the rows of one batch, in the transaction that stores it."""

    def sift(self, tx: Any, whose: Sifted, first: int, records: Sequence[Intake]) -> Sequence[Intake]:
        """See `family.Batch.sift`."""
        for offset, record in enumerate(records):
            item = _items.decode(record.payload)
            tx.run(
                "knowledge.keep",
                {
                    "id": record_id(whose.job_id, first + offset),
                    "workspace": whose.workspace,
                    "source_id": item.source_id,
                    "url": item.source_url,
                    "hash": text_hash(item.content),
                    "now": whose.now_ms,
                },
            )
        return records
