"""Hands on the box's CPU children: held still, so that work stays pending; killed, as bad luck would."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from random import Random

from tests.faults.journal import Journal
from tests.faults.records import record
from tests.harness import BoxProcess, until, wait_job

ONE_CHILD = "[work]\nchildren = 1\n"
"""Configuration under which holding one process holds all processing."""


def alive(pid: int) -> bool:
    """Whether a process is there and not a zombie."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def cpu_ticks(pid: int) -> int:
    """Processor time that a process has used, in hundredths of a second; 0 when it is gone."""
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])
    return 0


def kill(pid: int) -> bool:
    """`kill -9`; False when it was gone already."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
        return True
    return False


@contextlib.contextmanager
def held_child(box: BoxProcess, journal: Journal) -> Iterator[int]:
    """The only child of a box with ONE_CHILD, stopped with SIGSTOP: nothing is processed meanwhile.

    A record is sent through first, so that there is a child. Afterwards it goes on, if it still exists.
    """
    with box.client(verify=False) as client:
        first = journal.ship([record(Random(0), f"first-{len(journal.shipments)}")])
        assert journal.post(client, first) == 200
        wait_job(client, first.job_id or "")
    (child,) = box.children()
    os.kill(child, signal.SIGSTOP)
    try:
        until(lambda: "\nState:\tT" in Path(f"/proc/{child}/status").read_text(), "the child stands still")
        yield child
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGCONT)
