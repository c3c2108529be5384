"""`ingestbox probe`: what a health check is told, of a box that is well, of one that is not, and of none."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from ingestbox.store.lock import DataLock
from tests.cli.support import ingestbox
from tests.harness import BoxProcess, running
from tests.web.test_tls import Files, Paper


def test_a_box_that_is_not_ready_is_alive(tmp_path: Path) -> None:
    config = "[store]\nmin_free_mb = 1000000000\n[server]\nprefix = '/in'\n"
    with running(tmp_path / "box", config=config) as box:
        alive = ingestbox("probe", "--data", box.data, cwd=tmp_path)
        assert (alive.code, alive.out) == (0, f"The box at {box.url} is alive.\n")
        ready = ingestbox("probe", "--ready", "--data", box.data, cwd=tmp_path)
        assert ready.code == 1
        assert "is not ready" in ready.out and "  disk: " in ready.out
        found = ingestbox("probe", "--ready", "--json", "--data", box.data, cwd=tmp_path)
        assert (found.code, found.json()["ok"]) == (1, False)
        assert [each["name"] for each in found.json()["reasons"]] == ["disk"]
        box.kill()
        gone = ingestbox("probe", "--data", box.data, cwd=tmp_path)
        assert (gone.code, gone.out) == (1, f"No box runs on {box.data}.\n")


def test_a_box_that_is_ready(box: BoxProcess, tmp_path: Path) -> None:
    ready = ingestbox("probe", "--ready", "--data", box.data, cwd=tmp_path)
    assert (ready.code, ready.out) == (0, f"The box at {box.url} is ready.\n")


def test_a_box_with_tls_that_wants_certificates(tmp_path: Path) -> None:
    files = Files(tmp_path)
    files.put(Paper("box.test", files.authority))
    with running(tmp_path / "box", config=files.config(client_ca=True)) as box:
        found = ingestbox("probe", "--ready", "--data", box.data, cwd=tmp_path)
        assert (found.code, found.out) == (0, f"The box at {box.url} is ready.\n")
        assert box.url.startswith("https:")

        assert box.process is not None
        os.kill(box.process.pid, signal.SIGSTOP)
        found = ingestbox("probe", "--timeout", "0.5", "--data", box.data, cwd=tmp_path)
        assert (found.code, found.out) == (1, f"The box at {box.url} did not answer within 0.5 s.\n")


def test_where_no_box_runs_or_one_is_only_starting(tmp_path: Path) -> None:
    none = ingestbox("probe", cwd=tmp_path)
    assert (none.code, none.out) == (1, "No box runs on ingestbox-data.\n")
    assert list(tmp_path.iterdir()) == []
    lock = DataLock.take(tmp_path)
    try:
        starting = ingestbox("probe", "--data", tmp_path, cwd=tmp_path)
        assert (starting.code, starting.out) == (1, f"The box on {tmp_path} is starting.\n")
    finally:
        lock.release()
