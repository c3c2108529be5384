"""A batch that enters in chunks and is cut by a kill: it never was there, and its key is free."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from random import Random

import pytest

from tests.faults.audit import audit
from tests.faults.journal import Journal, Shipment
from tests.faults.ledger import rows
from tests.faults.records import record
from tests.harness import PATIENCE, BoxProcess, until

RECORDS, WORDS = 1_000, 2_000
"""About 13 MB: a dozen chunks and more."""

RECEIVING = "SELECT id FROM jobs WHERE state = 'receiving'"
STORED = "SELECT COUNT(*) FROM records"


@pytest.mark.parametrize(
    "other_content",
    [
        pytest.param(False, id="the same content"),
        pytest.param(True, id="other content", marks=pytest.mark.soak),
    ],
)
def test_a_large_batch_cut_by_a_kill_is_gone_and_its_key_is_free(
    tmp_path: Path, own_box: BoxProcess, journal: Journal, other_content: bool
) -> None:
    own_box.start()
    shipment = journal.ship(_records("large"))
    stored = _kill_inside(own_box, journal, shipment)
    own_box.start()
    with own_box.client() as client:
        assert client.get("/api/jobs").json()["count"] == 0
        assert client.get("/api/tickets").json()["total"] == 0
    until(lambda: rows(own_box.data, STORED) == [(0,)], f"the {stored} records of the half batch go")
    assert rows(own_box.data, "SELECT COUNT(*) FROM jobs") == [(0,)]
    assert rows(own_box.data, "SELECT COUNT(*) FROM idempotency") == [(0,)]
    again = journal.ship(_records("other"), key=shipment.key) if other_content else shipment
    with own_box.client() as client:
        assert journal.post(client, again) == 200
        assert journal.post(client, again) == 200  # a replay: the journal looks at that
    verdict = audit(journal, own_box)
    verdict.assert_clean()
    assert verdict.landed == [again]


def _records(prefix: str) -> list[dict[str, object]]:
    random = Random(prefix)
    return [record(random, f"{prefix}-{place}", length=WORDS) for place in range(RECORDS)]


def _kill_inside(box: BoxProcess, journal: Journal, shipment: Shipment) -> int:
    """Kills the box when some of the batch is stored, but not all; returns how many records were."""
    client = box.client(verify=False)
    sender = threading.Thread(target=journal.post, args=(client, shipment))
    sender.start()
    end = time.monotonic() + PATIENCE
    while not rows(box.data, STORED)[0][0]:  # without a pause: the other chunks follow within milliseconds
        assert time.monotonic() < end, "the first chunk is not stored"
    box.kill()
    sender.join()
    client.close()
    ((stored,),) = rows(box.data, STORED)
    assert rows(box.data, RECEIVING), "the batch was in before it could be cut"
    assert 0 < stored < RECORDS
    return int(stored)
