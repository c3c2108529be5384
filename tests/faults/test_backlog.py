"""A box killed with thousands of records waiting starts, takes them up, and says truly how far it is."""

from __future__ import annotations

from pathlib import Path
from random import Random

from tests.faults.audit import audit
from tests.faults.children import ONE_CHILD, alive, held_child
from tests.faults.journal import Journal
from tests.faults.ledger import check_effects, rows
from tests.faults.records import record
from tests.harness import BoxProcess, until

BATCHES, BATCH = 8, 1_000

PROGRESS = """
SELECT processed, (SELECT COUNT(*) FROM records
                   WHERE records.id >> 24 = jobs.id AND state <> 'pending')
FROM jobs WHERE total > 1
"""


def test_a_backlog_is_processed_after_a_kill(tmp_path: Path, journal: Journal) -> None:
    box = BoxProcess(tmp_path / "box", config=ONE_CHILD + "chunk_records = 50\n").start()
    random = Random(3)
    try:
        with held_child(box, journal) as child, box.client() as client:
            for batch in range(BATCHES):
                shipment = journal.ship([record(random, f"b{batch}-{place}") for place in range(BATCH)])
                assert journal.post(client, shipment) == 200
            assert client.get("/v1/stats").json()["processed"] == 1
            box.kill()
        until(lambda: not alive(child), "the child ends, for its parent is gone")
        box.start()
        seen: list[int] = []

        def worked_off() -> bool:
            # Both numbers from one statement: what a job says, and what its records are.
            told = rows(box.data, PROGRESS)
            assert all(said == true for said, true in told), told
            seen.append(sum(said for said, _ in told))
            return seen[-1] == BATCHES * BATCH

        until(worked_off, "the backlog is worked off", 60)
        assert seen == sorted(seen)
        assert len(set(seen)) > 2, "progress was never seen in the middle"
        audit(journal, box).assert_clean()
        assert box.stop() == 0
        assert check_effects(box.data)["superseded"] == 0
    finally:
        box.close()
