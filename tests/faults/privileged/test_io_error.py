"""The disk fails for a while (EIO, read-only, full): refusals and a red light, and by itself back to work."""

from __future__ import annotations

import errno
import threading
from pathlib import Path
from random import Random

import pytest

from tests.faults.audit import audit
from tests.faults.journal import REFUSALS, Journal
from tests.faults.ledger import check_effects
from tests.faults.load import Load
from tests.faults.privileged.lights import RED_SECONDS, light, seconds_to_red, turns_green
from tests.faults.privileged.shim import FailingDisk
from tests.faults.privileged.tools import report
from tests.faults.records import record
from tests.faults.rounds import lane_to
from tests.harness import BoxProcess, until

pytestmark = pytest.mark.privileged

TIMES = 6

FAULTS = {
    "sync fails": (errno.EIO, "s"),
    "write fails": (errno.EIO, "w"),
    "disk fails": (errno.EIO, "swtou"),
    "disk is read-only": (errno.EROFS, "wtou"),
    "disk is full": (errno.ENOSPC, "w"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_disk_that_fails_for_a_while(tmp_path: Path, journal: Journal, fault: str) -> None:
    code, calls = FAULTS[fault]
    random = Random(fault)
    upstream = BoxProcess(tmp_path / "upstream").start()
    disk = FailingDisk(tmp_path, tmp_path / "box" / "data")
    config = '[work]\nchunk_records = 20\n[log]\nlevel = "DEBUG"\n' + lane_to(upstream)
    box = BoxProcess(tmp_path / "box", config=config, environ=disk.environ()).start()
    load = Load(box, journal, clients=3, seed=4, most_records=30)
    red: list[float] = []
    refused = 0
    try:
        load.start()
        with box.client(verify=False) as client:
            for _ in range(TIMES):
                _taken(journal, 100)
                with disk.failing(code, calls):
                    red.append(seconds_to_red(client))
                    probe = journal.ship([record(random, f"p{len(journal.shipments)}")])
                    status = journal.post(client, probe)
                    assert status in REFUSALS, status
                    refused += 1
                    threading.Event().wait(random.random() * 0.5)
                    assert light(client) == 503
                    assert client.get("/api/tickets?limit=1").status_code in (200, 503)
                turns_green(client, box)
                assert journal.post(client, probe) == 200
            # And once more, with a kill while it fails.
            with disk.failing(code, calls):
                seconds_to_red(client)
                box.kill()
        box.start()
        load.finish()
        audit(journal, box, upstream).assert_clean()
        assert box.stop() == 0
        assert upstream.stop() == 0
        check_effects(box.data, upstream.data)
    finally:
        box.close()
        upstream.close()
    report(f"{fault}, {TIMES} times: red after {max(red):.2f} s at most, {refused} refusals, none lost")
    assert max(red) <= RED_SECONDS


def _taken(journal: Journal, records: int) -> None:
    enough = journal.count() + records
    until(lambda: journal.count() >= enough, "the box takes records")
