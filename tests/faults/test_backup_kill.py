"""`kill -9` while a backup is taken or put back: nothing half is ever taken for a whole."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ingestbox.clock import SystemClock
from ingestbox.config import load
from ingestbox.ops.backup import putback, restoring
from ingestbox.ops.backup.archive import verify
from ingestbox.ops.backup.restoring import restore
from ingestbox.ops.offline import open_store
from ingestbox.store import DATABASE
from ingestbox.store.copying import check, facts_of
from tests.cli.support import ingestbox
from tests.forward.support import run
from tests.harness import BoxProcess, post_tickets, ticket, until, wait_job

CHANGES = ("rename", "mkdir", "unlink", "rmdir", "replace", "link", "chown", "utime", "fsync", "open")
"""What a restore asks of the system that changes a disk, or brings it there."""


def test_a_backup_that_is_cut_off_has_no_name_and_goes_at_the_next_start(own_box: BoxProcess) -> None:
    own_box.start()
    folder = own_box.data / "backups"
    with own_box.client() as client:
        text = [{"description": os.urandom(4_000).hex()} for _ in range(1_000)]
        for first in (0, 1_000):
            post_tickets(client, [ticket(first + n, **each) for n, each in enumerate(text)])
        client.post("/v1/backups?wait=0").raise_for_status()

        def half() -> bool:
            return folder.is_dir() and any(each.stat().st_size for each in folder.iterdir())

        until(half, "some of it is on the disk")
    own_box.kill()
    left = list(folder.iterdir())
    assert left
    assert not [each for each in left if each.name.endswith(".zst")], "killed too late to see anything"
    own_box.start()
    until(lambda: not list(folder.iterdir()), "what was left goes")
    with own_box.client() as client:
        name = client.post("/v1/backups?wait=50").json()["name"]
        until(lambda: client.get("/v1/backups").json()["running"] is None, "it ends")
    assert verify(folder / name)


@pytest.fixture(scope="module")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A data folder, and a backup of it from before the last record came."""
    box = BoxProcess(tmp_path_factory.mktemp("stocked") / "box").start()
    try:
        with box.client() as client:
            wait_job(client, post_tickets(client, [ticket(1)])["job_id"])
            upload = client.post(
                "/api/upload", files={"file": ("a.csv", b"id,text\n7,The delivery was late.\n")}
            )
            wait_job(client, upload.raise_for_status().json()["job_id"])
            name = client.post("/v1/backups?wait=50").json()["name"]
            wait_job(client, post_tickets(client, [ticket(2)])["job_id"])
            upload = client.post(
                "/api/upload", files={"file": ("b.csv", b"id,text\n8,The delivery was late.\n")}
            )
            wait_job(client, upload.raise_for_status().json()["job_id"])
        assert box.stop() == 0
    finally:
        box.close()
    file = box.folder / name
    (box.data / "backups" / name).rename(file)
    return box.data, file


def _dying(data: Path, file: Path, at: int) -> int:
    """A restore in a process of its own that dies before its so many-th change (0: none); how many it made,
    of one that came to its end, and 0 of one that died."""
    reads, writes = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writes)
        with os.fdopen(reads, "rb") as told:
            text = told.read()
        _, status = os.waitpid(pid, 0)
        assert os.WIFSIGNALED(status) or text, status
        return int(text or b"0")
    try:
        count = 0

        def counted(real: Callable[..., Any]) -> Callable[..., Any]:
            def call(*arguments: Any, **options: Any) -> Any:
                nonlocal count
                count += 1
                if count == at:
                    os.kill(os.getpid(), signal.SIGKILL)
                return real(*arguments, **options)

            return call

        for name in CHANGES:
            setattr(os, name, counted(getattr(os, name)))
        restore(file, data, force=True, clock=SystemClock(), actor="cli:test")
        os.write(writes, str(count).encode())
    finally:
        os._exit(1)


