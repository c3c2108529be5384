"""The kernel makes the disk read-only in the middle of everything (`errors=remount-ro`).

The kernel refuses to remount a disk read-only by hand while files are open for writing, and to make one
writable again that it took away for an error. So here the way back is the operator's: stop, e2fsck, mount,
start. A way back without a restart is in test_io_error (EROFS).

Intake rests at the very moment: while ext4 takes its journal away, an fsync of a file that grows can return
success for a block that is lost. A loop of pwrite and fsync on a plain file showed it in 6 of 60 tries (Linux
6.18); what is measured here is the box, from the first moment at which the kernel tells the truth again.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from tests.faults.audit import audit, settle
from tests.faults.journal import Journal
from tests.faults.ledger import check_effects
from tests.faults.load import Load
from tests.faults.privileged.disk import Disk
from tests.faults.privileged.lights import RED_SECONDS, light, seconds_to_red
from tests.faults.privileged.tools import report
from tests.faults.records import record
from tests.harness import BoxProcess, until

pytestmark = pytest.mark.privileged

TIMES = 5


def test_a_disk_that_the_kernel_makes_read_only(tmp_path: Path, journal: Journal) -> None:
    random = Random(13)
    disk = Disk(tmp_path / "broken", megabytes=256, options="errors=remount-ro")
    box = BoxProcess(tmp_path / "box", config="[work]\nchunk_records = 50\n[store]\nmin_free_mb = 16\n")
    box.data = disk.path / "data"
    load = Load(box.start(), journal, clients=3, seed=13, most_records=40)
    red: list[float] = []
    try:
        load.start()
        for number in range(TIMES):
            enough = journal.count() + 200
            until(_has(journal, enough), "the box takes records")
            load.pause()
            load.wait_idle()
            settle(box)
            with box.client(verify=False) as client:
                disk.break_file_system()
                load.go()
                red.append(seconds_to_red(client))
                probe = journal.ship([record(random, f"p{number}")])
                assert journal.post(client, probe) in (503, 507)
                assert light(client) == 503
                assert client.get("/healthz").status_code == 200
            box.kill()
            disk.unmount()
            disk.repair()
            disk.mount()
            box.start()
        load.finish()
        audit(journal, box).assert_clean()
        assert box.stop() == 0
        check_effects(box.data)
    finally:
        box.close()
        disk.close()
    report(f"read-only, {TIMES} times: red after {max(red):.2f} s at most, none lost")
    assert max(red) <= RED_SECONDS


def _has(journal: Journal, enough: int) -> Callable[[], bool]:
    return lambda: journal.count() >= enough
