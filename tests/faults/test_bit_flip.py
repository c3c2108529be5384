"""A byte that changed on disk, where SQLite's own checks see nothing: found, never passed on as good."""

from __future__ import annotations

from pathlib import Path
from random import Random

from tests.faults.audit import settle
from tests.faults.children import ONE_CHILD, held_child
from tests.faults.journal import Journal, as_sent, digest
from tests.faults.ledger import change, rows
from tests.faults.records import record
from tests.faults.rounds import lane_to
from tests.harness import BoxProcess, until, wait_job

COUNT, VICTIM = 300, 137
INDEX = 0xFFFFFF


def _flip(data: Path, table: str, column: str, where: str) -> None:
    """Changes one letter inside a stored text so that it is still good JSON."""
    ((key, text),) = rows(data, f"SELECT rowid, {column} FROM {table} WHERE {where}")
    assert b'"summary": "' in text or b'"summary":"' in text
    at = text.index(b'"summary"') + 13
    damaged = text[:at] + bytes([text[at] ^ 1 if chr(text[at] ^ 1).isalnum() else ord("x")]) + text[at + 1 :]
    assert damaged != text
    assert change(data, f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (damaged, key)) == 1


def test_a_damaged_record_is_not_processed_nor_forwarded_and_the_others_are(
    tmp_path: Path, journal: Journal
) -> None:
    upstream = BoxProcess(tmp_path / "upstream").start()
    box = BoxProcess(tmp_path / "box", config=ONE_CHILD + lane_to(upstream)).start()
    random = Random(8)
    shipment = journal.ship([record(random, f"v{place}") for place in range(COUNT)])
    try:
        with held_child(box, journal), box.client() as client:
            assert journal.post(client, shipment) == 200
            box.kill()
        _flip(box.data, "records", "payload", f"key = 'v{VICTIM}'")
        box.start()
        stats = settle(box)
        with box.client() as client:
            job = wait_job(client, shipment.job_id or "")
            assert job["status"] == "completed"
            assert job["records_processed"] == COUNT
            assert [(error["index"], error["code"]) for error in job["errors"]] == [(VICTIM, "damaged")]
            assert client.get(f"/api/tickets/v{VICTIM}").status_code == 404
        assert stats["open_issues"] == 1
        assert stats["lanes"][0]["delivered"] == COUNT  # one more went through first, one less now
        with upstream.client() as client:
            assert client.get("/api/tickets").json()["total"] == COUNT
            assert client.get(f"/api/tickets/v{VICTIM}").status_code == 404
    finally:
        box.close()
        upstream.close()


def test_a_damaged_delivery_is_parked_with_its_reason_and_the_lane_goes_on(
    tmp_path: Path, journal: Journal
) -> None:
    upstream = BoxProcess(tmp_path / "upstream").start()
    box = BoxProcess(tmp_path / "box").start()
    random = Random(9)
    shipment = journal.ship([record(random, f"v{place}") for place in range(COUNT)])
    try:
        with box.client() as client:
            assert journal.post(client, shipment) == 200
            wait_job(client, shipment.job_id or "")
        assert box.stop() == 0
        _flip(box.data, "deliveries", "line", f"object_id = 'v{VICTIM}'")
        box.configure(lane_to(upstream, lines=50))
        box.start()
        (lane,) = settle(box)["lanes"]
        assert (lane["enqueued"], lane["delivered"], lane["parked"]) == (COUNT, COUNT - 1, 1)
        ((code, message),) = rows(box.data, "SELECT code, message FROM parked")
        assert code == "damaged"
        assert message
        with box.client() as client:
            assert client.get("/v1/doctor").json()["ok"]
        with upstream.client() as client:
            assert client.get("/api/tickets").json()["total"] == COUNT - 1
            assert client.get(f"/api/tickets/v{VICTIM}").status_code == 404
            (sender,) = client.get("/v1/sync/boxes").json()["boxes"]
            assert (sender["last_seq"], sender["gaps"]) == (COUNT, [])
    finally:
        box.close()
        upstream.close()


def test_a_ticket_whose_record_is_damaged_is_not_served_as_good(
    own_box: BoxProcess, journal: Journal
) -> None:
    own_box.start()
    shipment = journal.ship([record(Random(10), f"v{place}") for place in range(3)])
    with own_box.client() as client:
        assert journal.post(client, shipment) == 200
        wait_job(client, shipment.job_id or "")
    assert own_box.stop() == 0
    _flip(own_box.data, "records", "payload", "key = 'v1'")
    own_box.start()
    with own_box.client() as client:
        until(lambda: client.get("/healthz").status_code == 200, "the box answers")
        for record_id, sent in shipment.digests.items():
            answer = client.get(f"/api/tickets/{record_id}")
            if record_id == "v1":
                assert answer.status_code >= 400, "a damaged record was served"
                assert "damaged" in answer.text
            else:
                assert digest(as_sent(answer.json())) == sent
