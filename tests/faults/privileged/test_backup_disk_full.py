"""The disk of backups fills up while one is taken, or goes away: a sentence, nothing half, all goes on."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from ingestbox.store import DATABASE
from tests.faults.privileged.disk import Disk
from tests.harness import BoxProcess, post_tickets, ticket, until, wait_job

pytestmark = pytest.mark.privileged


def test_a_disk_that_fills_up_meanwhile_leaves_nothing_and_alarms(tmp_path: Path) -> None:
    disk = Disk(tmp_path / "full", megabytes=64)
    folder = disk.path / "backups"
    folder.mkdir()
    config = f'[backup]\nfolder = "{folder}"\nschedule = "every 1 h"\n[alarms]\ncheck_seconds = 0.05\n'
    box = BoxProcess(tmp_path / "box").start()
    try:
        with box.client() as client:
            # Text that is hard to compress: the archive is three quarters of the store, and not the half that
            # is looked for beforehand.
            records = [ticket(n, attachment=secrets.token_urlsafe(12_000)) for n in range(800)]
            wait_job(client, post_tickets(client, records)["job_id"])
        assert box.stop() == 0
        size = (box.data / DATABASE).stat().st_size
        free = size + size // 2 + (1 << 20)
        (disk.path / "filler").write_bytes(bytes(disk.free() - free))
        before = disk.free()
        box.configure(config)
        box.start()
        with box.client() as client:

            def alarm() -> str | None:
                raised = {each["name"]: each["detail"] for each in client.get("/v1/stats").json()["alarms"]}
                return raised.get("backup_failed")

            assert f"The disk of {folder} is full" in until(alarm, "the scheduled one alarms")
            reply = client.post("/v1/backups?wait=50")
            assert (reply.status_code, reply.json()["code"]) == (507, "storage_full"), reply.text
            assert list(folder.iterdir()) == []
            assert disk.free() > before - (1 << 20)
            wait_job(client, post_tickets(client, [ticket(5_000)])["job_id"])
            (disk.path / "filler").unlink()
            reply = client.post("/v1/backups?wait=50")
            assert reply.status_code == 201, reply.text
            disk.break_file_system()
            reply = client.post("/v1/backups?wait=50")
            assert reply.status_code in (201, 507), reply.text
            wait_job(client, post_tickets(client, [ticket(5_001)])["job_id"])
        assert box.stop() == 0
    finally:
        box.close()
        disk.close()
