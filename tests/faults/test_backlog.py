"""A box killed with thousands of records waiting starts, takes them up, and says truly how far it is; from a
limit on it takes no more until it has caught up."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from random import Random

import httpx2

from ingestbox.model import Role
from tests.faults.audit import audit
from tests.faults.children import ONE_CHILD, alive, held_child
from tests.faults.journal import Journal, Shipment
from tests.faults.ledger import check_effects, rows
from tests.faults.records import record
from tests.harness import BoxProcess, until

BATCHES, BATCH = 4, 1_000

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


def _taken(journal: Journal, client: httpx2.Client, shipment: Shipment) -> bool:
    return journal.post(client, shipment) == 200


LIMITED = ONE_CHILD + "[limits]\nbacklog_records = 50\n"


def test_from_the_limit_on_intake_gets_429_until_the_box_has_caught_up(
    tmp_path: Path, journal: Journal
) -> None:
    box = BoxProcess(tmp_path / "box", config=LIMITED).start()
    random = Random(5)
    shipments = [journal.ship([record(random, f"s{n}-{place}") for place in range(10)]) for n in range(8)]
    try:
        with held_child(box, journal), box.client() as client:
            answers = [journal.post(client, shipment) for shipment in shipments]
            taken = answers.count(200)
            assert answers == [200] * taken + [429] * (8 - taken)
            assert taken == 5, "more was taken, or less"
            assert journal.post(client, shipments[0]) == 200, "what was taken before is answered as then"
            refused = client.post("/api/data-ingest", content=b"x" * 1_000)
            assert (refused.status_code, refused.json()["code"]) == (429, "overloaded")
            assert refused.headers["retry-after"].isdigit()
            assert "from 50 on no more are taken" in refused.json()["detail"]
            with box.client(Role.FORWARDER) as edge:
                behind = edge.post("/v1/sync/batches", content=b"{}")
                assert (behind.status_code, behind.json()["code"]) == (429, "overloaded")
            # Whoever looks, or puts things right, is let in.
            assert client.get("/api/jobs").json()["count"] > 0
            assert client.post("/v1/keys", json={"name": "k", "roles": ["ingest"]}).is_success
            # After a kill the backlog is what it was.
            box.kill()
        box.configure(LIMITED.replace("50", "40"))
        box.start()
        with box.client() as client:
            until(partial(_taken, journal, client, shipments[-1]), "the box takes records again")
            for shipment in shipments:
                until(partial(_taken, journal, client, shipment), "all are taken")
        audit(journal, box).assert_clean()
        assert box.stop() == 0
    finally:
        box.close()
