"""Boxes to measure: started with their defaults, told to hold processing back, watched for memory."""

from __future__ import annotations

import contextlib
import os
import signal
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx2

from benchmarks.load import Target
from ingestbox.model import Role
from tests.harness import BoxProcess, post_tickets, running, ticket, until, wait_job

HELD = "[work]\nworkers = 1\nchildren = 1\nchunk_seconds = 86400\nlease_seconds = 86400\n"
"""The configuration of a box whose processing is to be held back."""

DISK = Path(os.environ.get("INGESTBOX_BENCH_DIR", "/var/tmp"))
"""Where data folders are made: a disk, which /tmp often is not."""

DRAIN_SECONDS = 3_600.0


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A folder on the disk for the time of a block."""
    with tempfile.TemporaryDirectory(prefix="ingestbox-bench-", dir=DISK) as folder:
        yield Path(folder)


@contextlib.contextmanager
def fresh(config: str = "") -> Iterator[BoxProcess]:
    """A box on an empty data folder, which goes with it."""
    with scratch() as folder, running(folder, config=config) as box:
        yield box


def target(box: BoxProcess, *roles: Role) -> Target:
    """The box as a client's target, with a token."""
    return Target(box.url, box.token(*roles))


@contextlib.contextmanager
def holding_back(box: BoxProcess) -> Iterator[None]:
    """Holds processing back for the time of a block; the box must run with `HELD`.

    Nothing of the box is changed: its one child is stopped (SIGSTOP) with a chunk in hand, so that the one
    worker waits for it and everything else stays pending.
    """
    with box.client() as client:
        wait_job(client, post_tickets(client, [ticket(-1)])["job_id"])
        (child,) = until(box.children, "the box has its child")
        os.kill(child, signal.SIGSTOP)
        held = post_tickets(client, [ticket(-2)])["job_id"]
        until(lambda: _status(client, held) == "running", "the worker waits for its child")
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):  # it goes with its box
            os.kill(child, signal.SIGCONT)


def _status(client: httpx2.Client, job_id: str) -> str:
    return str(client.get(f"/api/job/{job_id}").raise_for_status().json()["status"])


def wait_jobs(to: Target, jobs: Sequence[str]) -> None:
    """Returns when every job is completed. Raises RuntimeError when one failed."""
    headers = {"Authorization": f"Bearer {to.token}"} if to.token else {}
    with httpx2.Client(base_url=to.url, headers=headers, timeout=60.0, trust_env=False) as client:
        for job in jobs:
            status = until(lambda job=job: _ended(client, job), f"job {job} ends", DRAIN_SECONDS)  # type: ignore[misc]
            if status != "completed":
                raise RuntimeError(f"job {job} {status}")


def _ended(client: httpx2.Client, job: str) -> str | None:
    status = _status(client, job)
    return status if status in ("completed", "failed") else None


def megabytes(box: BoxProcess) -> float:
    """What the box and its children hold in memory, shared pages counted in shares (PSS), in MB."""
    assert box.process is not None
    kilobytes = 0
    for pid in (box.process.pid, *box.children()):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a child that just ended
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
            kilobytes += int(rollup.partition("\nPss:")[2].split()[0])
    return kilobytes / 1024


def cpu_seconds(box: BoxProcess) -> float:
    """CPU time that the box's process has taken since it was started."""
    assert box.process is not None
    fields = Path(f"/proc/{box.process.pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Peak:
    """The most memory that a box was seen to hold."""

    def __init__(self, box: BoxProcess) -> None:
        self._box = box
        self.most = 0.0

    def look(self) -> bool:
        """Looks once; always False, so that it can stand in a condition that waits for something else."""
        self.most = max(self.most, megabytes(self._box))
        return False


def seconds_of(moment: float) -> float:
    """Seconds since a `time.perf_counter()`."""
    return time.perf_counter() - moment
