"""Children that are killed with a chunk in hand: the job goes on, and nobody is set aside for bad luck."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from random import Random
from typing import Any

from ingestbox.pipeline.retry import DEATHS_ALONE
from tests.faults.audit import audit, settle
from tests.faults.children import ONE_CHILD, held_child, kill
from tests.faults.journal import Journal
from tests.faults.ledger import check_effects, rows
from tests.faults.records import record
from tests.harness import BoxProcess, until, wait_job

CHUNK = 500
CONFIG = ONE_CHILD + f"chunk_records = {CHUNK}\n"
WORDS = 300
"""Long records: a chunk keeps its child busy for a while."""

KILLING_SECONDS = 4.0


def _deaths(box: BoxProcess) -> list[dict[str, Any]]:
    """What the box logged of chunks whose child died."""
    lines = [json.loads(line) for line in box.log.read_text().splitlines()]
    return [line for line in lines if line["message"].startswith("A child process ended without an answer")]


def test_one_death_in_a_chunk_costs_nothing_but_a_smaller_chunk(tmp_path: Path, journal: Journal) -> None:
    box = BoxProcess(tmp_path / "box", config=CONFIG).start()
    random = Random(1)
    try:
        with held_child(box, journal) as child, box.client() as client:
            shipment = journal.ship([record(random, f"d{place}", length=WORDS) for place in range(CHUNK)])
            assert journal.post(client, shipment) == 200
            until(lambda: client.get("/v1/stats").json()["jobs"]["running"], "the child has the chunk")
            assert kill(child)
            assert wait_job(client, shipment.job_id or "")["errors"] == []
        (death,) = _deaths(box)
        assert death["records"] == CHUNK
        assert death["chunk_limit"] < CHUNK
        audit(journal, box).assert_clean()
    finally:
        box.close()


def test_children_killed_as_they_come_set_aside_only_what_died_alone_twice(
    tmp_path: Path, journal: Journal
) -> None:
    box = BoxProcess(tmp_path / "box", config=CONFIG).start()
    random = Random(2)
    try:
        with box.client() as client:
            shipments = [
                journal.ship([record(random, f"k{batch}-{place}", length=WORDS) for place in range(1_000)])
                for batch in range(3)
            ]
            for shipment in shipments:
                assert journal.post(client, shipment) == 200
            _kill_each_child(box, random)
            settle(box)
            jobs = [wait_job(client, shipment.job_id or "") for shipment in shipments]
            deaths = _deaths(box)
            parked = {error["index"] for job in jobs for error in job["errors"]}
            issues = [error for job in jobs for error in job["errors"]]
            assert deaths, "no child died with a chunk"
            # A record that is set aside died alone, twice in a row, and nothing else did.
            alone = sum(death["records"] == 1 for death in deaths)
            assert len(issues) * DEATHS_ALONE <= alone
            assert all("killed by SIGKILL" in issue["message"] for issue in issues)
            assert all(job["records_processed"] == job["total_records"] for job in jobs)
            assert all(job["status"] == "completed" for job in jobs)
            total = client.get("/api/tickets").json()["total"]
            assert total == 3_000 - len(issues)
        assert len(parked) <= len(issues)
        assert box.stop() == 0
        states = dict(rows(box.data, "SELECT state, COUNT(*) FROM records GROUP BY state"))
        assert states == {"done": total, **({"issue": len(issues)} if issues else {})}
        if not issues:
            check_effects(box.data)
    finally:
        box.close()


def _kill_each_child(box: BoxProcess, random: Random) -> None:
    """Kills every child some moments after it appears, until the time is over."""
    end = time.monotonic() + KILLING_SECONDS
    while time.monotonic() < end:
        children = until(box.children, "a child is started")
        threading.Event().wait(random.random() * 0.5)
        for child in children:
            kill(child)
