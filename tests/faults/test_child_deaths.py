"""Children that are killed with a chunk in hand: the job goes on, and nobody is set aside for bad luck."""

from __future__ import annotations

import json
import time
from pathlib import Path
from random import Random
from typing import Any

import httpx2

from ingestbox.pipeline.retry import DEATHS_ALONE
from tests.faults.audit import audit, settle
from tests.faults.children import ONE_CHILD, cpu_ticks, held_child, kill
from tests.faults.journal import Journal
from tests.faults.ledger import check_effects, rows
from tests.faults.records import record
from tests.harness import PATIENCE, BoxProcess, until, wait_job

CHUNK = 25
"""Of long records no more fit: a chunk is bounded by its bytes, too."""

BATCH = 20 * CHUNK
CONFIG = ONE_CHILD + f"chunk_records = {CHUNK}\n"
WORDS = 300
"""Long records: a chunk keeps its child busy for a while."""

DEATHS = 6
LIFE_TICKS = (2, 40)
"""Hundredths of a second of processor time that a child gets: starting takes most of the shortest life."""


def _deaths(box: BoxProcess) -> list[dict[str, Any]]:
    """What the box logged of chunks whose child died."""
    lines = [json.loads(line) for line in box.log.read_text().splitlines()]
    return [line for line in lines if line["message"].startswith("A child process ended without an answer")]


def test_one_death_in_a_chunk_costs_nothing_but_a_smaller_chunk(tmp_path: Path, journal: Journal) -> None:
    box = BoxProcess(tmp_path / "box", config=CONFIG).start()
    random = Random(1)
    try:
        with held_child(box, journal) as child:
            idle = cpu_ticks(child)
        with box.client() as client:
            shipment = journal.ship([record(random, f"d{place}", length=WORDS) for place in range(BATCH)])
            assert journal.post(client, shipment) == 200
            until(lambda: cpu_ticks(child) > idle + 1, "the child works on the chunk")
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
    try:
        with box.client() as client:
            _kill_each_child(box, client, journal)
            settle(box)
            jobs = [wait_job(client, shipment.job_id or "") for shipment in journal.shipments]
            sent = journal.count()
            issues = [error for job in jobs for error in job["errors"]]
            deaths = _deaths(box)
            # A record that is set aside died alone, twice in a row, and nothing else did.
            assert len(issues) * DEATHS_ALONE <= sum(death["records"] == 1 for death in deaths)
            assert all("killed by SIGKILL" in issue["message"] for issue in issues)
            assert all(job["records_processed"] == job["total_records"] for job in jobs)
            assert all(job["status"] == "completed" for job in jobs)
            assert client.get("/api/tickets").json()["total"] == sent - len(issues)
        assert box.stop() == 0
        states = dict(rows(box.data, "SELECT state, COUNT(*) FROM records GROUP BY state"))
        assert (states["done"], states.get("issue", 0)) == (sent - len(issues), len(issues))
        if not issues:
            check_effects(box.data)
    finally:
        box.close()


def _kill_each_child(box: BoxProcess, client: httpx2.Client, journal: Journal) -> None:
    """Kills one child after another, each after some processor time of its own, until enough of them died
    with a chunk; there is always work."""
    random = Random(2)
    end = time.monotonic() + 2 * PATIENCE
    while len(_deaths(box)) < DEATHS:
        ticks = random.randint(*LIFE_TICKS)
        killed = False
        while not killed:
            assert time.monotonic() < end, "hardly a child dies with a chunk"
            stats = client.get("/v1/stats").raise_for_status().json()
            if stats["records"] - stats["processed"] < BATCH:
                number = len(journal.shipments)
                batch = [record(random, f"k{number}-{place}", length=WORDS) for place in range(BATCH)]
                assert journal.post(client, journal.ship(batch)) == 200
            killed = any(cpu_ticks(child) >= ticks and kill(child) for child in box.children())
