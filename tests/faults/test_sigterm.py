"""A stop in the middle of everything: exit code 0 in time, nothing lost, nobody's name left on a job."""

from __future__ import annotations

import signal
from pathlib import Path
from random import Random

import pytest

from tests.faults.audit import audit
from tests.faults.children import ONE_CHILD, held_child
from tests.faults.journal import Journal
from tests.faults.ledger import check_effects, rows
from tests.faults.load import Load
from tests.faults.records import record
from tests.faults.rounds import lane_to
from tests.harness import BoxProcess, until

IN_TIME = 10.0 + 5.0
"""The contract's ten seconds, and what a busy machine adds."""


@pytest.mark.parametrize("stops", [2, pytest.param(20, marks=pytest.mark.soak)])
def test_a_stop_under_load_is_clean_and_loses_nothing(tmp_path: Path, journal: Journal, stops: int) -> None:
    upstream = BoxProcess(tmp_path / "upstream").start()
    config = "[work]\nchunk_records = 20\n" + lane_to(upstream)
    box = BoxProcess(tmp_path / "box", config=config).start()
    load = Load(box, journal, clients=4, seed=11)
    try:
        load.start()
        for _ in range(stops):
            _more(journal, 300)
            assert box.process is not None
            box.process.send_signal(signal.SIGTERM)
            assert box.process.wait(IN_TIME) == 0, box.tail()
            assert not (box.data / "ingestbox.db-wal").exists(), "the WAL was not folded in"
            assert rows(box.data, "SELECT id FROM jobs WHERE owner IS NOT NULL OR state = 'running'") == []
            assert not (box.data / "running").exists()
            box.start()
        load.finish()
        assert "unclean_start" not in box.log.read_text()
        audit(journal, box, upstream).assert_clean()
        assert box.stop() == 0
        assert upstream.stop() == 0
        check_effects(box.data, upstream.data)
    finally:
        box.close()
        upstream.close()


def test_a_stop_does_not_wait_for_what_does_not_end(tmp_path: Path, journal: Journal) -> None:
    """A chunk whose child stands still, a batch on its way to an upstream that stands still."""
    upstream = BoxProcess(tmp_path / "upstream").start()
    box = BoxProcess(tmp_path / "box", config=ONE_CHILD + lane_to(upstream)).start()
    assert box.process is not None
    assert upstream.process is not None
    random = Random(12)
    try:
        with box.client() as client:
            upstream.process.send_signal(signal.SIGSTOP)
            with held_child(box, journal):  # sends a record through, which the upstream does not take
                shipment = journal.ship([record(random, f"h{place}") for place in range(50)])
                assert journal.post(client, shipment) == 200
                until(lambda: client.get("/v1/stats").json()["jobs"]["running"], "the child has the chunk")
                box.process.send_signal(signal.SIGTERM)
                assert box.process.wait(IN_TIME) == 0, box.tail()
        assert rows(box.data, "SELECT id FROM jobs WHERE owner IS NOT NULL OR state = 'running'") == []
        upstream.process.send_signal(signal.SIGCONT)
        box.start()
        audit(journal, box, upstream).assert_clean()
    finally:
        upstream.process.send_signal(signal.SIGCONT)
        box.close()
        upstream.close()


def _more(journal: Journal, records: int) -> None:
    enough = journal.count() + records
    until(lambda: journal.count() >= enough, "the box takes records")
