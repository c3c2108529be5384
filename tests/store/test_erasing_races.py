"""What changes while an erasure is at it: nothing comes back, and nothing is lost."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ingestbox import families
from ingestbox.enrich.addresses import Spellings
from ingestbox.families.audience.segments import told
from ingestbox.store import Store
from ingestbox.store.erasing.objects import Objects, PutAgain
from ingestbox.store.erasing.slices import Wanted
from ingestbox.store.unit import Tx
from tests.store import apart
from tests.store.support import with_store

NOW = 1_800_000_000_000
ADDRESS = "anna@x.example"
FAMILY = families.load()["audience"]
PLACE = {"workspace": "default", "origin": "", "object_id": "seg_1"}


@dataclass(frozen=True)
class Run:
    """A named query as a unit."""

    query: str
    params: dict[str, Any]
    weight: int = 1

    def apply(self, tx: Tx) -> int:
        return tx.run(self.query, self.params)


def segment(name: str) -> dict[str, Any]:
    """A segment that upstream was never told of: it has no head."""
    record, result = told.encoded(told.Record(name, "upl_1"), 0, None)
    return {
        **PLACE,
        "id": None,
        "owner": "local:ann",
        "upload_id": "upl_1",
        "job_id": 1,
        "version": 0,
        "forward": 0,
        "frozen": 0,
        "name": name,
        "created_ms": NOW,
        "now": NOW,
        "record": record,
        "result": result,
        "crc": zlib.crc32(result + record),
    }


@pytest.mark.parametrize("meanwhile", ["removed", "renamed", "nothing"])
def test_a_segment_that_upstream_was_never_told_of(tmp_path: Path, meanwhile: str) -> None:
    async def body(store: Store) -> None:
        await store.write(Run("audience.add_segment", segment(f"Not {ADDRESS}")))
        wanted = Wanted(Spellings(ADDRESS), "default", 10, families.load(), store.identity, NOW, "local:ann")
        found = await store.read_with(lambda tx: Objects(FAMILY, "segment").look(tx, wanted, ()))
        (change,) = found.changes
        assert isinstance(change, PutAgain)
        if meanwhile != "nothing":
            await store.write(Run("audience.remove_segment", PLACE))
        if meanwhile == "renamed":
            await store.write(Run("audience.add_segment", segment("Others")))
        applied = await store.write(change)
        names = [
            row[0]
            for row in apart.rows(store.path, "SELECT CAST(record AS TEXT) ->> 'name' FROM audience_segments")
        ]
        expected = {"removed": [], "renamed": ["Others"], "nothing": ["Not [erased]"]}
        assert (applied, names) == (meanwhile == "nothing", expected[meanwhile])

    with_store(tmp_path, body)
