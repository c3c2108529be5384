"""A kill at each of the first 300 fsync calls: the store is whole and has all that was acknowledged."""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest

from ingestbox.identity.secretfile import load_secret
from tests.faults.audit import audit
from tests.faults.journal import Journal
from tests.faults.ledger import check_effects
from tests.faults.privileged.tools import need, report
from tests.faults.records import record
from tests.harness import PATIENCE, BoxProcess

pytestmark = pytest.mark.privileged

POINTS = 300
AGAIN_EVERY = 10
"""At each tenth point the start after the kill is killed too, at one of its first syncs."""


def killed_at(number: int) -> Sequence[str]:
    """A command that kills the box when a thread of it enters its `number`-th sync.

    strace counts each thread by itself; of ours one thread syncs the store, and the first one the secret.
    """
    sync = "fsync,fdatasync"
    inject = f"--inject={sync}:signal=KILL:when={number}"
    return ("strace", "-D", "-f", "-qq", "-o", "/dev/null", f"--trace={sync}", inject)


@pytest.mark.parametrize("first_start", [True, False], ids=["no folder yet", "with a secret"])
def test_a_kill_at_any_of_the_first_syncs_loses_nothing(tmp_path: Path, first_start: bool) -> None:
    need("strace")
    syncs = 2 if first_start else POINTS  # of a folder that is not there yet: the secret, and its folder
    acknowledged = 0
    for number in range(1, syncs + 1):
        folder = tmp_path / str(number)
        box = BoxProcess(folder)
        if not first_start:
            box.data.mkdir(mode=0o700)
            load_secret(box.data)
        journal = Journal(folder / "journal")
        try:
            acknowledged += _live_until_killed(box, journal, number)
            if number % AGAIN_EVERY == 0:
                box.wrapper = killed_at(number // AGAIN_EVERY % 8 + 1)
                _live_until_killed(box, journal, number)
            box.wrapper = ()
            box.start()
            with box.client(verify=False) as client:
                for shipment in journal.shipments:
                    if shipment.unanswered:
                        assert journal.post(client, shipment) == 200
            audit(journal, box).assert_clean()
            assert box.stop() == 0
            if journal.shipments:
                check_effects(box.data)
        finally:
            box.close()
            journal.close()
    report(f"{syncs} kills at a sync, {acknowledged} records acknowledged before them, none lost")


def _live_until_killed(box: BoxProcess, journal: Journal, number: int) -> int:
    """Starts the box under strace and sends to it until it is killed; returns the records acknowledged."""
    if not box.wrapper:
        box.wrapper = killed_at(number)
    before = journal.count()
    random = Random(number)
    box.start(wait=False)
    process = box.process
    assert process is not None
    try:
        box.wait_ready()
    except AssertionError:
        assert process.poll() is not None
    else:
        with box.client(verify=False) as client:
            end = time.monotonic() + 2 * PATIENCE
            while process.poll() is None:
                assert time.monotonic() < end, f"the box does not meet its sync number {number}"
                ids = [f"n{len(journal.shipments)}-{place}" for place in range(3)]
                journal.post(client, journal.ship([record(random, each) for each in ids]))
    assert process.wait(PATIENCE) == -signal.SIGKILL, box.tail()
    return journal.count() - before
