"""What stands in the way of a start is said in a sentence, and the box that runs is not disturbed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.harness import BoxProcess, post_tickets, ticket


def _serve(data: Path, port: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ingestbox", "serve", "--data", str(data), "--port", str(port)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_second_box_on_the_same_folder_is_refused(own_box: BoxProcess) -> None:
    own_box.start()
    assert own_box.process is not None
    refused = _serve(own_box.data, 0)
    assert refused.returncode == 1
    assert f"is in use by process {own_box.process.pid}" in refused.stderr
    assert own_box.url in refused.stderr
    assert "Traceback" not in refused.stderr
    with own_box.client() as client:
        post_tickets(client, [ticket(1)])


def test_a_port_in_use_is_refused_and_leaves_a_folder_that_can_be_used(
    own_box: BoxProcess, tmp_path: Path
) -> None:
    own_box.start()
    port = int(own_box.url.rpartition(":")[2])
    other = BoxProcess(tmp_path / "other")
    refused = _serve(other.data, port)
    assert refused.returncode == 1
    assert f"port {port}" in refused.stderr
    assert "in use" in refused.stderr
    assert "Traceback" not in refused.stderr
    try:
        other.start()
        with other.client() as client:
            post_tickets(client, [ticket(1)])
    finally:
        other.close()


def test_a_killed_box_leaves_a_folder_that_can_be_used_at_once(own_box: BoxProcess) -> None:
    own_box.start().kill()
    own_box.start()
    with own_box.client() as client:
        post_tickets(client, [ticket(1)])
