"""The disk fills up while a file comes: 507, nothing is left of it, and the next one that fits is taken."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.privileged.disk import Disk
from tests.harness import BoxProcess, wait_job

pytestmark = pytest.mark.privileged

HEADERS = {"Content-Type": "multipart/form-data; boundary=full"}
HEAD = b'--full\r\nContent-Disposition: form-data; name="file"; filename="f.csv"\r\n\r\nid,text\n'
TAIL = b"\r\n--full--\r\n"
LINE = b"T-1,It came late.\n"


def form(size: int) -> Iterator[bytes]:
    """A file of about so many bytes, in pieces: nobody knows beforehand how long it gets."""
    yield HEAD
    piece = LINE * (65_536 // len(LINE))
    for _ in range(size // len(piece)):
        yield piece
    yield TAIL


@pytest.mark.parametrize("keep_free_mb", [0, 16])
def test_a_file_that_fills_the_disk_leaves_nothing(tmp_path: Path, keep_free_mb: int) -> None:
    disk = Disk(tmp_path / "full", megabytes=96)
    box = BoxProcess(tmp_path / "box", config=f"[store]\nmin_free_mb = {keep_free_mb}\n")
    box.data = disk.path / "data"
    try:
        with box.start().client() as client:
            before = disk.free()
            for _ in range(2):
                reply = client.post("/api/upload", content=form(150 << 20), headers=HEADERS)
                assert (reply.status_code, reply.json()["code"]) == (507, "storage_full"), reply.text
                assert int(reply.headers["retry-after"]) > 0
                assert not list((box.data / "incoming").iterdir())
                assert not list((box.data / "files").iterdir())
            assert disk.free() > before - (4 << 20)
            reply = client.post("/api/upload", content=form(100_000), headers=HEADERS)
            assert reply.status_code == 200, reply.text
            assert wait_job(client, reply.json()["job_id"])["status"] == "completed"
            assert client.get("/v1/doctor").json()["ok"]
        assert box.stop() == 0
    finally:
        box.close()
        disk.close()
