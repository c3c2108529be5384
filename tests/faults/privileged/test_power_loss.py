"""Power losses: everything that was not synced is gone. What was acknowledged is there."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import threading
from pathlib import Path
from random import Random

import pytest

from tests.faults.audit import audit
from tests.faults.journal import Journal
from tests.faults.ledger import check_effects
from tests.faults.load import Load
from tests.faults.privileged.disk import LOGFLUSH, NOLOGFLUSH, Disk
from tests.faults.privileged.tools import report
from tests.faults.rounds import lane_to
from tests.harness import BoxProcess, until

pytestmark = pytest.mark.privileged

LOSSES, AUDIT_EVERY = 100, 20
CONTROL_LOSSES = 10

BARE_WRITER = """
import sys
from ingestbox.store.engine import sqlite3
path, level = sys.argv[1:]
store = sqlite3.connect(path, isolation_level=None)
store.execute("PRAGMA journal_mode = WAL")
store.execute(f"PRAGMA synchronous = {level}")
store.execute("CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, payload BLOB)")
while True:
    number = store.execute("INSERT INTO t (payload) VALUES (zeroblob(400)) RETURNING id").fetchall()[0][0]
    print(number, flush=True)
"""


def test_100_power_losses_lose_nothing(tmp_path: Path) -> None:
    random = Random(100)
    disk = Disk(tmp_path / "power", megabytes=1024)
    upstream = BoxProcess(tmp_path / "upstream").start()
    box = BoxProcess(tmp_path / "box", config="[work]\nchunk_records = 50\n" + lane_to(upstream))
    box.data = disk.path / "data"
    journal = Journal(tmp_path / "journal")
    load = Load(box.start(), journal, clients=4, seed=100, most_records=40)
    try:
        load.start()
        for number in range(1, LOSSES + 1):
            while_starting = random.random() < 0.2
            if while_starting:
                box.kill()
                box.start(wait=False)
            else:
                _taken(journal, 1)
            threading.Event().wait(random.random() * 0.6)
            disk.cut_power(random.choice((LOGFLUSH, NOLOGFLUSH)))
            threading.Event().wait(random.random() * 0.2)  # a yes after the loss would be found out
            box.kill()
            disk.unmount()
            disk.mount()
            box.start()
            if number % AUDIT_EVERY == 0:
                load.pause()
                load.wait_idle()
                audit(journal, box, upstream).assert_clean()
                load.go()
        load.finish()
        audit(journal, box, upstream).assert_clean()
        assert box.stop() == 0
        assert upstream.stop() == 0
        effects = check_effects(box.data, upstream.data)
        report(f"{LOSSES} power losses, {journal.count()} records acknowledged, none lost; {effects}")
    finally:
        box.close()
        upstream.close()
        journal.close()
        disk.close()


@pytest.mark.parametrize(("level", "loses"), [("NORMAL", True), ("FULL", False)])
def test_the_method_can_lose(tmp_path: Path, level: str, loses: bool) -> None:
    """The control: bare SQLite with `synchronous=NORMAL` loses what it said was in, with FULL it does not."""
    from ingestbox.store.engine import sqlite3

    disk = Disk(tmp_path / "power", megabytes=256)
    acknowledged = lost = 0
    try:
        for _ in range(CONTROL_LOSSES):
            said = _write_bare(disk, level)
            disk.unmount()
            disk.mount()
            connection = sqlite3.connect(disk.path / "bare.db")
            try:
                there = {number for (number,) in connection.execute("SELECT id FROM t")}
            except sqlite3.OperationalError:  # not even the table
                there = set()
            connection.close()
            acknowledged += len(said)
            lost += len(said - there)
    finally:
        disk.close()
    report(f"bare SQLite, {level}: {lost} of {acknowledged} lost in {CONTROL_LOSSES} power losses")
    assert acknowledged > 0
    assert (lost > 0) == loses


def _write_bare(disk: Disk, level: str) -> set[int]:
    """Rows that a bare writer said were committed before the power went."""
    command = [sys.executable, "-c", BARE_WRITER, str(disk.path / "bare.db"), level]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as writer:
        assert writer.stdout is not None
        said = {int(writer.stdout.readline()) for _ in range(200)}
        disk.cut_power(NOLOGFLUSH)
        writer.send_signal(signal.SIGKILL)
        # What it said in between may be after the loss, where the first failing sync stops it: not counted.
        with contextlib.suppress(ValueError):
            writer.stdout.read()
    return said


def _taken(journal: Journal, records: int) -> None:
    enough = journal.count() + records
    until(lambda: journal.count() >= enough, "the box takes records")
