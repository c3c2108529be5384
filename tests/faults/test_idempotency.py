"""One Idempotency-Key is one job, however often, at once, and across kills it is sent."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from random import Random

from tests.faults.audit import audit
from tests.faults.journal import Journal, Shipment
from tests.faults.ledger import check_effects
from tests.faults.records import record
from tests.harness import BoxProcess

CLIENTS = 8
ROUNDS = 6


def test_a_key_sent_by_many_at_once_across_a_kill_is_one_job(own_box: BoxProcess, journal: Journal) -> None:
    own_box.start()
    random = Random(7)
    for number in range(ROUNDS):
        shipment = journal.ship([record(random, f"r{number}-{place}") for place in range(200)])
        _send_at_once_and_kill(own_box, journal, shipment, random.random() * 0.06)
        own_box.start()
        with own_box.client() as client:
            assert journal.post(client, shipment) == 200
            assert journal.post(client, shipment) == 200
    verdict = audit(journal, own_box)
    verdict.assert_clean()
    assert len(verdict.landed) == ROUNDS
    assert sum(shipment.unanswered for shipment in journal.shipments) > 0, "no kill ever met a request"
    assert own_box.stop() == 0
    check_effects(own_box.data)


def _send_at_once_and_kill(box: BoxProcess, journal: Journal, shipment: Shipment, delay: float) -> None:
    together = threading.Barrier(CLIENTS + 1)

    def send() -> None:
        with box.client(verify=False) as client:
            client.get("/healthz")  # connected before all start together
            together.wait()
            journal.post(client, shipment)

    with ThreadPoolExecutor(CLIENTS) as pool:
        sent = [pool.submit(send) for _ in range(CLIENTS)]
        together.wait()
        threading.Event().wait(delay)
        box.kill()
        for each in sent:
            each.result()
