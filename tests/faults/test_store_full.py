"""The store is full: 507 and a red light, never a yes that does not hold; with more room it all goes on."""

from __future__ import annotations

import time
from pathlib import Path
from random import Random

from tests.faults.audit import audit
from tests.faults.journal import Journal
from tests.faults.ledger import check_effects
from tests.faults.records import record
from tests.harness import BoxProcess, until, wait_job

SMALL_MB, LARGE_MB = 4, 64
RED_SECONDS = 1.0
"""quality: red health within a second."""


def test_a_full_store_refuses_truly_and_goes_on_with_more_room(tmp_path: Path, journal: Journal) -> None:
    box = BoxProcess(tmp_path / "box", config=f"[store]\nmax_mb = {SMALL_MB}\n").start()
    random = Random(5)
    number = 0

    def send(count: int) -> int:
        nonlocal number
        number += 1
        batch = [record(random, f"f{number}-{place}") for place in range(count)]
        return journal.post(client, journal.ship(batch))

    try:
        with box.client() as client:
            assert send(100) == 200
            first = journal.shipments[0]
            assert wait_job(client, first.job_id or "")["status"] == "completed"
            while (status := send(100)) == 200:
                assert number < 1_000, "a store of a few MB takes everything"
            refused_at = time.monotonic()
            assert status == 507
            answer = client.get("/health")
            assert answer.status_code == 503, answer.text
            assert time.monotonic() - refused_at < RED_SECONDS
            assert client.get("/readyz").status_code == 503
            for _ in range(5):
                # A batch may still fit where one that came together with other work did not.
                assert send(100) in (200, 507)
                assert client.get("/health").status_code == 503
            assert client.get("/healthz").status_code == 200
            # What is there can be read.
            assert client.get(f"/api/job/{first.job_id}").json()["status"] == "completed"
            assert client.get(f"/api/tickets/{next(iter(first.digests))}").status_code == 200
            assert client.get("/v1/doctor").json()["findings"]
        assert box.stop() == 0
        box.configure(f"[store]\nmax_mb = {LARGE_MB}\n")
        box.start()
        with box.client() as client:
            until(lambda: client.get("/health").status_code == 200, "the light is green again")
            assert send(100) == 200
        verdict = audit(journal, box)
        verdict.assert_clean()
        assert verdict.landed == journal.acknowledged(), "a refused batch is there"
        assert box.stop() == 0
        check_effects(box.data)
    finally:
        box.close()


def test_a_full_store_keeps_its_word_through_a_kill(tmp_path: Path, journal: Journal) -> None:
    box = BoxProcess(tmp_path / "box", config=f"[store]\nmax_mb = {SMALL_MB}\n").start()
    random = Random(6)
    try:
        with box.client() as client:
            for number in range(1_000):
                batch = [record(random, f"f{number}-{place}") for place in range(300)]
                if journal.post(client, journal.ship(batch)) != 200:
                    break
        box.kill()
        box.configure(f"[store]\nmax_mb = {LARGE_MB}\n")
        box.start()
        audit(journal, box).assert_clean()
    finally:
        box.close()