def _cut_off(stocked: tuple[Path, Path], tmp_path: Path, at: int) -> str:
    """Which box is there after a restore died before its so many-th change, and the folder was opened
    again."""
    origin, file = stocked
    old = facts_of(origin / DATABASE)
    data = tmp_path / f"data{at}"
    shutil.copytree(origin, data)
    assert _dying(data, file, at) == 0
    if at % 7:
        putback.resume(data)  # as each start does
    else:
        run(_opened(data))
    found = facts_of(data / DATABASE)
    check(data / DATABASE)
    named = {each.name for each in (data / "files").iterdir()}
    assert set(found.files) <= named
    assert not (data / putback.STAGE).exists()
    assert (data / "secret").read_bytes() == (origin / "secret").read_bytes()
    asides = list(data.glob("before-restore-*"))
    if named == set(old.files):
        assert not asides
    else:
        assert facts_of(asides[0] / DATABASE).files == old.files
        assert {each.name for each in (asides[0] / "files").iterdir()} == set(old.files)
    shutil.rmtree(data)
    return "restored" if asides else "old"


def test_a_restore_that_is_cut_off_leaves_the_old_box_or_the_restored_one(
    stocked: tuple[Path, Path], tmp_path: Path
) -> None:
    """At some of its changes of the disk, most of them where one takes the other's place."""
    shutil.copytree(stocked[0], tmp_path / "whole")
    total = _dying(tmp_path / "whole", stocked[1], 0)
    first, last = total // 8, total - 1
    assert (_cut_off(stocked, tmp_path, first), _cut_off(stocked, tmp_path, last)) == ("old", "restored")
    while last - first > 1:  # where the plan is there
        middle = (first + last) // 2
        if _cut_off(stocked, tmp_path, middle) == "old":
            first = middle
        else:
            last = middle
    assert 10 < last < total - 10
    for at in range(last + 1, total, 5):
        assert _cut_off(stocked, tmp_path, at) == "restored"


def test_a_restore_into_an_empty_folder_that_is_cut_off_is_ended_by_the_next_start(
    stocked: tuple[Path, Path], tmp_path: Path
) -> None:
    """Nothing was there, so that what is put in its place must not be taken for it."""
    total = _dying(tmp_path / "whole", stocked[1], 0)
    there = []
    for at in range(total - 12, total + 1):
        data = tmp_path / f"data{at}"
        assert _dying(data, stocked[1], at) == 0
        putback.resume(data)
        there.append((data / DATABASE).exists())
        if there[-1]:
            assert facts_of(data / DATABASE).files == tuple(each.name for each in (data / "files").iterdir())
            assert (data / "secret").exists()
            assert not list(data.glob("before-restore-*"))
    assert there == sorted(there)
    assert sum(there) >= 8


@pytest.mark.soak
def test_a_restore_that_is_cut_off_at_each_of_its_changes(stocked: tuple[Path, Path], tmp_path: Path) -> None:
    shutil.copytree(stocked[0], tmp_path / "whole")
    total = _dying(tmp_path / "whole", stocked[1], 0)
    ends = [_cut_off(stocked, tmp_path, at) for at in range(1, total + 1)]
    turned = ends.index("restored")
    assert ends == ["old"] * turned + ["restored"] * (total - turned)


async def _opened(data: Path) -> None:
    async with open_store(load(environ={}, data=str(data)).settings):
        pass


def test_a_restore_that_finds_a_full_disk_changes_nothing(
    stocked: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin, file = stocked
    data = tmp_path / "data"
    shutil.copytree(origin, data)
    monkeypatch.setattr(restoring, "SPARE_BYTES", 1 << 60)
    with pytest.raises(restoring.RestoreError, match="Nothing was changed"):
        restore(file, data, force=True, clock=SystemClock(), actor="cli:test")
    assert facts_of(data / DATABASE) == facts_of(origin / DATABASE)
    assert not (data / putback.STAGE).exists()
    ran = ingestbox("status", "--data", data, cwd=tmp_path)
    assert ran.code == 0, ran.err
