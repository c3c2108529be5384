"""A byte that changed on disk, where SQLite's own checks see nothing: found, never passed on as good."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

from tests.faults.audit import audit, settle
from tests.faults.children import ONE_CHILD, held_child
from tests.faults.journal import Journal, Shipment, as_sent, digest
from tests.faults.ledger import change, rows
from tests.faults.records import record
from tests.faults.rounds import lane_to
from tests.harness import BoxProcess, wait_job

COUNT, VICTIM = 300, 137


def _flip(data: Path, table: str, column: str, where: str) -> None:
    """Changes one letter or digit inside a stored JSON text, so that it is good JSON still."""
    ((key, text),) = rows(data, f"SELECT rowid, {column} FROM {table} WHERE {where}")
    at = next(at for at in range(len(text) // 2, len(text)) if chr(text[at]).isdigit())
    damaged = text[:at] + (b"3" if text[at : at + 1] == b"4" else b"4") + text[at + 1 :]
    json.loads(damaged)
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
            findings = client.get("/v1/doctor").json()["findings"]
            assert {each["check"] for each in findings if not each["ok"]} == {"payloads"}
        with upstream.client() as client:
            assert client.get("/api/tickets").json()["total"] == COUNT - 1
            assert client.get(f"/api/tickets/v{VICTIM}").status_code == 404
            (sender,) = client.get("/v1/sync/boxes").json()["boxes"]
            assert (sender["last_seq"], sender["gaps"]) == (COUNT, [])
    finally:
        box.close()
        upstream.close()


def test_a_damaged_ticket_is_not_served_as_good(own_box: BoxProcess, journal: Journal) -> None:
    own_box.start()
    shipment = journal.ship([record(Random(10), f"v{place}") for place in range(4)])
    with own_box.client() as client:
        assert journal.post(client, shipment) == 200
        wait_job(client, shipment.job_id or "")
    assert own_box.stop() == 0
    _flip(own_box.data, "records", "payload", "key = 'v1'")
    _flip(own_box.data, "tickets", "result", "ticket_id = 'v2'")
    own_box.start()
    _are_not_served(own_box, shipment, {"v1", "v2"})


def test_a_damaged_ticket_from_another_box_is_not_served_as_good(tmp_path: Path, journal: Journal) -> None:
    upstream = BoxProcess(tmp_path / "upstream").start()
    box = BoxProcess(tmp_path / "box", config=lane_to(upstream)).start()
    try:
        shipment = journal.ship([record(Random(11), f"v{place}") for place in range(4)])
        with box.client() as client:
            assert journal.post(client, shipment) == 200
        audit(journal, box, upstream).assert_clean()
        assert upstream.stop() == 0
        _flip(upstream.data, "tickets", "record", "ticket_id = 'v1'")
        _flip(upstream.data, "tickets", "result", "ticket_id = 'v2'")
        upstream.start()
        _are_not_served(upstream, shipment, {"v1", "v2"})
    finally:
        box.close()
        upstream.close()


def _are_not_served(box: BoxProcess, shipment: Shipment, damaged: set[str]) -> None:
    """The damaged ones are answered with an error that says so, their neighbours as ever."""
    assert damaged < set(shipment.digests)
    with box.client() as client:
        for record_id, sent in shipment.digests.items():
            answer = client.get(f"/api/tickets/{record_id}")
            if record_id in damaged:
                assert answer.status_code == 500
                assert answer.json()["code"] == "damaged"
            else:
                assert digest(as_sent(answer.json())) == sent
