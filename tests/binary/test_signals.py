"""How the built program ends: asked to, told to, and killed, in both forms."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from ingestbox.appliance.serving import FORCED_EXIT
from ingestbox.cli.frozen import STALE_SECONDS
from ingestbox.store.lock import is_held
from tests.binary.support import ENDED, Frozen, gone
from tests.harness import children, post_tickets, ticket, until, wait_job


@contextlib.contextmanager
def half_a_request(box: Frozen) -> Iterator[tuple[socket.socket, bytes]]:
    """A batch of which the box has read the first part; and the rest of it."""
    body = json.dumps({"records": [ticket(1)]}).encode()
    with box.client("analyst") as client:
        authorization = client.headers["Authorization"]
    host, _, port = box.url.removeprefix("http://").partition(":")
    head = (
        f"POST /api/data-ingest HTTP/1.1\r\nHost: box\r\nAuthorization: {authorization}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((host, int(port)), timeout=ENDED) as connection:
        connection.sendall(head.encode() + body[:10])
        until(lambda: all_read(box.inner, int(port)), "the box has read the first part")
        yield connection, body[10:]


def all_read(pid: int, port: int) -> bool:
    """Whether every byte sent to the port has been read by the process."""
    rows = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
    mine = [row for row in rows if row[1].endswith(f":{port:04X}") and row[3] == "01"]
    return bool(mine) and all(row[4].endswith(":00000000") for row in mine)


def working(box: Frozen) -> list[int]:
    """The box's children, of which it has one at least."""
    with box.client("analyst") as client:
        wait_job(client, post_tickets(client, [ticket(1)])["job_id"])
    found = children(box.inner)
    assert found, "the box has a child that analyses"
    return found


def assert_nothing_is_left(box: Frozen, workers: list[int]) -> None:
    until(lambda: gone(box.inner) and all(map(gone, workers)), "program and children are gone")
    until(lambda: not is_held(box.data), "the data folder is free")
    until(lambda: not any(box.unpacked.iterdir()), "what was unpacked is removed")


def test_sigterm_finishes_what_is_in_hand(either: Frozen) -> None:
    with half_a_request(either) as (connection, rest):
        either.process.send_signal(signal.SIGTERM)
        until(lambda: "Stopping." in either.log.read_text(), "the box stops")
        connection.sendall(rest)
        assert connection.recv(65_536).startswith(b"HTTP/1.1 200 ")
    assert either.process.wait(ENDED) == 0
    assert_nothing_is_left(either, [])


def test_ctrl_c_finishes_what_is_in_hand(frozen: Frozen) -> None:
    """A terminal signals boot-loader and program alike, and the boot-loader passes its own on: the program
    must not take this for two signals, the second of which means not to wait. (Two that come at the same
    moment count as one, so that the group is asserted, too.)"""
    assert os.getpgid(frozen.inner) != os.getpgid(frozen.process.pid)
    with half_a_request(frozen) as (connection, rest):
        os.killpg(frozen.process.pid, signal.SIGINT)
        until(lambda: "Stopping." in frozen.log.read_text(), "the box stops")
        connection.sendall(rest)
        assert connection.recv(65_536).startswith(b"HTTP/1.1 200 ")
    assert frozen.process.wait(ENDED) == 0


def test_a_second_ctrl_c_does_not_wait(either: Frozen) -> None:
    with half_a_request(either):
        os.killpg(either.process.pid, signal.SIGINT)
        until(lambda: "Stopping." in either.log.read_text(), "the box stops")
        os.killpg(either.process.pid, signal.SIGINT)
        assert either.process.wait(ENDED) == FORCED_EXIT
    assert_nothing_is_left(either, [])


def test_kill_9_leaves_no_orphan(either: Frozen) -> None:
    """Of the single file that is the boot-loader, which can then tell its program nothing."""
    workers = working(either)
    either.process.kill()
    either.process.wait(ENDED)
    assert_nothing_is_left(either, workers)


def test_killing_the_program_ends_its_boot_loader_and_children(frozen: Frozen) -> None:
    workers = working(frozen)
    os.kill(frozen.inner, signal.SIGKILL)
    assert frozen.process.wait(ENDED) != 0
    assert_nothing_is_left(frozen, workers)


def test_a_boot_loader_that_is_killed_before_its_program_runs_leaves_no_orphan(
    program: Path, tmp_path: Path
) -> None:
    box = Frozen(program, tmp_path)
    try:
        (box.inner,) = until(
            lambda: children(box.process.pid), "it has unpacked, and starts the program", ENDED
        )
        os.kill(box.inner, signal.SIGSTOP)  # so that nothing in it can notice in time
    finally:
        box.close()
    os.kill(box.inner, signal.SIGCONT)
    assert_nothing_is_left(box, [])


def test_what_was_left_unpacked_is_swept_by_a_later_start(frozen: Frozen) -> None:
    os.kill(frozen.inner, signal.SIGSTOP)
    frozen.close()
    os.kill(frozen.inner, signal.SIGKILL)
    until(lambda: gone(frozen.inner) and not is_held(frozen.data), "both are gone at once")
    (left,) = frozen.unpacked.iterdir()
    long_ago = time.time() - STALE_SECONDS - 1
    os.utime(left, (long_ago, long_ago))
    with Frozen(frozen.program, frozen.folder) as later:
        until(lambda: not left.exists(), "what was left is removed")
        (its_own,) = later.unpacked.iterdir()
        os.utime(its_own, (long_ago, long_ago))
        # Another box beside it does not take it for one that was left.
        later.run("status")
        assert its_own.is_dir()
