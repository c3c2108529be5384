"""The store is full: 507 and a red light, never a yes that does not hold; with more room it all goes on."""

from __future__ import annotations

import time
from pathlib import Path
from random import Random
from typing import Any

import httpx2

from tests.faults.audit import audit
from tests.faults.journal import Journal
from tests.faults.ledger import change, check_effects
from tests.faults.records import record
from tests.harness import BoxProcess, ticket, until, wait_job
from tests.journeys.upstream import Answer, upstream
from tests.web.v1.support import partial, waiting

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


CONFIG = """
[store]
max_mb = 6
reserve_percent = 20

[[lanes]]
name = "up"
url = "{url}"
probe_seconds = 0.1
"""

LONG = "The answer came late, and it was not the one that I had hoped for. " * 60
MANY_DAYS_MS = 40 * 86_400_000


def lane_of(client: httpx2.Client) -> dict[str, Any]:
    (lane,) = client.get("/v1/lanes").json()["lanes"]
    return dict(lane)


def test_the_reserve_lets_people_and_lanes_go_on_until_old_lines_make_room(tmp_path: Path) -> None:
    """What was delivered long ago goes by itself, and the box takes records again."""
    answer = Answer(401)
    with upstream(lambda _: answer) as server:
        box = BoxProcess(tmp_path / "box", config=CONFIG.format(url=server.url)).start()
        try:
            with box.client() as client:
                broken = partial(client, "late")
                once: dict[str, Any] = {
                    "json": {"records": [ticket(0)]},
                    "headers": {"Idempotency-Key": "once"},
                }
                first = client.post("/api/data-ingest", **once)
                assert first.status_code == 200
                for number in range(1, 200):
                    records = [ticket(number * 100 + place, description=LONG) for place in range(20)]
                    full = client.post("/api/data-ingest", json={"records": records})
                    if full.status_code != 200:
                        break
                    wait_job(client, full.json()["job_id"])
                assert (full.status_code, full.headers["retry-after"]) == (507, "60")
                assert "storage_full" in full.text
                health = client.get("/health")
                assert health.status_code == 503 and "reached its cap" in health.text
                assert client.get("/healthz").status_code == 200
                form = {"file": ("t.csv", b"id,summary\n1,late\n", "text/csv")}
                assert client.post("/api/upload", files=form).status_code == 507
                # What was taken before is answered as before.
                again = client.post("/api/data-ingest", **once)
                assert (again.status_code, again.content) == (200, first.content)
                # People and lanes go on.
                (issue,) = waiting(client, broken)
                reply = client.post(f"/v1/issues/{issue['id']}/resolve", json={"action": "discard"})
                assert reply.status_code == 200, reply.text
                assert lane_of(client)["pending"] > 0
                answer = Answer()
                until(lambda: lane_of(client)["pending"] == 0, "the lane delivers all")
                assert client.post("/api/data-ingest", json={"records": records}).status_code == 507
            assert box.stop() == 0
            lines = change(box.data, "UPDATE deliveries SET at_ms = at_ms - ?", (MANY_DAYS_MS,))
            box.start()
            with box.client() as client:
                until(lambda: client.get("/health").status_code == 200, "there is room again")
                assert client.post("/api/data-ingest", json={"records": records}).status_code == 200
                all_of_them = lines + len(records)
                until(lambda: lane_of(client)["delivered"] == all_of_them, "the lane delivers what is new")
                assert (lane_of(client)["enqueued"], lane_of(client)["pending"]) == (all_of_them, 0)
                found = [each for each in client.get("/v1/doctor").json()["findings"] if not each["ok"]]
                assert not [each for each in found if each["check"] in ("invariant", "tallies", "retention")]
            taken = sorted(seq for batch in server.taken for seq in batch.seqs)
            assert taken == list(range(1, all_of_them + 1))
            assert box.stop() == 0
        finally:
            box.close()
