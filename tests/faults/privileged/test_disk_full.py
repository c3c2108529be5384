"""The disk of a running box fills up, truly: 507 and a red light; it recovers when there is space again."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from random import Random

import pytest

from tests.faults.audit import audit
from tests.faults.journal import Journal
from tests.faults.ledger import check_effects
from tests.faults.load import Load
from tests.faults.privileged.disk import Disk
from tests.faults.privileged.lights import RED_SECONDS, light, seconds_to_red, turns_green
from tests.faults.privileged.tools import report
from tests.faults.records import record
from tests.harness import BoxProcess, until

pytestmark = pytest.mark.privileged

TIMES = 4
WATCHED_SECONDS = 1.0


class Ballast:
    """A file that takes all the space there is."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._path = disk.path / "ballast"

    def fill(self) -> None:
        """Takes what is free now."""
        with self._path.open("ab") as file:
            step = 1 << 22
            while step >= 4096:
                with contextlib.suppress(OSError):
                    os.posix_fallocate(file.fileno(), file.seek(0, os.SEEK_END), step)
                    continue
                step //= 2

    def drop(self) -> None:
        """Gives it back."""
        self._path.unlink()


def test_a_disk_that_fills_up_and_is_freed(tmp_path: Path, journal: Journal) -> None:
    random = Random(12)
    disk = Disk(tmp_path / "full", megabytes=256)
    ballast = Ballast(disk)
    box = BoxProcess(tmp_path / "box", config="[work]\nchunk_records = 50\n[store]\nmin_free_mb = 16\n")
    box.data = disk.path / "data"
    load = Load(box.start(), journal, clients=2, seed=12, most_records=40)
    red: list[float] = []
    refused = 0
    try:
        load.start()
        with box.client(verify=False) as client:
            for _ in range(TIMES):
                probe = journal.ship([record(random, f"p{len(journal.shipments)}-{n}") for n in range(200)])
                assert journal.post(client, probe) == 200

                def is_refused() -> bool:
                    ballast.fill()
                    batch = [record(random, f"q{len(journal.shipments)}-{place}") for place in range(200)]
                    return journal.post(client, journal.ship(batch)) == 507

                until(is_refused, "the disk is full", 60)
                refused += 1
                red.append(seconds_to_red(client))
                end = time.monotonic() + WATCHED_SECONDS
                while time.monotonic() < end:
                    assert light(client) == 503, "green, while the disk is full"
                assert client.get("/api/tickets?limit=1").status_code == 200
                ballast.drop()
                turns_green(client, box)
                assert journal.post(client, journal.shipments[-1]) in (200, 507)
            ballast.fill()
            until(lambda: light(client) == 503, "the light is red", 60)
            box.kill()
            ballast.drop()
        box.start()
        load.finish()
        audit(journal, box).assert_clean()
        assert box.stop() == 0
        check_effects(box.data)
    finally:
        box.close()
        disk.close()
    report(f"disk full, {TIMES} times: red after {max(red):.2f} s at most, {refused} refusals, none lost")
    assert max(red) <= RED_SECONDS
